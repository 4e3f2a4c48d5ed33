"use strict";
/** Rich messages: blocks and rich text as nodes. Begin with `renderBlocks`; `patchBlocks` changes only what differs. */
import { h, link } from "./dom.js";
import { richButton } from "./keyboard.js";
import { renderMath } from "./math.js";
import { codeBlock, command, expandable, spoiler } from "./render-entities.js";
import { icon } from "./icons.js";
import { t } from "./words.js";
import { audioPlayer, fileRow, photoView } from "./render-media.js";

const DEEPEST = 20;

/** @param {any[]} blocks @param {any} message the message they are in, for buttons @param {number} [depth] @returns {Node[]} */
export function renderBlocks(blocks, message, depth = 0) {
  return depth > DEEPEST ? [] : (blocks ?? []).map((one) => renderBlock(one, message, depth));
}

/** @param {any} block @param {any} message @param {number} depth @returns {Node} */
function renderBlock(block, message, depth) {
  const maker = BLOCKS[block?.type];
  return maker ? maker(block, message, depth + 1) : h("div", { class: "unsupported" }, t("unsupported"));
}

/** @type {WeakMap<Element, string[]>} */
const shown = new WeakMap();

/** Make `container` show `blocks`, touching only the blocks that changed. @param {Element} container @param {any[]} blocks @param {any} message */
export function patchBlocks(container, blocks, message) {
  const before = shown.get(container) ?? [];
  const after = (blocks ?? []).map((block) => JSON.stringify(block));
  after.forEach((key, index) => {
    if (before[index] === key) return;
    const node = renderBlock(blocks[index], message, 0);
    const old = container.children[index];
    if (old) old.replaceWith(node);
    else container.append(node);
  });
  while (container.children.length > after.length) container.lastElementChild?.remove();
  shown.set(container, after);
}

// --- rich text ---------------------------------------------------------------------------------------------------------

/** @param {any} text a string, a list, or an object with a type @param {any} message @param {number} [depth] @returns {any} */
export function richText(text, message, depth = 0) {
  if (text === null || text === undefined || depth > DEEPEST) return null;
  if (typeof text === "string") return text;
  if (Array.isArray(text)) return text.map((one) => richText(one, message, depth + 1));
  const inside = () => richText(text.text, message, depth + 1);
  const maker = TEXTS[text.type];
  return maker ? maker(inside, text, message) : inside();
}

/** The plain words of a rich text. @param {any} text @returns {string} */
export function plainText(text) {
  if (typeof text === "string") return text;
  if (Array.isArray(text)) return text.map(plainText).join("");
  return text ? plainText(text.text ?? text.expression ?? text.alternative_text ?? "") : "";
}

/** The plain words of blocks, for previews and copying. @param {any[]} blocks @returns {string} */
export function plainBlocks(blocks) {
  return (blocks ?? []).map(plainBlock).filter(Boolean).join("\n");
}

/** @param {any} block @returns {string} */
function plainBlock(block) {
  if (block.type === "table") {
    return block.cells.map((/** @type {any[]} */ row) => row.map((cell) => plainText(cell.text)).join("\t")).join("\n");
  }
  if (block.type === "list") {
    return block.items.map((/** @type {any} */ item) => `${item.label ?? "•"} ${plainBlocks(item.blocks)}`).join("\n");
  }
  return [plainText(block.summary ?? ""), plainText(block.text ?? block.expression ?? ""), plainBlocks(block.blocks)].filter(Boolean).join("\n");
}

/** @param {string} tag @param {string} [className] */
const wrap = (tag, className) => (/** @type {() => any} */ inside) => h(tag, className ? { class: className } : null, inside());

/** @type {Record<string, (inside: () => any, text: any, message: any) => any>} */
const TEXTS = {
  bold: wrap("strong"),
  italic: wrap("em"),
  underline: wrap("u"),
  strikethrough: wrap("s"),
  subscript: wrap("sub"),
  superscript: wrap("sup"),
  marked: wrap("mark"),
  code: wrap("code", "inline-code"),
  spoiler: (inside) => spoiler(inside()),
  url: (inside, text) => link(text.url ?? "", inside()),
  email_address: (inside, text) => link(`mailto:${text.email_address}`, inside()),
  phone_number: (inside, text) => link(`tel:${text.phone_number}`, inside()),
  text_mention: wrap("span", "link mention"),
  mention: wrap("span", "link mention"),
  hashtag: wrap("span", "link"),
  cashtag: wrap("span", "link"),
  bot_command: (inside, text) => command(text.bot_command ?? plainText(text.text), inside()),
  custom_emoji: (inside, text) => text.alternative_text ?? "",
  mathematical_expression: (inside, text) => h("span", { class: "math", title: text.expression }, renderMath(text.expression ?? "")),
  reference: wrap("span", "reference"),
  reference_link: wrap("sup", "link"),
  anchor: () => null,
  button: (inside, text, message) => richButton(text.button, message, plainText(text.button?.text)),
};

// --- blocks ------------------------------------------------------------------------------------------------------------

