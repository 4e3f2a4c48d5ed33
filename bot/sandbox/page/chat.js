"use strict";
/** The list of messages of the selected chat: only changed rows are drawn again; it stays at the bottom if it was there. */
import { byId, h } from "./dom.js";
import { draftRow, updateDraft } from "./draft.js";
import { messageRow } from "./message.js";
import { markRead, unreadHere } from "./reading.js";
import { here, isForMe, messagesOf, on, seenIn, state, threadOf } from "./state.js";
import { day, t } from "./words.js";

const PAGE = 120;
const NEAR_BOTTOM = 80;
const SAME_SPEAKER_SECONDS = 600;

const scroller = byId("scroller");
const list = byId("messages");
const jump = byId("jump");

/** @type {Map<number, HTMLElement>} */
const rows = new Map();
/** @type {Map<number, import("./state.js").Message>} */
let visible = new Map();
let limit = PAGE;
let stuck = true;
let justFinished = false;
/** @type {HTMLElement | null} */
let draft = null;

export function startChat() {
  on("selection", drawAll);
  on("messages", (ids) => (ids.has("all") ? drawAll() : drawSome(ids)));
  on("draft", (keys) => (keys.has("all") || keys.has(here())) && drawDraft());
  scroller.addEventListener("scroll", scrolled, { passive: true });
  new ResizeObserver(() => stuck && toBottom()).observe(list);
  new ResizeObserver(() => stuck && toBottom()).observe(scroller);
  jump.addEventListener("click", () => scroller.scrollTo({ top: scroller.scrollHeight, behavior: "smooth" }));
  document.addEventListener("go-to-message", (event) => goTo(/** @type {CustomEvent} */ (event).detail));
  addEventListener("focus", read);
}

/** The messages of the selected place, oldest first. */
function current() {
  const chat = state.chats.get(state.chat);
  const all = seenIn(state.chat);
  const mine = chat?.topics.length ? all.filter((message) => threadOf(message) === state.thread) : all;
  return mine;
}

let drawn = "";

function drawAll() {
  if (drawn !== here()) limit = PAGE;
  const isNewPlace = drawn !== here();
  drawn = here();
  rows.clear();
  const all = current();
  visible = new Map(all.slice(-limit).map((message) => [message.message_id, message]));
  const nodes = [...visible.values()].map((message) => row(message));
  list.replaceChildren(...(all.length > limit ? [earlier()] : []), ...nodes);
  draft = null;
  arrange();
  drawDraft();
  if (isNewPlace || stuck) toBottom();
  read();
}

/** @param {Set<number>} ids */
function drawSome(ids) {
  let isNew = false;
  for (const id of [...ids].sort((a, b) => a - b)) isNew = drawOne(id) || isNew;
  arrange();
  if (isNew && isOwnLast()) stuck = true;
  if (stuck) toBottom();
  justFinished = false;
  read();
}

/** Draw one changed, new or deleted message. True for a new one. @param {number} id */
function drawOne(id) {
  const message = messagesOf(state.chat).get(id);
  const old = rows.get(id);
  const belongs = message && isForMe(message) && (!state.chats.get(state.chat)?.topics.length || threadOf(message) === state.thread);
  if (!message || !belongs) {
    old?.remove();
    rows.delete(id);
    visible.delete(id);
    return false;
  }
  if (!old && id > 0 && id < eldest()) return false;
  visible.set(id, message);
  const fresh = row(message);
  if (old) {
    keepOpen(old, fresh);
    old.replaceWith(fresh);
    return false;
  }
  if (!justFinished) fresh.classList.add("arriving");
  list.insertBefore(fresh, draft);
  return true;
}

/** The lowest id that everybody sees, of those that are drawn. */
function eldest() {
  const ids = [...visible.keys()].filter((id) => id > 0);
  return ids.length ? Math.min(...ids) : 0;
}

/** What the reader opened stays open when a message is edited. @param {Element} old @param {Element} fresh */
function keepOpen(old, fresh) {
  for (const selector of [".spoiler", "blockquote.expandable"]) {
    const before = old.querySelectorAll(selector);
    fresh.querySelectorAll(selector).forEach((item, index) => before[index]?.classList.contains("shown") && item.classList.add("shown"));
  }
  const details = old.querySelectorAll("details");
  fresh.querySelectorAll("details").forEach((item, index) => details[index] && (item.open = details[index].open));
}

/** @param {import("./state.js").Message} message */
function row(message) {
  const element = messageRow(message);
  rows.set(message.message_id, element);
  return element;
}

function earlier() {
  const more = () => {
    const fromBottom = scroller.scrollHeight - scroller.scrollTop;
    limit += PAGE;
    drawAll();
    scroller.scrollTop = scroller.scrollHeight - fromBottom;
  };
  return h("button", { type: "button", class: "earlier", "data-testid": "earlier", onclick: more }, t("earlier"));
}

/** Day dividers, and which rows of one speaker belong together. */
function arrange() {
  const messages = [...visible.values()];
  const dividers = new Map([...list.querySelectorAll(".day")].map((item) => [item.getAttribute("data-before"), item]));
  messages.forEach((message, index) => {
    const element = /** @type {HTMLElement} */ (rows.get(message.message_id));
    const previous = messages[index - 1];
    const isNewDay = !previous || day(previous.date) !== day(message.date);
    const key = String(message.message_id);
    if (isNewDay && !dividers.has(key)) {
      list.insertBefore(h("div", { class: "day", "data-before": key }, h("span", null, day(message.date))), element);
    }
    if (isNewDay) dividers.delete(key);
    element.classList.toggle("first", isNewDay || !together(previous, message));
    element.classList.toggle("last", !messages[index + 1] || !together(message, messages[index + 1]));
  });
  for (const divider of dividers.values()) divider.remove();
  byId("empty").hidden = messages.length > 0 || Boolean(draft) || !state.chats.has(state.chat);
}

/** @param {any} one @param {any} other */
const together = (one, other) =>
  one.from?.id === other.from?.id && other.date - one.date < SAME_SPEAKER_SECONDS && day(one.date) === day(other.date) &&
  !rows.get(one.message_id)?.classList.contains("service") && !rows.get(other.message_id)?.classList.contains("service");

function isOwnLast() {
  const last = [...visible.values()].pop();
  return last?.from?.id === state.me;
}

// --- the draft ---------------------------------------------------------------------------------------------------------

function drawDraft() {
  const value = state.drafts.get(here());
  if (!value) {
    justFinished = Boolean(draft);
    draft?.remove();
    draft = null;
    if (!justFinished) return;
    requestAnimationFrame(() => (justFinished = false));
  } else if (draft) {
    updateDraft(draft, value);
  } else {
    draft = draftRow(value);
    list.append(draft);
  }
  byId("empty").hidden = visible.size > 0 || Boolean(draft);
  if (stuck) toBottom();
}

// --- scrolling ---------------------------------------------------------------------------------------------------------

function toBottom() {
  scroller.scrollTop = scroller.scrollHeight;
}

function scrolled() {
  stuck = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < NEAR_BOTTOM;
  jump.hidden = stuck;
  if (stuck) read();
}

function read() {
  if (stuck && document.hasFocus()) markRead();
  const unread = unreadHere();
  jump.querySelector(".count").textContent = unread ? String(unread) : "";
}

/** @param {number} id */
function goTo(id) {
  const element = rows.get(id);
  if (!element) return;
  element.scrollIntoView({ block: "center", behavior: "smooth" });
  element.classList.remove("flash");
  requestAnimationFrame(() => element.classList.add("flash"));
}
