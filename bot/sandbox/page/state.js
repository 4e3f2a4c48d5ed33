"use strict";
/**
 * What the page knows, and who wants to hear of changes. Begin with `apply` (one event of the wire) and `on`.
 *
 * Changes are gathered and told once a frame, so hundreds of events a second cost one drawing each frame.
 *
 * @typedef {{id: number, type: string, title: string, members: number[], is_forum?: boolean, administers?: boolean, reply_keyboard?: any[][],
 *   topics: Topic[]}} Chat
 * @typedef {{id: number, name: string, icon_color: number}} Topic
 * @typedef {Record<string, any> & {message_id: number, date: number}} Message A Bot API message plus `reactions`,
 *   `force_reply`, and `only`, the person who alone sees it.
 * @typedef {{chat_id: number, thread_id: number, draft_id: number, text: string, entities: any[],
 *   rich_message: any, can_stop: boolean, keep_on_stop: boolean, thinking: boolean}} Draft
 * @typedef {{n: number, at: number, lane: string, name: string, chat_id: number | null, status: number, ms: number,
 *   summary: string, detail: any}} Entry
 */

/** Which phone of a split view this page is, "customer" or "operator"; "" for the whole page. */
export const phone = new URLSearchParams(location.search).get("phone") ?? "";

const JOURNAL_LENGTH = 1000;
const ACTION_MS = 5500;
const SLOWEST_FRAME_MS = 300;
const PATIENCE_MS = 60_000; // a bot that has just been started on a slow machine

export const state = {
  seq: 0,
  ready: false,
  connection: "connecting",
  bot: /** @type {any} */ ({}),
  isDead: false, // the sandbox's bot does not run, and no other one has done anything since
  users: /** @type {Map<number, any>} */ (new Map()),
  chats: /** @type {Map<number, Chat>} */ (new Map()),
  messages: /** @type {Map<number, Map<number, Message>>} */ (new Map()),
  drafts: /** @type {Map<string, Draft>} */ (new Map()),
  actions: /** @type {Map<string, {action: string, until: number}>} */ (new Map()),
  commands: /** @type {Record<string, Record<string, any[]>>} */ ({}), // by scope (JSON) and language
  journal: /** @type {Entry[]} */ ([]),
  faults: /** @type {any} */ ({}),
  model: /** @type {any} */ ({}),
  trials: /** @type {any} */ ({}),
  me: 0,
  chat: 0,
  thread: 0,
};

/** @param {number} chat @param {number} thread */
export const placeKey = (chat, thread) => `${chat}:${thread || 0}`;
export const here = () => placeKey(state.chat, state.thread);

const ACTIONS = {
  typing: "typing", upload_photo: "uploading", record_voice: "recording", upload_voice: "recording", upload_document: "sendingFile",
};

/** What the bot is doing in a place, as the name of a word; "" if nothing. @param {string} key */
export const doing = (key) => (state.drafts.has(key) ? "typing" : ACTIONS[state.actions.get(key)?.action ?? ""] ?? "");

/** The topic a message belongs to; in a group without topics a reply's thread number means nothing. @param {Message} message */
export const threadOf = (message) => (message.is_topic_message ? message.message_thread_id ?? 0 : 0);

// --- who hears ---------------------------------------------------------------------------------------------------------

/** @type {Map<string, Set<(keys: Set<any>) => void>>} */
const listeners = new Map();
/** @type {Map<string, Set<any>>} */
let dirty = new Map();
let frame = 0;
let timer = 0;

/**
 * Call `listener` in the next frame after a change. Topics: chats, selection, messages (keys: message ids of the
 * selected chat, or "all"), draft, action, bot, user, model, faults, trials, journal (keys: entries, or "all"), commands,
 * connection.
 * @param {string | string[]} topics @param {(keys: Set<any>) => void} listener
 */
export function on(topics, listener) {
  for (const topic of [topics].flat()) {
    if (!listeners.has(topic)) listeners.set(topic, new Set());
    listeners.get(topic)?.add(listener);
  }
}

/** @param {string} topic @param {any} [key] */
export function touch(topic, key = "all") {
  if (!dirty.has(topic)) dirty.set(topic, new Set());
  dirty.get(topic)?.add(key);
  if (frame) return;
  frame = requestAnimationFrame(tell);
  timer = setTimeout(tell, SLOWEST_FRAME_MS);
}

