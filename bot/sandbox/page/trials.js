"use strict";
/** Things to try that need more than a message: an owner, a search, a budget, a slow answer. Each says what it has done. */
import { say } from "./composer.js";
import { byId, fill, h } from "./dom.js";
import { copyable } from "./keyboard.js";
import { nameOf } from "./people.js";
import { slider } from "./slider.js";
import { become, messagesOf, on, state, until } from "./state.js";
import { language, t } from "./words.js";
import { connect, post } from "./wire.js";

const LINK_WAIT_MS = 15_000;
const SWITCH = { unit: "switch", top: 1, step: 1, calm: 0, on: 1 };
const BUDGET = { unit: "money", top: 50, step: 1, calm: 0, on: 5 };
const PRICE = { unit: "money", top: 10, step: 1, calm: 0, on: 1 };
/** The texts that the page suggests to write to the bot, by the thing to try. @type {Record<string, string[]>} */
const WORDS = {
  search: ["saySearch"], budget: ["sayUsage", "sayImage"], confirm: ["sayImage"], closed: [], owner: ["sayMembers", "sayInvite", "sayAudit"],
};

/** @type {Record<string, (value: number) => void>} */
const shows = {};
/** @type {Record<string, HTMLElement>} */
const results = {};

export function startTrials() {
  fill(byId("pane-try"),
    h("section", null, action("slowly", async () => ((await sayPrivately(t("saySlow"))) ? t("slowlyDone") : ""))),
    h("section", null, action("owner", own), action("friend", invite), control("closed", SWITCH)),
    h("section", null, control("search", SWITCH), control("budget", BUDGET), control("confirm", PRICE)),
    h("p", { class: "hint" }, t("tryHint")));
  on(["trials", "bot"], draw);
}

/** A button, with a line for what it has done. @param {string} name @param {() => Promise<string>} run returns that line */
function action(name, run) {
  const press = async () => tell(name, await run(), WORDS[name]);
  const button = h("button", { type: "button", class: "plain", "data-testid": `try-${name}`, onclick: press }, t(`${name}Do`));
  return h("div", { class: "trial" },
    h("div", { class: "trial-head" }, h("span", { class: "grow" }, h("b", null, t(`${name}Title`)), h("small", null, t(`${name}Note`))), button), result(name));
}

/** A setting of the bot. @param {string} name @param {import("./slider.js").Scale} scale */
function control(name, scale) {
  const set = async (/** @type {number} */ value) => {
    tell(name, t("restarting"));
    if (await post("try", { [name]: value })) tell(name, value ? t(`${name}On`, { n: value }) : t("switchedOff"), value ? WORDS[name] : []);
  };
  const { box, show } = slider({ testid: `try-${name}`, label: t(`${name}Title`), note: t(`${name}Note`), scale, set, className: "trial" });
  shows[name] = show;
  box.append(result(name));
  return box;
}

/** @param {string} name */
const result = (name) => (results[name] = h("p", { class: "trial-result", "data-testid": `try-${name}-result`, role: "status" }));

/** @param {string} name @param {string} sentence @param {string[]} [words] what to write next */
function tell(name, sentence, words = []) {
  fill(results[name], sentence, words.map((key) => [" ", h("button", { type: "button", class: "link", onclick: () => void sayPrivately(t(key)) }, t(key))]));
}

function draw() {
  for (const [name, show] of Object.entries(shows)) show(state.trials[name] ?? 0);
  const { ready, code, owner } = state.trials;
  /** @type {HTMLButtonElement | null} */ (document.querySelector("[data-testid=try-owner]")).disabled = !code;
  if (owner) tell("owner", t("ownerIs", { who: nameOf(state.users.get(owner)) }), WORDS.owner);
  else if (code) fill(results.owner, t("ownerCode"), " ", copyable(`/start ${code}`));
  else tell("owner", state.isDead ? "" : t(ready ? "ownerKnown" : "starting"));
}

/** Say something to the bot in private, as the person I am. @param {string} text */
export function sayPrivately(text) {
  if (state.chats.get(state.chat)?.type !== "private") become(state.me);
  document.dispatchEvent(new CustomEvent("show-chat"));
  return say(text);
}

/** @type {Promise<string> | null} */
let claiming = null;

/** Become the bot's owner unless it has one. Returns a line for the person, "" if there was nothing to do. */
export const own = () => (claiming ??= claim().finally(() => (claiming = null)));

async function claim() {
  const { me, trials } = state;
  if (trials.owner || !trials.code) return "";
  await enter(trials.code);
  return t("ownerIs", { who: nameOf(state.users.get(me)) });
}

/**
 * Send the bot a code that brings a role, and wait for its answer. It handles chats side by side, so a command of that
 * role in another chat could be read before the code. @param {string} code
 */
async function enter(code) {
  const chat = state.me;
  const said = await sayPrivately(`/start ${code}`);
  await until(() => !said || [...messagesOf(chat).values()].some((one) => one.from?.is_bot && one.message_id > said.message.message_id));
}

/** The owner makes a link, and somebody new follows it. */
async function invite() {
  if (!state.trials.owner) return t("friendNoOwner");
  return (await invited("/invite", t("friendName"))) ? t("friendDone", { friend: t("friendName") }) : t("friendNoLink");
}

/** Have the owner invite somebody new, who follows the link. Returns the person, null if no link came. @param {string} words @param {string} name */
export async function invited(words, name) {
  const { owner } = state.trials;
  become(owner);
  document.dispatchEvent(new CustomEvent("show-chat"));
  const before = new Set(messagesOf(owner).keys());
  await say(words);
  const code = await linkIn(owner, before);
  const made = code && (await post("chat", { type: "private", title: name, language_code: language }));
  if (!made) return null;
  await connect();
  become(made.chat.id);
  await enter(code);
  return made.chat;
}

/** The code in the bot's next message with a link to itself; "" if none comes. @param {number} chat @param {Set<number>} before */
async function linkIn(chat, before) {
  const isNew = (/** @type {any} */ message) => message.from?.is_bot && !before.has(message.message_id);
  const found = () => [...messagesOf(chat).values()].filter(isNew).map((message) => /[?&]start=([\w-]+)/.exec(message.text ?? "")).find(Boolean);
  return (await until(found, LINK_WAIT_MS))?.[1] ?? "";
}
