"use strict";
/** Writing: the growing field, reply and edit, Send and Stop. Attachments, commands and recording have files of their own. */
import { startAttach } from "./attach.js";
import { hideCommands, keyInCommands, startCommands, suggestCommands } from "./command-menu.js";
import { byId, fill, h } from "./dom.js";
import { icon } from "./icons.js";
import { isMine, nameOf, summary } from "./people.js";
import { messagesIn } from "./reading.js";
import { canRecord, startRecording } from "./recorder.js";
import { here, messagesOf, on, select, state } from "./state.js";
import { t } from "./words.js";
import { post } from "./wire.js";

const TALLEST = 220;

/** @type {HTMLTextAreaElement} */
const field = byId("composer");

/** What the text will do: answer a message, change one, or neither. @type {{kind: "reply" | "edit", message: any} | null} */
let intent = null;
/** Texts not sent yet, by place. @type {Map<string, string>} */
const unsent = new Map();
let place = "";
/** Messages that have asked for a reply. */
const asked = new Set();
/** Enter was pressed before the chats were here. */
let isEarly = false;

export function startComposer() {
  field.placeholder = t("message");
  field.setAttribute("aria-label", t("message"));
  field.addEventListener("input", typed);
  field.addEventListener("keydown", key);
  byId("send").addEventListener("click", () => void submit());
  byId("stop").addEventListener("click", () => void stop());
  byId("record").addEventListener("click", startRecording);
  on("selection", changePlace);
  on(["selection", "draft"], drawButtons);
  on("messages", beginReplies);
  on("selection", drawReplyKeyboard);
  document.addEventListener("keydown", typeAnywhere);
  document.addEventListener("reply-to", (event) => setIntent("reply", /** @type {CustomEvent} */ (event).detail));
  document.addEventListener("edit-message", (event) => setIntent("edit", /** @type {CustomEvent} */ (event).detail));
  document.addEventListener("click", commandClicked);
  startCommands(say, prefill);
  startAttach();
}

/** Put the cursor into the field, unless that would open the keyboard of a phone. */
export function focusField() {
  if (matchMedia("(pointer: fine)").matches && !document.querySelector("dialog[open]")) field.focus({ preventScroll: true });
}

/** Send a text in the selected place. @param {string} text @param {number} [replyTo] */
export function say(text, replyTo) {
  const body = { chat_id: state.chat, user_id: state.me, text, thread_id: state.thread || undefined, reply_to: replyTo };
  return post("send", body);
}

/** Put a text into the field, to be completed. @param {string} text */
export function prefill(text) {
  field.value = text;
  typed();
  field.focus();
}

// --- the field ---------------------------------------------------------------------------------------------------------

function typed() {
  field.style.height = "auto";
  if (field.scrollHeight) field.style.height = `${Math.min(field.scrollHeight, TALLEST)}px`;
  field.style.overflowY = field.scrollHeight > TALLEST ? "auto" : "hidden";
  drawButtons();
  if (!intent) suggestCommands(field.value);
}

/** @param {KeyboardEvent} event */
function key(event) {
  if (event.isComposing) return;
  if (keyInCommands(event)) return event.preventDefault();
  if (event.key === "Enter" && !event.shiftKey) {
    event.preventDefault();
    void submit();
  } else if (event.key === "Escape" && intent) {
    cancelIntent();
  } else if (event.key === "ArrowUp" && !field.value && !event.altKey) {
    const last = lastOwn();
    if (last) setIntent("edit", last);
    if (last) event.preventDefault();
  }
}