function tell() {
  cancelAnimationFrame(frame);
  clearTimeout(timer);
  frame = 0;
  const changed = dirty;
  dirty = new Map();
  /** @type {Map<(keys: Set<any>) => void, Set<any>>} */
  const calls = new Map();
  for (const [topic, keys] of changed) {
    for (const listener of listeners.get(topic) ?? []) calls.set(listener, union(calls.get(listener), keys));
  }
  for (const [listener, keys] of calls) listener(keys);
}

/** @param {Set<any> | undefined} one @param {Set<any>} other */
const union = (one, other) => (one ? new Set([...one, ...other]) : other);

/** Wait until something is true, at most so many milliseconds. @template T @param {() => T} found @param {number} [patience] @returns {Promise<T | null>} */
export async function until(found, patience = PATIENCE_MS) {
  for (const end = Date.now() + patience; Date.now() < end; await new Promise((wake) => setTimeout(wake, 100))) {
    const it = found();
    if (it) return it;
  }
  return null;
}

// --- what changes ------------------------------------------------------------------------------------------------------

/** Take a whole snapshot. @param {any} snapshot */
export function load(snapshot) {
  Object.assign(state, {
    seq: snapshot.seq,
    ready: true,
    bot: snapshot.bot,
    commands: snapshot.commands ?? {},
    journal: snapshot.journal ?? [],
    faults: snapshot.faults ?? {},
    model: snapshot.model ?? {},
    trials: snapshot.trials ?? {},
    isDead: snapshot.bot.running === false,
  });
  state.users = new Map(snapshot.users.map((/** @type {any} */ user) => [user.id, user]));
  state.chats = new Map(snapshot.chats.map((/** @type {Chat} */ chat) => [chat.id, chat]));
  state.messages = new Map();
  for (const [id, list] of Object.entries(snapshot.messages ?? {})) {
    state.messages.set(Number(id), new Map(list.map((/** @type {Message} */ item) => [item.message_id, item])));
  }
  const drafts = state.isDead ? [] : snapshot.drafts;
  state.drafts = new Map(drafts.map((/** @type {Draft} */ draft) => [placeKey(draft.chat_id, draft.thread_id), draft]));
  state.actions.clear();
  for (const topic of listeners.keys()) touch(topic);
}

/** Take one event of the wire. Returns false when the page has to load the whole state again. @param {any} event */
export function apply(event) {
  if (event.type === "reset") return false;
  if (event.seq <= state.seq) return true;
  state.seq = event.seq;
  if (state.isDead && (SIGNS_OF_LIFE.has(event.type) || event.message?.from?.is_bot)) setDead(false);
  return CHANGES[event.type]?.(event) !== false;
}

/** Events that only a running bot can cause, also one that somebody has started by hand. */
const SIGNS_OF_LIFE = new Set(["draft", "action", "commands", "callback_answer"]);

/** A dead bot writes nothing: what it was writing disappears. @param {boolean} isDead */
function setDead(isDead) {
  state.isDead = isDead;
  if (isDead) {
    state.drafts.clear();
    state.actions.clear();
  }
  for (const topic of ["bot", "draft", "action", "chats"]) touch(topic);
}

/** @param {number} chat @returns {Map<number, Message>} */
export function messagesOf(chat) {
  if (!state.messages.has(chat)) state.messages.set(chat, new Map());
  return /** @type {Map<number, Message>} */ (state.messages.get(chat));
}

/** What the person I am sees of a chat, oldest first. @param {number} chat @returns {Message[]} */
export const seenIn = (chat) => [...messagesOf(chat).values()].filter(isForMe);

/** Whether the person I am sees a message: ephemeral messages, which have negative ids, are for one person. @param {Message} message */
export const isForMe = (message) => !message.only || message.only === state.me;

/** @param {number} chat @param {any} key */
function touchMessages(chat, key) {
  if (chat === state.chat) touch("messages", key);
  touch("chats");
}

