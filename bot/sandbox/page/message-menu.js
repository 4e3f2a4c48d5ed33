"use strict";
/** What can be done with a message: reactions, reply, copy, edit, look at its JSON. */
import { copy, h } from "./dom.js";
import { closeMenu, openMenu } from "./menu.js";
import { isMine, wordsOf } from "./people.js";
import { state } from "./state.js";
import { dialog, toast, viewJson } from "./toast.js";
import { t } from "./words.js";
import { post } from "./wire.js";

const REACTIONS = ["👍", "👎", "❤️", "🔥", "🎉", "😁", "🤔"];

/** @param {any} message @param {{x: number, y: number} | Element} place */
export function messageMenu(message, place) {
  const words = wordsOf(message);
  const tell = (/** @type {string} */ name) => () => document.dispatchEvent(new CustomEvent(name, { detail: message }));
  const items = [
    { label: t("reply"), icon: "reply", testid: "menu-reply", run: tell("reply-to") },
    words ? { label: t("copy"), icon: "copy", testid: "menu-copy", run: () => void copy(words).then(() => toast(t("copied"))) } : null,
    isMine(message) && message.text ? { label: t("edit"), icon: "pencil", testid: "menu-edit", run: tell("edit-message") } : null,
    { label: t("json"), icon: "code", testid: "menu-json", run: () => viewJson(`message ${message.message_id}`, message) },
    mayDelete(message) ? { label: t("delete"), icon: "trash", danger: true, testid: "menu-delete", run: () => askToDelete(message) } : null,
  ];
  openMenu(place, /** @type {any} */ (items.filter(Boolean)), picker(message));
}

/** In a private chat anybody may delete any message, in a group only one's own; the group's owner may delete all. @param {any} message */
function mayDelete(message) {
  const isOwner = state.chats.get(state.chat)?.members[0] === state.me;
  return message.message_id > 0 && (message.chat.type === "private" || isMine(message) || isOwner);
}

/** @param {any} message */
function askToDelete(message) {
  const done = () => post("delete", { chat_id: message.chat.id, message_id: message.message_id });
  dialog({ title: t("deleteTitle"), body: h("p", null, t("deleteAsk")), button: t("delete"), danger: true, testid: "delete-dialog", done });
}

/** @param {any} message */
function picker(message) {
  return h("div", { class: "reaction-picker", role: "group", "aria-label": t("react") }, REACTIONS.map((emoji) =>
    h("button", {
      type: "button", role: "menuitem", "data-testid": `react-${emoji}`, class: reacted(message, emoji) ? "mine" : null, "aria-label": emoji,
      onclick: () => {
        closeMenu();
        toggleReaction(message, emoji);
      },
    }, emoji)));
}

/** The server may leave out the variation selector of a heart. @param {any} message @param {string} emoji */
const reacted = (message, emoji) =>
  Object.entries(message.reactions ?? {}).some(([name, people]) => bare(name) === bare(emoji) && people.includes(state.me));

/** @param {string} emoji */
const bare = (emoji) => emoji.replace(/\uFE0F/g, "");

/** Put my reaction on a message, or take the same one away. @param {any} message @param {string} emoji */
export function toggleReaction(message, emoji) {
  const body = { chat_id: message.chat.id, user_id: state.me, message_id: message.message_id };
  void post("react", { ...body, emoji: reacted(message, emoji) ? null : bare(emoji) });
}
