"use strict";
/** The handbook of a shop, which the bot is given to read: seven steps, each done by the messages and presses of a person. */
import { byId, fill, h } from "./dom.js";
import { become, messagesOf, on, state } from "./state.js";
import { own, sayPrivately } from "./trials.js";
import { language, t } from "./words.js";
import { connect, post } from "./wire.js";

const PATIENCE_MS = 30_000;
const PAGE = "returns";

/** @type {any} what the sandbox says about the handbook */
let book = null;
/** @type {Set<string>} */
const done = new Set();
/** @type {Record<string, HTMLElement>} */
const results = {};
const field = h("textarea", { class: "handbook-page", rows: 8, "data-testid": "handbook-page", "aria-label": t("editTitle") });

/** @type {Record<string, () => Promise<boolean>>} what each step does; true: the bot has done what was expected */
const STEPS = { "shop": addShop, ask: () => asks(t("askSay"), "source"), source: openSource, unknown: askUnknown, teach, told, edit };

export function startKnowledge() {
  fill(byId("pane-knowledge"),
    h("p", { class: "hint" }, t("knowledgeHint")),
    h("section", null, Object.keys(STEPS).slice(0, 3).map(step)),
    h("section", null, Object.keys(STEPS).slice(3, 6).map(step)),
    h("section", null, step("edit"), field));
  on("chats", notice);
  document.addEventListener("panel-tab", (event) => {
    if (/** @type {CustomEvent} */ (event).detail === "knowledge") void load();
  });
}

/** @param {string} name */
function step(name) {
  const run = async () => {
    fill(results[name], "…");
    const isDone = Boolean(await load()) && (await STEPS[name]());
    if (isDone) tick(name);
    fill(results[name], isDone ? "" : t(state.trials.ready && !state.trials.owner ? "ownerKnown" : "nothingCame"));
  };
  const button = h("button", { type: "button", class: "plain", "data-testid": `step-${name}`, onclick: () => void run() }, t(`${name}Do`));
  return h("div", { class: "trial" },
    h("div", { class: "trial-head" },
      h("span", { class: "tick", "data-testid": `tick-${name}`, role: "img", "aria-label": "" }),
      h("span", { class: "grow" }, h("b", null, t(`${name}Title`)), h("small", null, t(`${name}Note`))), button),
    (results[name] = h("p", { class: "trial-result", role: "status" })));
}

async function load() {
  if (!book) {
    const answer = await post("handbook", { language });
    book = answer?.handbook ?? null;
    const text = /** @type {string} */ (book?.pages[PAGE] ?? "");
    /** @type {HTMLTextAreaElement} */ (field).value = text.replace("30", "45");
  }
  return book;
}

/** @param {string} name */
function tick(name) {
  if (done.has(name)) return;
  done.add(name);
  const mark = document.querySelector(`[data-testid=tick-${name}]`);
  mark?.classList.add("done");
  mark?.setAttribute("aria-label", "✓");
}

/** What people did themselves counts, too. */
function notice() {
  if (!book || done.size === Object.keys(STEPS).length) return;
  for (const message of [...state.messages.values()].flatMap((chat) => [...chat.values()])) {
    if (!message.from?.is_bot) continue;
    if (labelled(message, book.labels.source)) tick("ask");
    for (const [sign, name] of [["asOf", "source"], ["taught", "teach"], ["told", "told"]]) {
      if (begins(message, book.signs[sign])) tick(name);
    }
  }
}

// --- the steps ---------------------------------------------------------------------------------------------------------

async function addShop() {
  if (!(await beOwner())) return false;
  await sayPrivately(`/kb add ${book.folder}`);
  return (await pressed(book.everyone)) && Boolean(await until(() => newest((message) => labelled(message, book.everyone.map((/** @type {string} */ label) => `✓ ${label}`)))));
}

/** Ask as the customer, and wait for an answer with a button. @param {string} question @param {string} label */
async function asks(question, label) {
  await beCustomer();
  const before = last();
  await sayPrivately(question);
  return Boolean(await until(() => newest((message) => message.message_id > before && labelled(message, book.labels[label]))));
}

