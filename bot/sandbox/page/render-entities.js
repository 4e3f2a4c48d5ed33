"use strict";
/** A text with Telegram's entities as nodes. Offsets are UTF-16 units, which is what JavaScript strings count in. */
import { copy, h, link } from "./dom.js";
import { highlight } from "./highlight.js";
import { icon } from "./icons.js";
import { t } from "./words.js";

const BLOCKS = new Set(["pre", "blockquote", "expandable_blockquote"]);

/**
 * @typedef {{type: string, offset: number, length: number, url?: string, language?: string, user?: any, unix_time?: number, date_time_format?: string}} Entity
 * @param {string} text @param {Entity[]} [entities] @returns {Node[]}
 */
export function renderText(text, entities) {
  const known = (entities ?? []).filter((one) => one.length > 0 && one.offset >= 0 && one.offset < text.length);
  return render(text, 0, text.length, sorted(known));
}

/** Outer ones first. @param {Entity[]} entities */
const sorted = (entities) => [...entities].sort((a, b) => a.offset - b.offset || b.length - a.length);

/** @param {string} text @param {number} start @param {number} end @param {Entity[]} entities @returns {Node[]} */
function render(text, start, end, entities) {
  /** @type {Node[]} */
  const nodes = [];
  let queue = entities;
  let place = start;
  while (queue.length) {
    const [entity, ...rest] = queue;
    const from = Math.max(entity.offset, place);
    const to = Math.min(entity.offset + entity.length, end);
    if (to <= from) {
      queue = rest;
      continue;
    }
    const isBlock = BLOCKS.has(entity.type);
    pushText(nodes, text.slice(place, from), isBlock);
    const [inside, after] = split(rest, to);
    nodes.push(element(entity, text.slice(from, to), () => render(text, from, to, inside)));
    place = isBlock && text[to] === "\n" ? to + 1 : to;
    queue = after;
  }
  pushText(nodes, text.slice(place, end), false);
  return nodes;
}

/** A block starts its own line: the line break before it would be one too many. @param {Node[]} nodes @param {string} text @param {boolean} beforeBlock */
function pushText(nodes, text, beforeBlock) {
  const shown = beforeBlock && text.endsWith("\n") ? text.slice(0, -1) : text;
  if (shown) nodes.push(document.createTextNode(shown));
}

/** Divide entities at the offset `to`: those before it, and those after it; one that crosses it is cut in two. @param {Entity[]} entities @param {number} to */
function split(entities, to) {
  /** @type {Entity[]} */ const inside = [];
  /** @type {Entity[]} */ const after = [];
  for (const one of entities) {
    const end = one.offset + one.length;
    if (one.offset < to) inside.push(end > to ? { ...one, length: to - one.offset } : one);
    if (end > to) after.push(one.offset < to ? { ...one, offset: to, length: end - to } : one);
  }
  return [inside, sorted(after)];
}

/** @param {Entity} entity @param {string} text @param {() => Node[]} inside @returns {Node} */
function element(entity, text, inside) {
  const maker = MAKERS[entity.type];
  return maker ? maker(inside, text, entity) : h("span", null, inside());
}

/** @param {string} code @param {string} [language] */
export function codeBlock(code, language) {
  const done = async (/** @type {Event} */ event) => {
    event.stopPropagation();
    const button = /** @type {HTMLElement} */ (event.currentTarget);
    await copy(code);
    button.classList.add("done");
    setTimeout(() => button.classList.remove("done"), 1500);
  };
  return h("div", { class: "code-block" },
    h("div", { class: "code-head" }, h("span", { class: "code-language" }, language || "code"),
      h("button", { type: "button", class: "code-copy", title: t("copy"), "aria-label": t("copy"), "data-testid": "code-copy", onclick: done },
        icon("copy"), icon("check"))),
    h("pre", null, h("code", null, highlight(code, language))));
}

/** @param {any} inside */
export function spoiler(inside) {
  const show = (/** @type {Event} */ event) => {
    const span = /** @type {HTMLElement} */ (event.currentTarget);
    if (!span.classList.contains("shown")) event.preventDefault();
    span.classList.add("shown");
  };
  return h("span", { class: "spoiler", tabindex: 0, role: "button", onclick: show, onkeydown: (/** @type {KeyboardEvent} */ e) => e.key === "Enter" && show(e) },
    h("span", { class: "spoiler-text" }, inside));
}

/** A quote that shows three lines until it is clicked. @param {any} inside @param {any} [credit] */
export function expandable(inside, credit) {
  const toggle = (/** @type {Event} */ event) => {
    const box = /** @type {HTMLElement} */ (/** @type {HTMLElement} */ (event.currentTarget).closest("blockquote"));
    const shown = box.classList.toggle("shown");
    /** @type {HTMLElement} */ (event.currentTarget).setAttribute("aria-expanded", String(shown));
  };
  return h("blockquote", { class: "expandable", dir: "auto" }, h("div", { class: "quote-text" }, inside), credit,
    h("button", { type: "button", class: "quote-more", "aria-expanded": "false", title: t("expand"), "aria-label": t("expand"), onclick: toggle }, icon("down")));
}

/** A bot command: a click sends it. @param {string} command @param {any} inside */
export const command = (command, inside) =>
  h("button", { type: "button", class: "link command", "data-command": command }, inside);

/**
 * A time in the reader's zone. The format names its parts: w weekday, d or D date, t or T time.
 * @param {Entity} entity
 */
function localTime({ unix_time = 0, date_time_format: format = "" }) {
  const date = /d/i.test(format) ? { day: "numeric", month: format.includes("D") ? "long" : "2-digit" } : {};
  const time = /t/i.test(format) ? { hour: "2-digit", minute: "2-digit", hourCycle: "h23" } : {};
  const parts = /** @type {any} */ ({ ...(/w/i.test(format) ? { weekday: "long" } : {}), ...date, ...time });
  const language = document.documentElement.lang; // "27 November", as the bot itself says it
  return new Intl.DateTimeFormat(language === "en" ? "en-GB" : language, parts).format(unix_time * 1000);
}

/** @param {string} tag @param {string} [className] @returns {Maker} */
const wrap = (tag, className) => (inside) => h(tag, className ? { class: className } : null, inside());

/** @typedef {(inside: () => Node[], text: string, entity: Entity) => Node} Maker */
/** @type {Record<string, Maker>} */
const MAKERS = {
  bold: wrap("strong"),
  italic: wrap("em"),
  underline: wrap("u"),
  strikethrough: wrap("s"),
  code: (inside, text) => h("code", { class: "inline-code" }, text),
  pre: (inside, text, entity) => codeBlock(text, entity.language),
  spoiler: (inside) => spoiler(inside()),
  blockquote: (inside) => h("blockquote", { dir: "auto" }, inside()),
  expandable_blockquote: (inside) => expandable(inside()),
  url: (inside, text) => link(text, inside()),
  text_link: (inside, text, entity) => link(entity.url ?? "", inside()),
  email: (inside, text) => link(`mailto:${text}`, inside()),
  phone_number: (inside, text) => link(`tel:${text.replace(/[^\d+]/g, "")}`, inside()),
  bot_command: (inside, text) => command(text, inside()),
  mention: wrap("span", "link mention"),
  text_mention: wrap("span", "link mention"),
  hashtag: wrap("span", "link"),
  cashtag: wrap("span", "link"),
  date_time: (inside, text, entity) => h("time", { title: text }, entity.date_time_format ? localTime(entity) : inside()),
};
