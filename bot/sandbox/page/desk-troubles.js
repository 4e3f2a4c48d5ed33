"use strict";
/** What goes wrong at a support desk: each button makes it happen, and ticks when what stands in the chats is what must happen then. */
import { call, colleague, connectGroup, giveBack, group, isTaken, load, newestSeen, of, seenByOperators, show, take, takeButton } from "./desk.js";
import { byId, h } from "./dom.js";
import { slider } from "./slider.js";
import { messagesOf, state, threadOf, until } from "./state.js";
import { begins, beCustomer, beOwner, customer, newest, pressed, Steps } from "./steps.js";
import { invited, sayPrivately } from "./trials.js";
import { t } from "./words.js";
import { post } from "./wire.js";

const SWITCH = { unit: "switch", top: 1, step: 1, calm: 0, on: 1 };
const TEXTS = 15; // of the flood
const FLOOD_MS = 120_000;
const BUSY_MS = 90_000; // the steps before may have spent the group's messages of this minute
const DOUBLED_MS = 3000; // in which a second copy would come

const troubles = new Steps({
  "troubleTopic": topicDeleted, "troubleRights": rightsTaken, "troubleBlock": blocked, "troubleBoth": bothTake,
  "troubleFlood": flood, "troubleKill": killed, "troubleClosed": closed,
}, load);
const account = new Steps({ "accountConnect": connectAccount, "accountAsk": askAccount }, load);

let count = 0; // of the texts said, so that each is told from the others

export function startDeskTroubles() {
  byId("pane-desk").append(
    h("section", null, h("h3", null, t("troubles")), troubles.boxes(0)),
    h("section", null, h("h3", null, t("accountHead")), account.boxes(0)),
    h("section", null, seats()));
}

/** The switch between cases in the group and in the operators' own chats. */
function seats() {
  const draw = (/** @type {any} */ answer) => {
    const own = Boolean(answer?.desk?.own);
    flick(Number(own));
    // Topics are made in private chats then, for which the bot needs no rights in the group.
    const rights = document.querySelector("[data-testid=step-troubleRights]");
    if (rights instanceof HTMLButtonElement) rights.disabled = own;
  };
  const { box, show: flick } = slider({
    testid: "desk-own", label: t("seatsTitle"), note: t("seatsNote"), scale: SWITCH, className: "trial", set: async (value) => draw(await post("desk", { own: Boolean(value) })),
  });
  void post("desk", {}).then(draw);
  return box;
}

// --- troubles ----------------------------------------------------------------------------------------------------------

async function topicDeleted() {
  const topic = await held();
  if (!topic || !(await post("delete_topic", { chat_id: mine().chat.id, thread_id: topic }))) return false;
  const message = await shown(await says(), BUSY_MS);
  const moved = message && await until(() => mine() && threadOf(mine()) === threadOf(message), BUSY_MS);
  return Boolean(moved) && threadOf(message) !== topic && t("troubleTopicSeen");
}

async function rightsTaken() {
  const topic = await held();
  if (!topic || !(await promote(false)) || !(await post("delete_topic", { chat_id: desk(), thread_id: topic }))) return false;
  const tried = state.journal.length;
  const text = await says();
  await until(() => state.journal.slice(tried).some((entry) => entry.name === "createForumTopic" && entry.status >= 400));
  const came = found(text);
  await promote(true);
  return !came && Boolean(await shown(text, BUSY_MS)) && Boolean(await until(mine, BUSY_MS)) && t("troubleRightsSeen");
}

async function blocked() {
  const topic = await held();
  const person = customer();
  if (!topic || !(await post("block", { user_id: person.id, blocked: true }))) return false;
  const told = await until(() => newestSeen((message) => threadOf(message) === topic && begins(message, of("desk.blocked"))));
  if (told) show(told.chat.id, topic);
  await post("block", { user_id: person.id, blocked: false });
  return Boolean(told) && t("troubleBlockSeen");
}

async function bothTake() {
  if (!(await connected())) return false;
  if (!colleague()) {
    const made = await invited("/invite operator", t("colleague"));
    if (!made || !(await post("join", { chat_id: desk(), user_id: made.id }))) return false;
  }
  if (!(await isFree()) || !(await call())) return false;
  const waiting = await until(() => newestSeen((message) => message.chat.id === desk() && takeButton(message)));
  if (!waiting) return false;
  show(desk(), threadOf(waiting));
  const { callback_data: data } = takeButton(waiting);
  await Promise.all([state.trials.owner, colleague().id].map((user_id) => post("press", { chat_id: desk(), user_id, message_id: waiting.message_id, data })));
  const taken = await until(mine);
  return Boolean(taken) && t("troubleBothSeen", { card: taken.text.split("\n")[0] });
}

