"use strict";
/** How far each person has read each place; kept over reloads. */
import { placeKey, seenIn, state, threadOf, touch } from "./state.js";

const SAVED = "govorun.read";

/** @type {Record<string, number>} "person/chat:thread" to the highest message id seen */
const seen = JSON.parse(localStorage.getItem(SAVED) ?? "{}");

/** @param {number} chat @param {number} thread */
const key = (chat, thread) => `${state.me}/${placeKey(chat, thread)}`;

/** The messages of a place in a chat. @param {import("./state.js").Chat} chat @param {number} thread */
export function messagesIn(chat, thread) {
  const all = seenIn(chat.id);
  return chat.topics.length ? all.filter((message) => threadOf(message) === thread) : all;
}

/** @param {import("./state.js").Message[]} messages */
const newestOf = (messages) => Math.max(0, ...messages.map((message) => message.message_id));

/** @param {import("./state.js").Chat} chat @param {number} thread */
export const unread = (chat, thread) => unreadIn(chat, thread).length;

/** @param {import("./state.js").Chat} chat @param {number} thread */
function unreadIn(chat, thread) {
  const messages = messagesIn(chat, thread);
  const read = Math.min(seen[key(chat.id, thread)] ?? 0, newestOf(messages));
  return messages.filter((message) => message.message_id > read && message.from?.id !== state.me);
}

/** The id of the first unread message of somebody else in the selected place; 0 for none. */
export function oldestUnread() {
  const chat = state.chats.get(state.chat);
  if (!chat || seen[key(chat.id, state.thread)] === undefined) return 0;
  return unreadIn(chat, state.thread)[0]?.message_id ?? 0;
}

export function unreadHere() {
  const chat = state.chats.get(state.chat);
  return chat ? unread(chat, state.thread) : 0;
}

/** Everything in the selected place is read. */
export function markRead() {
  const chat = state.chats.get(state.chat);
  if (!chat) return;
  const newest = newestOf(messagesIn(chat, state.thread));
  if (seen[key(chat.id, state.thread)] === newest) return;
  seen[key(chat.id, state.thread)] = newest;
  localStorage.setItem(SAVED, JSON.stringify(seen));
  touch("chats");
}