/** @type {Record<string, (event: any) => void | boolean>} */
const CHANGES = {
  message({ chat_id, message }) {
    messagesOf(chat_id).set(message.message_id, message);
    if (message.from?.is_bot) clearAction(placeKey(chat_id, threadOf(message)));
    touchMessages(chat_id, message.message_id);
  },
  deleted({ chat_id, message_ids }) {
    for (const id of message_ids) messagesOf(chat_id).delete(id);
    for (const id of message_ids) touchMessages(chat_id, id);
  },
  draft({ draft }) {
    const key = placeKey(draft.chat_id, draft.thread_id);
    const isNew = !state.drafts.has(key);
    state.drafts.set(key, draft);
    touch("draft", key);
    if (isNew) touch("chats");
  },
  draft_gone({ chat_id, thread_id }) {
    state.drafts.delete(placeKey(chat_id, thread_id));
    touch("draft", placeKey(chat_id, thread_id));
    touch("chats");
  },
  action({ chat_id, thread_id, action }) {
    const key = placeKey(chat_id, thread_id);
    state.actions.set(key, { action, until: Date.now() + ACTION_MS });
    touch("action", key);
    setTimeout(() => (state.actions.get(key)?.until ?? 0) <= Date.now() && clearAction(key), ACTION_MS + 50);
  },
  reaction({ chat_id, message_id, reactions }) {
    const message = messagesOf(chat_id).get(message_id);
    if (!message) return;
    messagesOf(chat_id).set(message_id, { ...message, reactions });
    touchMessages(chat_id, message_id);
  },
  commands({ commands }) {
    state.commands = commands;
    touch("commands");
  },
  chat({ chat }) {
    const isNewPerson = chat.type === "private" && !state.users.has(chat.id);
    state.chats.set(chat.id, chat);
    touch("chats");
    if (chat.id === state.chat) touch("selection");
    return !isNewPerson;
  },
  journal({ entry }) {
    state.journal.push(entry);
    if (state.journal.length > JOURNAL_LENGTH) state.journal.splice(0, state.journal.length - JOURNAL_LENGTH);
    touch("journal", entry);
  },
  faults({ faults }) {
    state.faults = faults;
    touch("faults");
  },
  bot({ bot }) {
    state.bot = bot;
    setDead(bot.running === false);
  },
  user({ user }) {
    state.users.set(user.id, user);
    touch("chats");
    touch("user");
  },
  model({ model }) {
    state.model = model;
    touch("model");
  },
  trials({ trials }) {
    state.trials = trials;
    touch("trials");
  },
  callback_answer(event) {
    answered(event);
  },
};

/** @param {string} key */
function clearAction(key) {
  if (state.actions.delete(key)) touch("action", key);
}

/** @type {(event: any) => void} */
let answered = () => {};
/** Hear of answers to button presses, at once. @param {(event: any) => void} listener */
export function onAnswer(listener) {
  answered = listener;
}

// --- who I am and where ------------------------------------------------------------------------------------------------

const SAVED = "govorun.place";

/** Choose a chat of the person I am. @param {number} chat @param {number} [thread] */
export function select(chat, thread = 0) {
  state.chat = chat;
  state.thread = thread;
  const saved = JSON.stringify({ me: state.me, chat, thread });
  if (!phone) sessionStorage.setItem(SAVED, saved);
  if (!phone) localStorage.setItem(SAVED, saved);
  touch("selection");
  touch("chats");
}

/** Be somebody else, in their private chat. @param {number} user */
export function become(user) {
  state.me = user;
  select(state.chats.has(user) ? user : chatsOf(user)[0]?.id ?? 0);
}

/** Who a newcomer is: the first person who speaks the language of the page, so that the bot does too. */
function firstPerson() {
  const people = [...state.users.values()];
  return (people.find((person) => person.language_code === document.documentElement.lang) ?? people[0])?.id ?? 0;
}

/** Select the chat that this tab showed before the reload, else the one that any tab showed last, else the first person's. */
export function restore() {
  const saved = phone ? { ...state } : JSON.parse(sessionStorage.getItem(SAVED) ?? localStorage.getItem(SAVED) ?? "{}");
  const person = state.users.has(saved.me) ? saved.me : firstPerson();
  const chat = state.chats.get(saved.chat);
  if (!chat?.members.includes(person)) return become(person);
  state.me = person;
  return select(chat.id, chat.topics.some((topic) => topic.id === saved.thread) ? saved.thread : 0);
}

/** @param {number} user @returns {Chat[]} */
export const chatsOf = (user) => [...state.chats.values()].filter((chat) => chat.members.includes(user));

/** @param {Chat | undefined} chat */
export const hasTopics = (chat) =>
  Boolean(chat && (chat.topics.length || chat.is_forum || (chat.type === "private" && state.bot.has_topics_enabled)));
