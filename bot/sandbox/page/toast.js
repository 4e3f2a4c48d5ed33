"use strict";
/** Short notes over the chat, and dialogs. */
import { add, byId, h } from "./dom.js";
import { icon } from "./icons.js";
import { on, state } from "./state.js";
import { t } from "./words.js";

const TOAST_MS = 3500;

/** A note is for the person who is shown it: nobody else sees the rest of its time. */
export function startToasts() {
  on("user", () => {
    for (const note of document.querySelectorAll(".toast")) {
      if (note instanceof HTMLElement && note.dataset.person !== String(state.me)) note.remove();
    }
  });
}

/** @param {string} text */
export function toast(text) {
  const note = h("div", { class: "toast", "data-testid": "toast", role: "status" }, text);
  note.dataset.person = String(state.me);
  byId("toasts").append(note);
  setTimeout(() => note.classList.add("leaving"), TOAST_MS);
  setTimeout(() => note.remove(), TOAST_MS + 300);
}

/**
 * Open a dialog. `done` is called by the main button; it closes unless `done` returns false.
 * @param {{title?: string, body: any, button?: string, danger?: boolean, done?: () => any, wide?: boolean,
 *   testid?: string, kind?: string}} options
 * @returns {HTMLDialogElement}
 */
export function dialog({ title, body, button, danger, done, testid, kind }) {
  const box = /** @type {HTMLDialogElement} */ (h("dialog", { class: `dialog ${kind ?? ""}`, "data-testid": testid ?? "dialog" }));
  const close = () => box.close();
  const form = h("form", { method: "dialog", onsubmit: async (/** @type {Event} */ event) => {
    event.preventDefault();
    if ((await done?.()) !== false) close();
  } });
  if (title) add(form, h("h2", null, title));
  add(form, body);
  if (button) {
    add(form, h("div", { class: "dialog-buttons" },
      done && h("button", { type: "button", class: "plain", onclick: close, "data-testid": "dialog-cancel" }, t("cancel")),
      h("button", { type: "submit", class: danger ? "danger" : "primary", "data-testid": "dialog-ok" }, button)));
  } else {
    add(form, h("button", { type: "button", class: "icon-button dialog-close", title: t("close"), "aria-label": t("close"), onclick: close }, icon("close")));
  }
  box.append(form);
  box.addEventListener("click", (event) => event.target === box && close());
  box.addEventListener("close", () => box.remove());
  document.body.append(box);
  box.showModal();
  return box;
}

/** What a bot shows with show_alert. @param {string} text */
export const alertBox = (text) => dialog({ body: h("p", { class: "alert-text" }, text), button: t("ok"), testid: "alert" });

/** @param {string} address */
export function viewPhoto(address) {
  const box = dialog({ body: h("img", { src: address, alt: t("photoWord") }), kind: "photo-view", testid: "photo-view" });
  box.querySelector("img")?.addEventListener("click", () => box.close());
}

/** @param {string} title @param {any} value */
export const viewJson = (title, value) =>
  dialog({ title, body: h("pre", { class: "json" }, JSON.stringify(value, null, 2)), kind: "json-view", testid: "json-view" });
