"use strict";
/** The list of messages of the selected chat: only changed rows are drawn again; it stays at the bottom if it was there. */
import { byId, h } from "./dom.js";
import { draftRow, updateDraft } from "./draft.js";
import { messageRow } from "./message.js";
import { markRead, oldestUnread, unreadHere } from "./reading.js";
import { here, isForMe, messagesOf, on, seenIn, state, threadOf } from "./state.js";
import { keepStop, moveByKeys, settle } from "./roving.js";
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
let lastTop = 0;
let justFinished = false;
/** The first message that was unread when this place was opened; 0 for none. */
let firstUnread = 0;
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
  moveByKeys(list);
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
  const isNewPlace = drawn !== `${state.me} ${here()}`;
  if (isNewPlace) limit = PAGE;
  if (isNewPlace) firstUnread = oldestUnread();
  drawn = `${state.me} ${here()}`;
  rows.clear();
  const all = current();
  visible = new Map(all.slice(-limit).map((message) => [message.message_id, message]));
  const nodes = [...visible.values()].filter(isLeader).map(row);
  list.replaceChildren(...(all.length > limit ? [earlier()] : []), ...nodes);
  draft = null;
  arrange();
  drawDraft();
  if (isNewPlace || stuck) toBottom();
  if (isNewPlace) showUnreadLine();
  read();
}

/** Put a line above what is unread, and begin to read there. */
function showUnreadLine() {
  const first = rows.get(firstUnread);
  if (!first) return;
  const line = h("div", { class: "unread-line", "data-testid": "unread-line" }, h("span", null, t("unread")));
  const before = first.previousElementSibling;
  list.insertBefore(line, before?.classList.contains("day") ? before : first);
  if (line.getBoundingClientRect().top >= scroller.getBoundingClientRect().top) return;
  stuck = false;
  line.scrollIntoView({ block: "start" });
}

/** @param {Set<number>} ids */
function drawSome(ids) {
  let isNew = false;
  for (const id of ids) isNew = drawOne(id) || isNew; // in order of arrival: the ids of ephemeral messages are negative and fall
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
  if (!message || !belongs) return remove(id);
  if (!old && id > 0 && id < eldest()) return false;
  visible.set(id, message);
  if (!isLeader(message)) return drawOne(albumOf(message)[0].message_id) || !old;
  const fresh = row(message);
  if (old) {
    keepOpen(old, fresh);
    const hadFocus = old.contains(document.activeElement);
    old.replaceWith(fresh);
    if (hadFocus) fresh.focus({ preventScroll: true });
    return false;
  }
  if (!justFinished) fresh.classList.add("arriving");
  list.insertBefore(fresh, draft);
  return true;
}

/** Take away a message; the others of its album stay. @param {number} id */
function remove(id) {
  const gone = visible.get(id);
  const others = gone ? albumOf(gone).filter((one) => one !== gone) : [];
  rows.get(id)?.remove();
  for (const one of [gone, ...others]) if (one) rows.delete(one.message_id);
  visible.delete(id);
  if (others.length) list.insertBefore(row(others[0]), nextRow(others[0]) ?? draft);
  return false;
}

/** The messages that share a bubble with this one, itself among them. @param {import("./state.js").Message} message */
const albumOf = (message) =>
  message.media_group_id ? [...visible.values()].filter((one) => one.media_group_id === message.media_group_id) : [message];

/** Whether a message has a row: in an album only the first has one. @param {import("./state.js").Message} message */
const isLeader = (message) => !message.media_group_id || albumOf(message)[0].message_id === message.message_id;

/** The row before which the row of this message belongs: the first row of a later message. @param {import("./state.js").Message} message */
function nextRow(message) {
  const ids = [...visible.keys()];
  return ids.slice(ids.indexOf(message.message_id) + 1).map((id) => rows.get(id)).find((one) => one?.isConnected) ?? null;
}

/** The lowest id among the drawn messages that everybody sees, which are those without `only`. */
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
  const album = albumOf(message);
  const element = messageRow(message, album);
  for (const one of album) rows.set(one.message_id, element);
  settle(element);
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
  const messages = [...visible.values()].filter(isLeader);
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
  keepStop(list);
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
  lastTop = scroller.scrollTop;
}

/** The list stays at the bottom until the reader scrolls up; a picture that grows while it loads does not end that. */
function scrolled() {
  const isNear = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < NEAR_BOTTOM;
  stuck = isNear || (stuck && scroller.scrollTop >= lastTop);
  lastTop = scroller.scrollTop;
  jump.hidden = stuck;
  if (stuck) read();
}

function read() {
  if (stuck && document.hasFocus()) markRead();
  const unread = unreadHere();
  jump.querySelector(".count").textContent = unread ? String(unread) : "";
}

/** Show a message, also one that is too old to be drawn yet. @param {number} id */
function goTo(id) {
  const place = current().findIndex((message) => message.message_id === id);
  if (place >= 0 && !rows.has(id)) {
    limit = current().length - place + PAGE / 2;
    stuck = false;
    drawAll();
  }
  const element = rows.get(id);
  if (!element) return;
  element.scrollIntoView({ block: "center", behavior: "smooth" });
  element.classList.remove("flash");
  requestAnimationFrame(() => element.classList.add("flash"));
}
