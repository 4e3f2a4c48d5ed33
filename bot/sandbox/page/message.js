"use strict";
/** One message as a row: avatar, bubble, keyboard, reactions. Begin with `messageRow`. */
import { h } from "./dom.js";
import { icon } from "./icons.js";
import { inlineKeyboard } from "./keyboard.js";
import { messageMenu, toggleReaction } from "./message-menu.js";
import { avatar, isMine, nameOf, serviceText, summary } from "./people.js";
import { patchBlocks } from "./render-blocks.js";
import { renderText } from "./render-entities.js";
import { audioPlayer, fileRow, mosaic, photoView, roundVideo, stickerView } from "./render-media.js";
import { replyByGesture } from "./reply-gesture.js";
import { state } from "./state.js";
import { clock, t } from "./words.js";

/**
 * The row of a message, or of an album: `album` are its messages, beginning with `message`.
 * @param {import("./state.js").Message} message @param {import("./state.js").Message[]} [album] @returns {HTMLElement}
 */
export function messageRow(message, album = [message]) {
  const service = serviceText(message);
  const from = message.from?.is_bot ? "bot" : "user";
  const attributes = { "data-testid": `message-${message.message_id}`, "data-id": message.message_id, "data-from": from, role: "article", "aria-label": `${nameOf(message.from)}, ${clock(message.date)}` };
  if (service) return h("div", { ...attributes, class: "row service" }, h("span", null, service));
  const side = isMine(message) ? "out" : "in";
  const row = h("div", { ...attributes, class: `row ${side}` },
    side === "in" && state.chats.get(state.chat)?.type !== "private" ? avatar(message.from?.id, nameOf(message.from), "small") : null,
    h("div", { class: "stack" }, bubble(message, side, album), inlineKeyboard(message)));
  row.addEventListener("contextmenu", (event) => {
    if (/** @type {Element} */ (event.target).closest("a, audio") || String(getSelection())) return;
    event.preventDefault();
    messageMenu(pointedAt(event, album), { x: event.clientX, y: event.clientY });
  });
  row.addEventListener("click", (event) => tapped(event, message));
  replyByGesture(row, (event) => pointedAt(event, album));
  return row;
}

/** The message of an album whose picture was hit. @param {Event} event @param {import("./state.js").Message[]} album */
function pointedAt(event, album) {
  const part = /** @type {Element} */ (event.target).closest("[data-part]")?.getAttribute("data-part");
  return album.find((one) => String(one.message_id) === part) ?? album[0];
}

/** On a touch screen a tap on a bubble opens its menu. @param {MouseEvent} event @param {any} message */
function tapped(event, message) {
  const target = /** @type {Element} */ (event.target);
  if (matchMedia("(hover: hover)").matches || String(getSelection())) return;
  if (!target.closest(".bubble") || target.closest("a, button, summary, audio, .spoiler, .table-scroll, .code-block")) return;
  messageMenu(message, { x: event.clientX, y: event.clientY });
}

/** @param {any} message @param {string} side @param {any[]} album */
function bubble(message, side, album) {
  const isPhotoOnly = message.photo && !album.some((one) => one.caption);
  const isRich = Boolean(message.rich_message);
  const isBare = Boolean(message.sticker || message.video_note);
  const classes = ["bubble", message.only && "only-you", isPhotoOnly && "photo-only", message.photo && "with-photo", isRich && "rich", isBare && "bare", isLoneEmoji(message) && "lone-emoji"];
  const more = h("button", {
    type: "button", class: "bubble-more icon-button", title: t("more"), "aria-label": t("more"), "aria-haspopup": "menu", "data-testid": `menu-${message.message_id}`,
    onclick: (/** @type {Event} */ event) => messageMenu(message, /** @type {Element} */ (event.currentTarget)),
  }, icon("down"));
  return h("div", { class: classes.filter(Boolean).join(" ") },
    side === "in" ? h("div", { class: `sender color-text-${Math.abs(message.from?.id ?? 0) % 7}` }, nameOf(message.from)) : null,
    message.only ? h("div", { class: "only-you-label", "data-testid": `only-you-${message.message_id}` }, t("onlyYou")) : null,
    quoted(message), content(message, album), reactions(message), meta(message), more);
}

/** @param {any} message @param {any[]} album */
function content(message, album) {
  if (message.rich_message) {
    const box = h("div", { class: "blocks", dir: "auto" });
    patchBlocks(box, message.rich_message.blocks, message);
    return box;
  }
  const spoken = album.find((one) => one.text ?? one.caption) ?? message;
  const words = spoken.text ?? spoken.caption;
  const text = words ? h("div", { class: "text", dir: "auto" }, renderText(words, spoken.entities ?? spoken.caption_entities)) : null;
  const pictures = album.filter((one) => one.photo);
  return [pictures.length > 1 ? mosaic(pictures) : null, album.filter((one) => pictures.length < 2 || !one.photo).map(media), text];
}

/** @param {any} message */
function media(message) {
  if (message.photo) return photoView(message.photo);
  if (message.sticker) return stickerView(message.sticker);
  if (message.video_note) return roundVideo(message.video_note);
  if (message.voice || message.audio) return audioPlayer(message.voice ?? message.audio);
  const file = message.document ?? message.video ?? message.animation;
  if (file) return fileRow(file);
  if (message.contact) return h("div", { class: "text" }, `📱 ${message.contact.first_name}, ${message.contact.phone_number}`);
  if (message.location) return h("div", { class: "text" }, `📍 ${message.location.latitude}, ${message.location.longitude}`);
  return message.text === undefined ? h("div", { class: "unsupported" }, t("unsupported")) : null;
}

/** @param {any} message */
function quoted(message) {
  const original = message.reply_to_message;
  if (!original || original.message_id === message.message_thread_id) return null;
  const go = () => document.dispatchEvent(new CustomEvent("go-to-message", { detail: original.message_id }));
  return h("button", { type: "button", class: "quoted", "data-testid": `reply-of-${message.message_id}`, onclick: go },
    h("b", { dir: "auto" }, nameOf(original.from)), h("span", { dir: "auto" }, message.quote?.text ?? summary(original)));
}

/** @param {any} message */
function reactions(message) {
  const all = Object.entries(message.reactions ?? {}).filter(([, people]) => people.length);
  if (!all.length) return null;
  return h("div", { class: "reactions" }, all.map(([emoji, people]) => {
    const mine = people.includes(state.me);
    return h("button", {
      type: "button", class: `reaction ${mine ? "mine" : ""}`, "aria-pressed": String(mine), "data-testid": `reaction-${message.message_id}-${emoji}`,
      onclick: () => toggleReaction(message, emoji),
    }, pretty(emoji), h("span", null, people.length));
  }));
}

/** The Bot API sends the heart without its variation selector: most fonts draw that in black. @param {string} emoji */
const pretty = (emoji) => (emoji === "❤" ? "❤\uFE0F" : emoji);

/** @param {any} message */
function meta(message) {
  const full = new Date(message.date * 1000).toLocaleString(navigator.language, { hourCycle: "h23" });
  return h("span", { class: "meta", title: full },
    message.edit_date ? h("span", { class: "edited" }, t("edited")) : null, clock(message.date));
}

const LONE_EMOJI = /^(?:\p{Extended_Pictographic}(?:\uFE0F|\u200D\p{Extended_Pictographic}|[\u{1F3FB}-\u{1F3FF}])*){1,3}$/u;

/** @param {any} message */
const isLoneEmoji = (message) => Boolean(message.text && message.text.length <= 24 && LONE_EMOJI.test(message.text));