async function openSource() {
  await beCustomer();
  const before = last();
  return (await pressed(book.labels.source)) && Boolean(await until(() => newest((message) => message.message_id > before)));
}

async function askUnknown() {
  return (await asks(t("unknownSay"), "tell")) && pressed(book.labels.tell);
}

async function teach() {
  if (!(await beOwner())) return false;
  let before = last();
  await sayPrivately("/gaps");
  const list = await until(() => newest((message) => message.message_id > before && message.reply_markup));
  if (!list || !(await press(list, list.reply_markup.inline_keyboard[0][0])) || !(await pressed(book.labels.answer))) return false;
  before = last();
  if (!(await until(() => newest((message) => message.message_id > before)))) return false;
  await sayPrivately(t("teachSay"));
  return (await pressed(book.labels.add)) && Boolean(await until(() => newest((message) => begins(message, book.signs.taught))));
}

async function told() {
  await beCustomer();
  return Boolean(await until(() => newest((message) => begins(message, book.signs.told))));
}

async function edit() {
  const text = /** @type {HTMLTextAreaElement} */ (field).value;
  if (!(await post("handbook_page", { language, page: PAGE, text })) || !(await beOwner())) return false;
  await sayPrivately("/kb");
  const name = book.folder.split("/").at(-1);
  if (!(await pressed([name]))) return false;
  const panel = await until(() => newest((message) => labelled(message, book.labels.sync)));
  if (!panel || !(await press(panel, labelled(panel, book.labels.sync)))) return false;
  const isRead = (/** @type {any} */ message) => message.message_id > panel.message_id && message.text?.includes(name) && !message.reply_markup;
  return Boolean(await until(() => newest(isRead))) && asks(t("askSay"), "source");
}

// --- people, messages, buttons -----------------------------------------------------------------------------------------

async function beOwner() {
  await until(() => state.trials.ready);
  if (!state.trials.owner && state.trials.code) await own();
  if (!state.trials.ready || !(await until(() => state.trials.owner || !state.trials.code)) || !state.trials.owner) return false;
  go(state.trials.owner);
  return true;
}

async function beCustomer() {
  let person = [...state.users.values()].find((user) => user.first_name === t("customer"));
  if (!person) {
    const made = await post("chat", { type: "private", title: t("customer"), language_code: language });
    await connect();
    person = state.users.get(made?.chat.id);
  }
  if (person) go(person.id);
}

/** @param {number} person */
function go(person) {
  become(person);
  document.dispatchEvent(new CustomEvent("show-chat"));
}

/** @template T @param {() => T} found @returns {Promise<T | null>} */
async function until(found) {
  for (const end = Date.now() + PATIENCE_MS; Date.now() < end; await new Promise((wake) => setTimeout(wake, 100))) {
    const it = found();
    if (it) return it;
  }
  return null;
}

/** The newest message of the bot in this chat for which it is true. @param {(message: any) => any} is @returns {any} */
const newest = (is) => [...messagesOf(state.chat).values()].reverse().find((message) => message.from?.is_bot && is(message));

const last = () => Math.max(0, ...messagesOf(state.chat).keys());

/** @param {any} message @param {string[]} labels */
const labelled = (message, labels) => message.reply_markup?.inline_keyboard?.flat().find((/** @type {any} */ button) => labels.includes(button.text));

/** @param {any} message @param {string[]} signs */
const begins = (message, signs) => signs.some((sign) => (message.text ?? "").split("\n").some((/** @type {string} */ line) => line.startsWith(sign)));

/** Press the newest button with one of these labels, once there is one. @param {string[]} labels */
async function pressed(labels) {
  const message = await until(() => newest((one) => labelled(one, labels)));
  return Boolean(message) && press(message, labelled(message, labels));
}

/** @param {any} message @param {any} button */
const press = async (message, button) =>
  Boolean(await post("press", { chat_id: message.chat.id, user_id: state.me, message_id: message.message_id, data: button.callback_data }));
