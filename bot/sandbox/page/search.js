"use strict";
/** Looking for words in the selected chat: Enter and the arrows go from one message to the next, older ones first. */
import { byId, fill, h } from "./dom.js";
import { icon } from "./icons.js";
import { wordsOf } from "./people.js";
import { messagesIn } from "./reading.js";
import { on, state } from "./state.js";
import { t } from "./words.js";

const bar = byId("search");
const field = /** @type {HTMLInputElement} */ (h("input", { type: "search", "data-testid": "search-field", autocomplete: "off" }));
const count = h("span", { class: "search-count", "data-testid": "search-count", role: "status" });

/** The messages that were found, newest first. @type {number[]} */
let found = [];
let shown = -1;

export function startSearch() {
  field.placeholder = t("search");
  field.setAttribute("aria-label", t("search"));
  fill(bar, field, count, step("searchOlder", "up", 1), step("searchNewer", "down", -1), button("close", "close", close));
  field.addEventListener("input", look);
  field.addEventListener("keydown", key);
  byId("search-open").addEventListener("click", () => (bar.hidden ? open() : close()));
  on("selection", () => !bar.hidden && look());
  document.addEventListener("keydown", (event) => {
    if (!(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== "f" || !state.chat) return;
    event.preventDefault();
    open();
  });
}

function open() {
  bar.hidden = false;
  field.select();
  field.focus();
  look();
}

function close() {
  bar.hidden = true;
  byId("composer").focus();
}

function look() {
  const chat = state.chats.get(state.chat);
  const words = field.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
  const fits = (/** @type {any} */ message) => words.every((word) => wordsOf(message).toLowerCase().includes(word));
  found = chat && words.length ? messagesIn(chat, state.thread).filter(fits).map((message) => message.message_id).reverse() : [];
  shown = -1;
  if (found.length) go(1);
  else count.textContent = words.length ? t("searchNone") : "";
}

/** @param {number} by */
function go(by) {
  if (!found.length) return;
  shown = (shown + by + found.length) % found.length;
  count.textContent = `${shown + 1} / ${found.length}`;
  document.dispatchEvent(new CustomEvent("go-to-message", { detail: found[shown] }));
}

/** @param {KeyboardEvent} event */
function key(event) {
  if (event.key === "Escape") close();
  else if (event.key === "Enter") go(event.shiftKey ? -1 : 1);
  else if (event.key === "ArrowUp" || event.key === "ArrowDown") go(event.key === "ArrowUp" ? 1 : -1);
  else return;
  event.preventDefault();
}

/** @param {string} label @param {string} picture @param {number} by */
const step = (label, picture, by) => button(label, picture, () => go(by));

/** @param {string} label @param {string} picture @param {() => void} run */
const button = (label, picture, run) =>
  h("button", { type: "button", class: "icon-button", title: t(label), "aria-label": t(label), "data-testid": `search-${picture}`, onclick: run }, icon(picture));
