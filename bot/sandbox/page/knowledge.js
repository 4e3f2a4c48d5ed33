"use strict";
/** The handbook of a shop, which the bot is given to read: seven steps, each done by the messages and presses of a person. */
import { byId, fill, h } from "./dom.js";
import { on, state, until } from "./state.js";
import { begins, beOwner, beReader, labelled, last, newest, press, pressed, Steps } from "./steps.js";
import { sayPrivately } from "./trials.js";
import { language, t } from "./words.js";
import { post } from "./wire.js";

const PAGE = "returns";
const TRIES = 5;
const AGAIN_MS = 10_000;

/** @type {any} what the sandbox says about the handbook */
let book = null;
const field = h("textarea", { class: "handbook-page", rows: 8, "data-testid": "handbook-page", "aria-label": t("editTitle") });
const compared = h("p", { class: "hint", "data-testid": "compared" });

const query = h("input", { type: "text", class: "handbook-query", "data-testid": "handbook-query", "aria-label": t("kbSearchTitle"), value: t("askSay") });
const looks = new Steps({ "kbSources": kbSources, "kbSearch": kbSearch, "kbRights": kbRights }, load);

const steps = new Steps({ "shop": addShop, ask, source: openSource, unknown: askUnknown, teach, told, edit }, load);

export function startKnowledge() {
  fill(byId("pane-knowledge"),
    h("p", { class: "hint" }, t("knowledgeHint")),
    compared,
    h("section", null, steps.boxes(0, 3)),
    h("section", null, steps.boxes(3, 6)),
    h("section", null, steps.boxes(6), field),
    h("section", null, h("h3", null, t("looks")), looks.boxes(0, 1), query, looks.boxes(1)));
  on("chats", notice);
  document.addEventListener("panel-tab", (event) => {
    if (/** @type {CustomEvent} */ (event).detail === "knowledge") void load();
  });
}

async function load() {
  if (!book) {
    const answer = await post("handbook", { language });
    book = answer?.handbook ?? null;
    if (book) compared.textContent = t(book.byMeaning ? "byMeaning" : "byWords");
    const text = /** @type {string} */ (book?.pages[PAGE] ?? "");
    /** @type {HTMLTextAreaElement} */ (field).value = text.replace("30", "45");
  }
  return book;
}

/** Whether a message answers from the page that the customer asks about. @param {any} message */
function isQuoted(message) {
  return labelled(message, book.labels.source) && message.text?.includes("30");
}

/** What people did themselves counts, too. */
function notice() {
  if (!book || steps.areDone) return;
  for (const message of [...state.messages.values()].flatMap((chat) => [...chat.values()])) {
    if (!message.from?.is_bot) continue;
    if (isQuoted(message)) steps.tick("ask");
    for (const [sign, name] of [["asOf", "source"], ["taught", "teach"], ["told", "told"]]) {
      if (begins(message, book.signs[sign])) steps.tick(name);
    }
  }
}

// --- the steps ---------------------------------------------------------------------------------------------------------

async function addShop() {
  if (!(await beOwner())) return false;
  await sayPrivately(`/kb add ${book.folder}`);
  return (await pressed(book.everyone)) && Boolean(await until(() => newest((message) => labelled(message, book.everyone.map((/** @type {string} */ label) => `✓ ${label}`)))));
}

/** Ask as the customer, and wait for an answer with a button. @param {string} question @param {string} label @param {number} [patience] */
async function asks(question, label, patience) {
  await beReader();
  const before = last();
  await sayPrivately(question);
  return Boolean(await until(() => newest((message) => message.message_id > before && labelled(message, book.labels[label])), patience));
}

/**
 * Ask what the handbook says. On a slow machine the bot may still be reading it, or compare words only as its vectors are not
 * there yet: then another page answers, so ask again.
 */
async function ask() {
  for (let tries = 0; tries < TRIES; tries++) {
    if (!(await asks(t("askSay"), "source", AGAIN_MS))) continue;
    if (newest(isQuoted)) return true;
  }
  return false;
}

async function openSource() {
  await beReader();
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
  if (!list || !(await press(list, list.reply_markup.inline_keyboard[0][0]))) return false;
  before = last(); // before the press: the bot's question may be here before the press is confirmed
  if (!(await pressed(book.labels.answer)) || !(await until(() => newest((message) => message.message_id > before)))) return false;
  await sayPrivately(t("teachSay"));
  return (await pressed(book.labels.add)) && Boolean(await until(() => newest((message) => begins(message, book.signs.taught))));
}

async function told() {
  await beReader();
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

// --- a closer look -----------------------------------------------------------------------------------------------------

/** The sources as the owner sees them, with their age. */
async function kbSources() {
  const page = await ownerGets("/kb", (message) => message.text?.includes(book.folder.split("/").at(-1)));
  return page ? page.text : false;
}

/** What a question finds, with scores. */
async function kbSearch() {
  const question = /** @type {HTMLInputElement} */ (query).value.trim() || t("askSay");
  const page = await ownerGets(`/kb search ${question}`, (message) => labelled(message, book.labels.asEveryone));
  return page ? page.text : false;
}

/** One question, asked by two people with different rights: a page for the staff answers the owner alone. */
async function kbRights() {
  const isShut = (/** @type {any} */ message) => labelled(message, [...book.owners, ...marked(book.owners), ...book.labels.sync]);
  const page = await ownerGets(`/kb add ${book.staff}`, isShut);
  const button = page && labelled(page, book.owners);
  if (!page || (button && !((await press(page, button)) && (await until(() => newest((message) => labelled(message, marked(book.owners)))))))) return false;
  const isSecret = (/** @type {any} */ message) => message.text?.includes(t("staffSign"));
  let own = null;
  for (let tries = 0; tries < TRIES && !own; tries++) own = await ownerGets(t("staffSay"), isSecret, AGAIN_MS);
  if (!own) return false;
  await beReader();
  const before = last();
  await sayPrivately(t("staffSay"));
  const other = await until(() => newest((message) => message.message_id > before));
  return Boolean(other) && !isSecret(other) && `${t("kbOwner")}: ${gist(own)}\n${t("reader")}: ${gist(other)}`;
}

/** @param {string[]} labels */
const marked = (labels) => labels.map((label) => `✓ ${label}`);

/** What a message says before its quotes. @param {any} message */
function gist(message) {
  const lines = message.text.split("\n").filter(Boolean);
  return lines.slice(0, lines[0].endsWith(":") ? 2 : 1).join(" ");
}

/** Say something as the owner, and wait for the message of the bot that is looked for. @param {string} text @param {(message: any) => any} is @param {number} [patience] */
async function ownerGets(text, is, patience) {
  if (!(await beOwner())) return null;
  const before = last();
  await sayPrivately(text);
  return until(() => newest((message) => message.message_id > before && is(message)), patience);
}