async function flood() {
  const topic = await held();
  if (!topic) return false;
  await beCustomer();
  const texts = Array.from({ length: TEXTS }, () => `${t("troubleSay")} ${++count}.`);
  for (const text of texts) await post("send", { chat_id: state.chat, user_id: state.me, text });
  show(mine().chat.id, topic);
  const all = () => seenByOperators().map((message) => message.text ?? "").join("\n");
  const come = await until(() => texts.every((text) => all().includes(text)) || heard("desk.missed"), FLOOD_MS);
  const load = (await post("load", { chat_id: desk() }))?.load;
  const places = texts.map((text) => all().indexOf(text)).filter((place) => place >= 0);
  const inOrder = places.every((place, number) => !number || place > places[number - 1]);
  return Boolean(come) && inOrder && load?.spent <= load?.most && t("troubleFloodSeen", { texts: places.length, of: TEXTS, ...load });
}

async function killed() {
  if (!(await held())) return false;
  const text = await says();
  if (!(await post("bot", { action: "kill" })) || !(await post("bot", { action: "start" })) || !(await shown(text))) return false;
  await new Promise((wake) => setTimeout(wake, DOUBLED_MS));
  return copies(text) === 1 && t("troubleKillSeen");
}

async function closed() {
  if (!(await connected()) || !(await isFree()) || !(await post("desk", { closed: true }))) return false;
  await beCustomer();
  await sayPrivately("/human");
  const told = await until(() => newest((message) => begins(message, of("desk.away.collect"))));
  await post("desk", { closed: false });
  return Boolean(told) && t("troubleClosedSeen", { text: told.text.split("\n")[0] });
}

// --- the owner's own account -------------------------------------------------------------------------------------------

async function connectAccount() {
  if (!(await beOwner()) || !(await post("account", { user_id: state.me, action: "connect" }))) return false;
  return Boolean(await until(() => newest((message) => begins(message, of("business.connected")))));
}

async function askAccount() {
  await beCustomer();
  const person = customer().id;
  if (!(await connectAccount())) return false;
  const owner = state.me;
  if (!(await post("account", { user_id: owner, action: "say", person, text: t("accountSay") })) || !(await pressed(of("business.send")))) return false;
  const said = async () => (await post("account", { user_id: owner, action: "look", person }))?.account.messages ?? [];
  let messages = await said();
  for (let tries = 0; tries < 50 && messages.at(-1)?.text === t("accountSay"); tries += 1, messages = await said()) await new Promise((wake) => setTimeout(wake, 100));
  return messages.at(-1)?.text !== t("accountSay") && t("accountSeen", { asked: t("accountSay"), answer: messages.at(-1).text.slice(0, 80) });
}

// --- the desk ----------------------------------------------------------------------------------------------------------

const desk = () => group()?.id ?? 0;

async function connected() {
  return Boolean(group()) || connectGroup();
}

/** Have a case that the owner has taken. Returns its topic, 0 if there is none. */
async function held() {
  if (!(await connected())) return 0;
  if (!mine() && !((newestSeen(takeButton) || (await call())) && (await take()))) return 0;
  return threadOf(await until(mine));
}

/** Give a case that somebody has taken back to the bot. Returns whether nobody has one then. */
async function isFree() {
  return !mine() || ((await giveBack()) && Boolean(await until(() => !mine())));
}

/** The card of a case that somebody has taken. */
const mine = () => newestSeen(isTaken);

/** @param {boolean} up */
const promote = (up) => post("promote", { chat_id: desk(), up, user_id: state.trials.owner });

/** The customer writes something that nobody has written before. Returns it. */
async function says() {
  await beCustomer();
  const text = `${t("troubleSay")} ${++count}.`;
  await sayPrivately(text);
  return text;
}

/** The bot's message in the group with a text, shown once it is there. @param {string} text @param {number} [patience] */
async function shown(text, patience) {
  const message = await until(() => found(text), patience);
  if (message) show(message.chat.id, threadOf(message));
  return message;
}

/** @param {string} text */
const found = (text) => seenByOperators().find((message) => message.text?.includes(text));

/** @param {string} text */
const copies = (text) => seenByOperators().filter((message) => message.text?.includes(text)).length;

/** Whether the customer has read a text of the bot. @param {string} key */
const heard = (key) => [...messagesOf(customer()?.id ?? 0).values()].some((message) => begins(message, of(key)));