/** Keys typed outside of any other field go into this one, as in Telegram. @param {KeyboardEvent} event */
function typeAnywhere(event) {
  const target = /** @type {Element} */ (event.target);
  const isPaste = (event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "v";
  const isLetter = [...event.key].length === 1 && !event.ctrlKey && !event.metaKey && !event.altKey;
  if (event.defaultPrevented || !(isLetter || isPaste)) return;
  if (target.closest("input, textarea, select, dialog, .menu") || (event.key === " " && target !== document.body)) return;
  field.focus();
}

function lastOwn() {
  const chat = state.chats.get(state.chat);
  return chat && messagesIn(chat, state.thread).reverse().find((message) => isMine(message) && message.text);
}

async function submit() {
  const text = field.value.trim();
  isEarly = !state.chat;
  if (!text || isEarly) return;
  const purpose = intent;
  clear();
  const isEdit = purpose?.kind === "edit";
  const answer = isEdit
    ? await post("edit", { chat_id: state.chat, user_id: state.me, message_id: purpose.message.message_id, text })
    : await say(text, purpose?.message.message_id);
  if (!answer && !field.value) prefill(text);
}

function clear() {
  field.value = "";
  hideCommands();
  intent = null;
  drawIntent();
  typed();
}

function changePlace() {
  if (here() === place || !state.chat) return;
  if (!place) return begin();
  if (field.value && !intent) unsent.set(place, field.value);
  else unsent.delete(place);
  place = here();
  clear();
  field.value = unsent.get(place) ?? "";
  typed();
  focusField();
}

/** Begin with the first place. A text written while the page was loading stays, and is sent if Enter was pressed. */
function begin() {
  place = here();
  focusField();
  if (isEarly) void submit();
}

/** As in Telegram, a click on a command sends it, and a click on a link to the bot opens the private chat with it. @param {MouseEvent} event */
function commandClicked(event) {
  const command = /** @type {Element} */ (event.target).closest?.("[data-command]")?.getAttribute("data-command");
  if (command) void say(command);
  const start = startOf(/** @type {Element} */ (event.target).closest?.("a[href]")?.getAttribute("href") ?? "");
  if (start === null) return;
  event.preventDefault();
  select(state.me);
  void say(`/start ${start}`.trim());
}

/** The parameter of /start in a link to this bot, "" for none; null for any other link. @param {string} href */
function startOf(href) {
  if (!URL.canParse(href)) return null;
  const { host, pathname, searchParams } = new URL(href);
  const isOurs = host === "t.me" && pathname.slice(1).toLowerCase() === state.bot.username?.toLowerCase();
  return isOurs && state.chats.has(state.me) ? searchParams.get("start") ?? "" : null;
}

// --- reply and edit ----------------------------------------------------------------------------------------------------

/** @param {"reply" | "edit"} kind @param {any} message */
function setIntent(kind, message) {
  intent = { kind, message };
  drawIntent();
  if (kind === "edit") field.value = message.text;
  typed();
  field.focus();
}

/** A question of the bot that wants a reply opens one. @param {Set<number | string>} ids of messages that came */
function beginReplies(ids) {
  for (const id of ids) {
    const message = typeof id === "number" ? messagesOf(state.chat).get(id) : null;
    const isForMe = message?.chat.type === "private" || message?.reply_to_message?.from?.id === state.me;
    if (!message?.force_reply || !isForMe || asked.has(`${state.chat} ${id}`)) continue;
    asked.add(`${state.chat} ${id}`);
    if (!intent && !field.value) setIntent("reply", message);
  }
}

function cancelIntent() {
  if (intent?.kind === "edit") field.value = "";
  intent = null;
  drawIntent();
  typed();
  field.focus();
}

function drawIntent() {
  const bar = byId("intent");
  bar.hidden = !intent;
  byId("send").classList.toggle("editing", intent?.kind === "edit");
  if (!intent) return;
  fill(bar, icon(intent.kind === "edit" ? "pencil" : "reply"),
    h("span", { class: "intent-words" }, h("b", null, intent.kind === "edit" ? t("editing") : nameOf(intent.message.from)), h("span", null, summary(intent.message))),
    h("button", { type: "button", class: "icon-button", title: t("cancel"), "aria-label": t("cancel"), "data-testid": "intent-cancel", onclick: cancelIntent }, icon("close")));
}

// --- Send, Stop, Record ------------------------------------------------------------------------------------------------

/** Stop, or else the microphone, stands in the place of Send while there is nothing to send. */
function drawButtons() {
  const hasText = Boolean(field.value.trim());
  const canStop = Boolean(state.drafts.get(here())?.can_stop);
  byId("send").classList.toggle("ready", hasText);
  byId("stop").hidden = !canStop;
  byId("record").hidden = hasText || canStop || intent?.kind === "edit" || !canRecord();
  byId("send").hidden = !hasText && (canStop || !byId("record").hidden);
}

/** The reply keyboard that the bot shows. */
function drawReplyKeyboard() {
  const rows = state.chats.get(state.chat)?.reply_keyboard ?? [];
  byId("reply-keyboard").hidden = !rows.length;
  fill(byId("reply-keyboard"), ...rows.map((/** @type {any[]} */ row) => h("div", { class: "keyboard-row" }, row.map((one) =>
    h("button", { type: "button", class: "key", "data-testid": `reply-button-${one.text}`, onclick: () => void pressReplyButton(one.text) },
      h("span", { class: "key-label" }, one.text))))));
}

/** @param {string} label */
const pressReplyButton = (label) => post("press_reply_button", { chat_id: state.chat, user_id: state.me, label });

async function stop() {
  const draft = state.drafts.get(here());
  if (!draft) return;
  await post("stop", { chat_id: draft.chat_id, thread_id: draft.thread_id || undefined, draft_id: draft.draft_id });
}
