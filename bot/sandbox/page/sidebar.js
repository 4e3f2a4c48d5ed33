"use strict";
/** Left: who I am, my chats and topics, and what can be created. */
import { byId, fill, h } from "./dom.js";
import { newChat, newTopic } from "./create.js";
import { dots } from "./draft.js";
import { openMenu } from "./menu.js";
import { avatar, chatAvatar, chatTitle, isMine, membersCount, nameOf, summary } from "./people.js";
import { messagesIn, unread } from "./reading.js";
import { become, chatsOf, doing, hasTopics, on, placeKey, select, state } from "./state.js";
import { clock, day, languageName, t } from "./words.js";

export function startSidebar() {
  on(["chats", "selection", "bot", "action"], draw);
  byId("account").addEventListener("click", (/** @type {Event} */ event) => chooseAccount(/** @type {Element} */ (event.currentTarget)));
  byId("add").addEventListener("click", (/** @type {Event} */ event) => chooseNew(/** @type {Element} */ (event.currentTarget)));
  document.addEventListener("keydown", stepOnAlt);
}

function draw() {
  const me = state.users.get(state.me);
  fill(byId("account"), avatar(state.me, nameOf(me)), h("span", { class: "account-words" }, h("small", null, t("youAre")), h("b", null, nameOf(me))));
  fill(byId("chats"), chatsOf(state.me).sort(byRecency).map(entry));
}

/** @param {import("./state.js").Chat} one @param {import("./state.js").Chat} other */
const byRecency = (one, other) => Number(other.type === "private") - Number(one.type === "private") || newest(other) - newest(one);

/** @param {import("./state.js").Chat} chat */
const newest = (chat) => [...(state.messages.get(chat.id)?.values() ?? [])].pop()?.date ?? 0;

/** A chat with its topics below. @param {import("./state.js").Chat} chat */
function entry(chat) {
  const topics = chat.topics.length
    ? [{ id: 0, name: t("general"), icon_color: 0 }, ...chat.topics].map((topic) => place(chat, topic))
    : null;
  return h("li", null, place(chat, null), topics ? h("div", { class: "topics" }, topics) : null);
}

/** @param {import("./state.js").Chat} chat @param {import("./state.js").Topic | null} topic */
function place(chat, topic) {
  const thread = topic?.id ?? 0;
  const isGroupOfTopics = !topic && chat.topics.length > 0;
  const last = isGroupOfTopics ? [...(state.messages.get(chat.id)?.values() ?? [])].pop() : messagesIn(chat, thread).pop();
  const count = isGroupOfTopics ? 0 : unread(chat, thread);
  const current = state.chat === chat.id && state.thread === thread && !isGroupOfTopics;
  const open = state.chat === chat.id && isGroupOfTopics;
  return h("button", {
    type: "button", class: `place ${topic ? "topic" : ""} ${current ? "current" : ""} ${open ? "open" : ""}`, "aria-current": current ? "true" : null,
    "data-testid": topic ? `chat-${chat.id}-${thread}` : `chat-${chat.id}`,
    onclick: () => go(chat.id, thread),
  },
  topic ? topicMark(topic) : chatAvatar(chat),
  h("span", { class: "place-words" },
    h("span", { class: "place-line" }, h("b", null, topic ? topic.name : chatTitle(chat)), last ? h("time", null, when(last.date)) : null),
    h("span", { class: "place-line" }, preview(chat, thread, last), count ? h("span", { class: "badge", "data-testid": "unread" }, count > 99 ? "99+" : count) : null)));
}

/** @param {import("./state.js").Topic} topic */
function topicMark(topic) {
  const mark = h("span", { class: "topic-mark" }, topic.id ? [...topic.name].slice(0, 1).join("").toUpperCase() : "#");
  if (topic.id) mark.style.background = `#${(topic.icon_color ?? 0).toString(16).padStart(6, "0")}`;
  return mark;
}

/** @param {import("./state.js").Chat} chat @param {number} thread @param {any} last */
function preview(chat, thread, last) {
  const action = doing(placeKey(chat.id, thread));
  if (action) return h("span", { class: "preview live" }, t(action), dots());
  if (!last) return h("span", { class: "preview" }, chat.type === "private" ? `@${state.bot.username}` : membersCount(chat));
  const who = isMine(last) ? t("you") : chat.type === "private" ? "" : nameOf(last.from);
  return h("span", { class: "preview", dir: "auto" }, who ? h("i", null, `${who}: `) : null, summary(last));
}

/** @param {number} unix */
const when = (unix) => (day(unix) === t("today") ? clock(unix) : day(unix));

/** @param {number} chat @param {number} thread */
function go(chat, thread) {
  select(chat, thread);
  document.body.classList.add("in-chat");
}

/** @param {Element} button */
function chooseAccount(button) {
  const people = [...state.users.values()].map((user) => ({
    label: nameOf(user), note: [user.username ? `@${user.username}` : "", languageName(user.language_code ?? "")].filter(Boolean).join(" · "), testid: `user-${user.id}`,
    current: user.id === state.me, avatar: avatar(user.id, nameOf(user), "small"), run: () => become(user.id),
  }));
  openMenu(button, [...people, { label: t("newUser"), icon: "plus", testid: "new-user-here", run: () => newChat("private") }]);
}

/** @param {Element} button */
function chooseNew(button) {
  openMenu(button, [
    { label: t("newUser"), icon: "user", testid: "new-user", run: () => newChat("private") },
    { label: t("newGroup"), icon: "group", testid: "new-group", run: () => newChat("supergroup") },
    { label: t("newTopic"), icon: "topic", testid: "new-topic", note: hasTopics(state.chats.get(state.chat)) ? "" : t("topicsOff"), run: newTopic },
  ]);
}

/** Alt with an arrow goes to the next place. @param {KeyboardEvent} event */
function stepOnAlt(event) {
  const step = event.altKey ? { ArrowDown: 1, ArrowUp: -1 }[event.key] : 0;
  if (!step) return;
  const places = [.../** @type {HTMLElement} */ (byId("chats")).querySelectorAll("button")];
  const now = places.findIndex((item) => item.classList.contains("current"));
  places[(now + step + places.length) % places.length]?.click();
  event.preventDefault();
}
