"use strict";
/** The answer that is being written: a live bubble with a caret, or "thinking" while it is empty. */
import { fill, h } from "./dom.js";
import { patchBlocks } from "./render-blocks.js";
import { renderText } from "./render-entities.js";
import { t } from "./words.js";

/** @param {import("./state.js").Draft} draft */
export function draftRow(draft) {
  const row = h("div", { class: "row in draft first last arriving", "data-testid": "draft", "data-from": "bot", "aria-live": "off", "aria-busy": "true" },
    h("div", { class: "stack" }, h("div", { class: "bubble" }, h("div", { class: "draft-content", dir: "auto" }))));
  updateDraft(row, draft);
  return row;
}

/** Show what the draft has become, in the same bubble. @param {HTMLElement} row @param {import("./state.js").Draft} draft */
export function updateDraft(row, draft) {
  const content = /** @type {HTMLElement} */ (row.querySelector(".draft-content"));
  const kind = draft.rich_message ? "blocks" : draft.text ? "text" : "thinking";
  if (row.dataset.kind !== kind) {
    row.dataset.kind = kind;
    content.className = `draft-content ${kind}`;
    content.replaceChildren(...(kind === "thinking" ? [thinking()] : []));
    row.querySelector(".bubble")?.classList.toggle("rich", kind === "blocks");
  }
  if (kind === "blocks") patchBlocks(content, draft.rich_message.blocks, null);
  else if (kind === "text") fill(content, renderText(draft.text, draft.entities), h("span", { class: "caret" }));
}

const thinking = () => h("span", { class: "thinking" }, t("thinking"), dots());

/** Three dots that move. */
export const dots = () => h("span", { class: "dots", "aria-hidden": "true" }, h("i"), h("i"), h("i"));