/** @param {any} block @param {any} message */
function heading(block, message) {
  const level = Math.min(Math.max(Number(block.size) || 1, 1), 6);
  return h(`h${level}`, { dir: "auto" }, richText(block.text, message));
}

/** @param {any} block @param {any} message @param {number} depth */
function list(block, message, depth) {
  const items = block.items ?? [];
  const ordered = items.some((/** @type {any} */ item) => item.value || item.type || /^\w+[.)]/.test(item.label ?? ""));
  return h(ordered ? "ol" : "ul", { class: "rich-list" }, items.map((/** @type {any} */ item) =>
    h("li", { class: item.has_checkbox ? "task" : null, dir: "auto" },
      item.has_checkbox
        ? h("span", { class: `checkbox ${item.is_checked ? "checked" : ""}`, role: "img", "aria-label": item.is_checked ? "☑" : "☐" }, item.is_checked ? icon("check") : null)
        : h("span", { class: "marker" }, ordered ? item.label || `${item.value ?? ""}.` : "•"),
      h("div", { class: "item-body" }, renderBlocks(item.blocks, message, depth)))));
}

/** @param {any} block @param {any} message */
function table(block, message) {
  const cell = (/** @type {any} */ one) =>
    h(one.is_header ? "th" : "td", {
      dir: "auto",
      class: `align-${ALIGNS.has(one.align) ? one.align : "left"} valign-${VALIGNS.has(one.valign) ? one.valign : "top"}`,
      colspan: one.colspan > 1 ? one.colspan : null,
      rowspan: one.rowspan > 1 ? one.rowspan : null,
    }, richText(one.text, message));
  const classes = ["rich-table", block.is_bordered && "bordered", block.is_striped && "striped", block.is_compact && "compact"];
  return h("div", { class: "table-scroll", tabindex: 0, role: "region" },
    h("table", { class: classes.filter(Boolean).join(" ") },
      block.caption ? h("caption", null, richText(block.caption, message)) : null,
      h("tbody", null, (block.cells ?? []).map((/** @type {any[]} */ row) => h("tr", null, row.map(cell))))));
}

/** @param {any} block @param {any} message */
const caption = (block, message) =>
  block.caption ? h("figcaption", null, richText(block.caption.text, message), credit(block.caption, message)) : null;

/** @param {any} block @param {any} message */
const credit = (block, message) => (block.credit ? h("cite", null, richText(block.credit, message)) : null);

/** @param {any} block @param {any} message @param {any} content */
const figure = (block, message, content) => h("figure", null, content, caption(block, message));

const ALIGNS = new Set(["left", "center", "right"]);
const VALIGNS = new Set(["top", "middle", "bottom"]);

/** @type {Record<string, (block: any, message: any, depth: number) => Node>} */
const BLOCKS = {
  paragraph: (block, message) => h("p", { dir: "auto" }, richText(block.text, message)),
  heading,
  pre: (block) => codeBlock(plainText(block.text), block.language),
  footer: (block, message) => h("footer", null, richText(block.text, message)),
  divider: () => h("hr", null),
  mathematical_expression: (block) => h("div", { class: "math-block math", tabindex: 0, title: block.expression }, renderMath(block.expression ?? "")),
  anchor: () => h("span", { hidden: true }),
  list,
  blockquote: (block, message, depth) => h("blockquote", { dir: "auto" }, renderBlocks(block.blocks, message, depth), credit(block, message)),
  expandable_blockquote: (block, message) => expandable(richText(block.text, message), credit(block, message)),
  pullquote: (block, message) => h("blockquote", { class: "pullquote", dir: "auto" }, richText(block.text, message), credit(block, message)),
  collage: (block, message, depth) => figure(block, message, h("div", { class: "collage" }, renderBlocks(block.blocks, message, depth))),
  slideshow: (block, message, depth) => figure(block, message, h("div", { class: "slideshow" }, renderBlocks(block.blocks, message, depth))),
  table,
  details: (block, message, depth) =>
    h("details", { open: Boolean(block.is_open) }, h("summary", null, richText(block.summary, message)), renderBlocks(block.blocks, message, depth)),
  map: (block, message) => figure(block, message, h("div", { class: "map" }, icon("pin"), `${block.location?.latitude}, ${block.location?.longitude}`)),
  buttons: (block, message) =>
    h("div", { class: "keyboard-row" }, (block.buttons ?? []).map((/** @type {any} */ one) => richButton(one, message, plainText(one.text)))),
  photo: (block, message) => figure(block, message, photoView(block.photo)),
  document: (block, message) => figure(block, message, fileRow(block.document)),
  video: (block, message) => figure(block, message, fileRow(block.video)),
  animation: (block, message) => figure(block, message, fileRow(block.animation)),
  audio: (block, message) => figure(block, message, audioPlayer(block.audio)),
  voice_note: (block, message) => figure(block, message, audioPlayer(block.voice_note)),
  thinking: (block, message) => h("div", { class: "thinking" }, richText(block.text, message)),
};
