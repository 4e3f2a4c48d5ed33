"use strict";
/** The support desk: a customer asks for a person, an operator takes over in a group. Nine steps, done by messages and presses. */
import { say } from "./composer.js";
import { byId, fill, h } from "./dom.js";
import { become, messagesOf, on, select, state, threadOf, until } from "./state.js";
import { beCustomer, beOwner, begins, customer, labelled, newest, press, Steps } from "./steps.js";
import { sayPrivately } from "./trials.js";
import { t } from "./words.js";
import { connect, post } from "./wire.js";

/** The bot's texts that the steps look for, in all languages, by their keys. @type {Record<string, string[]> | null} */
let texts = null;
const KEYS = [
  "desk.group.use", "desk.group.connected", "desk.called", "desk.take", "desk.bot", "desk.returned", "desk.draft", "desk.send.draft", "desk.close", "desk.rate.ask",
  "desk.blocked", "desk.missed", "desk.away.collect", "business.connected", "business.send",
];

const steps = new Steps({
  "deskGroup": connectGroup, "deskCall": call, "deskTake": take, "deskAnswer": answer, "deskAmend": amend, "deskNote": note,
  "deskDraft": draft, "deskReturn": giveBack, "deskRate": rate,
}, load);

const GAUGE_MS = 2000;

export function startDesk() {
  fill(byId("pane-desk"),
    h("p", { class: "hint" }, t("deskHint")),
    h("p", { class: "hint", "data-testid": "desk-load" }),
    h("section", null, steps.boxes(0, 3)),
    h("section", null, steps.boxes(3, 7)),
    h("section", null, steps.boxes(7)));
  setInterval(() => void showLoad(), GAUGE_MS);
  on("chats", notice);
  document.addEventListener("panel-tab", ({ detail }) => detail === "desk" && void load());
}

/** What people did themselves counts, too. */
function notice() {
  if (!texts || steps.areDone) return;
  const bots = [...state.messages.values()].flatMap((chat) => [...chat.values()]).filter((message) => message.from?.is_bot);
  for (const [key, name] of [["group.connected", "Group"], ["called", "Call"], ["returned", "Return"]]) {
    if (bots.some((message) => begins(message, of(`desk.${key}`)))) steps.tick(`desk${name}`);
  }
  if (bots.some((message) => message.text?.startsWith("★"))) steps.tick("deskRate");
  if (newestSeen(isTaken)) steps.tick("deskTake");
  const ours = [...messagesOf(group()?.id ?? 0).values()].filter((message) => threadOf(message) && !message.from?.is_bot && message.text);
  if (ours.some((message) => heard(message.text))) steps.tick("deskAnswer");
  if (ours.some((message) => message.edit_date && heard(message.text))) steps.tick("deskAmend");
  if (ours.some((message) => message.text.startsWith("//") && Object.keys(message.reactions ?? {}).length)) steps.tick("deskNote");
}

/** Show how much of the group's twenty messages a minute the bot has spent, while somebody looks. */
async function showLoad() {
  const chat = group();
  if (!chat || byId("pane-desk").hidden || document.hidden) return;
  const load = (await post("load", { chat_id: chat.id }))?.load;
  if (load) fill(/** @type {HTMLElement} */ (document.querySelector("[data-testid=desk-load]")), t("deskLoad", load));
}

export async function load() {
  texts ??= (await post("texts", { keys: KEYS }))?.texts ?? null;
  return texts;
}

/** @param {string} key */
export const of = (key) => texts?.[key] ?? [];

// --- the steps ---------------------------------------------------------------------------------------------------------

export async function connectGroup() {
  if (!(await beOwner())) return false;
  let chat = group();
  if (!chat) {
    const made = await post("chat", { type: "supergroup", title: t("deskTitle"), members: [state.me], is_forum: true });
    if (!made || !(await post("promote", { chat_id: made.chat.id, up: true, user_id: state.me }))) return false;
    await connect();
    chat = group();
  }
  if (!chat) return false;
  show(chat.id);
  await say(`/desk@${state.bot.username}`);
  return (await pressIn(of("desk.group.use"))) && Boolean(await until(() => newest((message) => begins(message, of("desk.group.connected")))));
}

export async function call() {
  await beCustomer();
  await sayPrivately("/human");
  return Boolean(await until(() => newest((message) => begins(message, of("desk.called")))));
}

export async function take() {
  if (!(await beOwner())) return false;
  const message = await until(() => newestSeen((one) => takeButton(one)));
  if (!message || !(await press(message, takeButton(message)))) return false;
  const card = await until(() => newestSeen(isTaken));
  if (card) show(card.chat.id, threadOf(card));
  return Boolean(card);
}

async function answer() {
  return (await beOperator()) && (await say(t("deskAnswerSay"))) !== false && reaches(t("deskAnswerSay"));
}

