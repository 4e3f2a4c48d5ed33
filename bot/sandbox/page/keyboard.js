"use strict";
/** Buttons under a message: callback (spinner until answered), link, copy. Rich buttons are the same in a text. */
import { copy, h, safeAddress } from "./dom.js";
import { icon } from "./icons.js";
import { onAnswer, state } from "./state.js";
import { alertBox, toast } from "./toast.js";
import { t } from "./words.js";
import { post } from "./wire.js";

const LONGEST_WAIT_MS = 15_000;

/** Presses that wait for an answer, "chat/message/data" to the query's id. @type {Map<string, string>} */
const waiting = new Map();
/** Answers that came before the id was known. @type {Set<string>} */
const early = new Set();

/** What a screen reader says for a label without words. @type {Record<string, string>} */
const SIGNS = { "↻": "again", "‹": "previous", "›": "next" };

/** A text that a click copies. @param {string} text */
export const copyable = (text) =>
  h("button", { type: "button", class: "copyable", title: t("copy"), onclick: () => void copy(text).then(() => toast(t("copied"))) }, text);

/** @param {any} message @returns {HTMLElement | null} */
export function inlineKeyboard(message) {
  const rows = message.reply_markup?.inline_keyboard;
  if (!rows?.length) return null;
  return h("div", { class: "keyboard" }, rows.map((/** @type {any[]} */ row) =>
    h("div", { class: "keyboard-row" }, row.map((button) => richButton(button, message, button.text)))));
}

/** @param {any} button @param {any} message null in a draft, where buttons can't be pressed @param {string} label */
export function richButton(button, message, label) {
  const data = button.callback_data;
  const style = ["primary", "success", "danger"].includes(button.style) ? button.style : "";
  const kind = data !== undefined ? null : button.url ? "external" : button.copy_text ? "copy" : null;
  const element = h("button", {
    type: "button",
    class: `key ${style}`,
    disabled: Boolean(button.disabled) || !message,
    "aria-label": SIGNS[label] ? t(SIGNS[label]) : null,
    title: SIGNS[label] ? t(SIGNS[label]) : null,
    "data-testid": `button-${data ?? label}`,
    "data-press": data !== undefined && message ? keyOf(message, data) : null,
    onclick: () => press(element, button, message),
  }, h("span", { class: "key-label" }, label), kind ? icon(kind) : null, h("span", { class: "spinner" }));
  if (message && data !== undefined && waiting.has(keyOf(message, data))) element.classList.add("pressed");
  return element;
}

/** @param {any} message @param {string} data */
const keyOf = (message, data) => `${message.chat?.id}/${message.message_id}/${data}`;

/** @param {HTMLElement} element @param {any} button @param {any} message */
async function press(element, button, message) {
  if (button.callback_data !== undefined) return call(element, message, button.callback_data);
  if (button.copy_text) {
    await copy(button.copy_text.text ?? "");
    return toast(t("copied"));
  }
  const href = button.url ? safeAddress(button.url) : null;
  if (href) return void window.open(href, "_blank", "noopener,noreferrer");
  return toast(t("buttonUnsupported"));
}

/** @param {HTMLElement} element @param {any} message @param {string} data */
async function call(element, message, data) {
  const key = keyOf(message, data);
  if (waiting.has(key)) return;
  waiting.set(key, "");
  element.classList.add("pressed");
  const answer = await post("press", { chat_id: message.chat.id, user_id: state.me, message_id: message.message_id, data });
  if (!answer || early.delete(answer.callback_query_id)) return release(key);
  waiting.set(key, answer.callback_query_id);
  setTimeout(() => waiting.get(key) === answer.callback_query_id && release(key), LONGEST_WAIT_MS);
}

/** @param {string} key */
function release(key) {
  waiting.delete(key);
  for (const element of document.querySelectorAll(".key.pressed")) {
    if (element.getAttribute("data-press") === key) element.classList.remove("pressed");
  }
}

onAnswer(({ callback_query_id, user_id, text, show_alert }) => {
  const found = [...waiting].find(([, id]) => id === callback_query_id);
  if (found) release(found[0]);
  else if ([...waiting.values()].includes("")) early.add(callback_query_id);
  if (!text || user_id !== state.me || document.body.classList.contains("split")) return; // a phone says it
  if (show_alert) alertBox(text);
  else toast(text);
});