async function amend() {
  if (!(await beOperator())) return false;
  const mine = [...messagesOf(state.chat).values()].reverse().find((message) => message.text === t("deskAnswerSay"));
  if (!mine || !(await post("edit", { chat_id: state.chat, message_id: mine.message_id, text: t("deskAmendSay"), user_id: state.me }))) return false;
  return reaches(t("deskAmendSay"));
}

async function note() {
  if (!(await beOperator())) return false;
  await say(`// ${t("deskNoteSay")}`);
  const stays = () => [...messagesOf(state.chat).values()].some((message) => message.text?.endsWith(t("deskNoteSay")) && Object.keys(message.reactions ?? {}).length);
  return Boolean(await until(stays)) && !heard(t("deskNoteSay"));
}

async function draft() {
  await beCustomer();
  await sayPrivately(t("deskDraftSay"));
  if (!(await beOperator()) || !(await pressIn(of("desk.draft"))) || !(await pressIn(of("desk.send.draft")))) return false;
  await beCustomer();
  const asked = [...messagesOf(state.chat).values()].reverse().find((message) => message.text === t("deskDraftSay"));
  return Boolean(asked && (await until(() => newest((message) => Boolean(message.from?.is_bot) && message.message_id > asked.message_id))));
}

async function rate() {
  if (!(await beOperator()) || !(await pressIn(of("desk.close")))) return false;
  await beCustomer();
  const question = await until(() => newest((message) => begins(message, of("desk.rate.ask"))));
  if (!question || !(await press(question, labelled(question, ["★★★★★"])))) return false;
  return Boolean(await until(() => newest((message) => Boolean(message.text?.startsWith("★★★★★")))));
}

export async function giveBack() {
  if (!(await beOperator()) || !(await pressIn(of("desk.bot")))) return false;
  await beCustomer();
  return Boolean(await until(() => newest((message) => begins(message, of("desk.returned")))));
}

// --- the group ---------------------------------------------------------------------------------------------------------

export const group = () => [...state.chats.values()].find((chat) => chat.title === t("deskTitle"));

/** Open a chat; one of operators is opened by an operator, never by the customer. @param {number} chat @param {number} [thread] */
export function show(chat, thread = 0) {
  const person = customer()?.id;
  if (state.me === person && chat !== person) become(chat > 0 ? chat : state.trials.owner);
  select(chat, thread);
  document.dispatchEvent(new CustomEvent("show-chat"));
}

/** Be an operator in the topic of the newest card: the owner in the group, or who has the case in private. */
async function beOperator() {
  if (!group() || !(await beOwner())) return false;
  const found = await until(() => newestSeen((message) => threadOf(message) && /^(#|№)/.test(message.text ?? "")));
  if (found) become(found.chat.id > 0 ? found.chat.id : state.trials.owner);
  if (found) show(found.chat.id, threadOf(found));
  return Boolean(found);
}

/** A second operator, once there is one. */
export const colleague = () => [...state.users.values()].find((user) => user.first_name === t("colleague"));

/** The bot's messages where operators see cases: in the group, and in their private chats with the bot. Oldest first. */
export const seenByOperators = () => [group()?.id ?? 0, state.trials.owner, colleague()?.id ?? 0]
  .flatMap((chat) => [...messagesOf(chat).values()])
  .filter((message) => message.from?.is_bot)
  .sort((one, other) => one.date - other.date || one.message_id - other.message_id);

/** The newest of these messages for which it is true. @param {(message: any) => any} is @returns {any} */
export const newestSeen = (is) => seenByOperators().reverse().find(is);

/** The button that takes a case: on its card, or on the board, where it has the number of the case. @param {any} message */
export const takeButton = (message) => message.reply_markup?.inline_keyboard?.flat().find(
  (/** @type {any} */ button) => of("desk.take").some((label) => button.text === label || button.text.startsWith(`${label} #`)));

/** Whether a message is the card of a case that somebody has taken. @param {any} message */
export const isTaken = (message) => Boolean(labelled(message, of("desk.bot")) && !takeButton(message));

/** The newest message of the bot with one of these buttons. @param {string[]} labels */
const card = (labels) => newest((message) => labelled(message, labels));

/** @param {string[]} labels */
async function pressIn(labels) {
  const message = await until(() => card(labels));
  return Boolean(message) && press(message, labelled(message, labels));
}

/** Whether the customer reads a text of the bot, within some seconds; then shows that chat. @param {string} text */
async function reaches(text) {
  const found = await until(() => heard(text));
  if (found) await beCustomer();
  return Boolean(found);
}

/** @param {string} text */
const heard = (text) => [...state.messages].some(([chat, messages]) => chat > 0 && [...messages.values()].some((message) => message.from?.is_bot && message.text === text));
