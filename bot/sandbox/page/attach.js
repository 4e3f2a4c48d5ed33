"use strict";
/** Photos, files and voice messages: chosen, dropped or pasted, looked at once more, then sent. */
import { byId, h } from "./dom.js";
import { icon } from "./icons.js";
import { openMenu } from "./menu.js";
import { state } from "./state.js";
import { dialog } from "./toast.js";
import { size, t } from "./words.js";
import { upload } from "./wire.js";

/** @typedef {"photo" | "voice" | "document"} Kind */
const ACCEPT = { photo: "image/*", voice: "audio/*", document: "" };
const PHOTO = /^image\/(jpeg|png|webp|gif)$/;

/** @type {HTMLInputElement} */
const input = byId("file-input");
/** @type {Kind} */
let kind = "photo";

export function startAttach() {
  byId("attach").addEventListener("click", (/** @type {Event} */ event) => choose(/** @type {Element} */ (event.currentTarget)));
  input.addEventListener("change", () => {
    offer([...(input.files ?? [])], kind);
    input.value = "";
  });
  byId("composer").addEventListener("paste", (/** @type {ClipboardEvent} */ event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (files.length) event.preventDefault();
    offer(files);
  });
  startDrop();
}

/** @param {Element} button */
function choose(button) {
  const pick = (/** @type {Kind} */ chosen) => () => {
    kind = chosen;
    input.accept = ACCEPT[chosen];
    input.multiple = chosen !== "voice";
    input.click();
  };
  openMenu(button, [
    { label: t("photo"), icon: "image", testid: "attach-photo", run: pick("photo") },
    { label: t("file"), icon: "file", testid: "attach-document", run: pick("document") },
    { label: t("voice"), icon: "mic", testid: "attach-voice", run: pick("voice") },
  ]);
}

function startDrop() {
  const zone = byId("drop");
  const carries = (/** @type {DragEvent} */ event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
  addEventListener("dragover", (event) => {
    if (!carries(event)) return;
    event.preventDefault();
    zone.hidden = false;
  });
  addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) zone.hidden = true;
  });
  addEventListener("drop", (event) => {
    zone.hidden = true;
    if (!carries(event)) return;
    event.preventDefault();
    offer([...(event.dataTransfer?.files ?? [])]);
  });
}

/** Without a kind, pictures are photos and everything else files. @param {File[]} files @param {Kind} [chosen] */
function offer(files, chosen) {
  if (!files.length || !state.chat) return;
  const kindOf = (/** @type {File} */ file) => (chosen === "photo" || !chosen ? (PHOTO.test(file.type) ? "photo" : "document") : chosen);
  const addresses = files.map((file) => URL.createObjectURL(file));
  const caption = /** @type {HTMLInputElement} */ (h("input", { type: "text", maxlength: 1024, placeholder: t("caption"), "data-testid": "caption", autofocus: true }));
  const box = dialog({
    title: t("attach"), button: t("send"), testid: "upload",
    body: [h("div", { class: "previews" }, files.map((file, index) => look(file, kindOf(file), addresses[index]))), h("label", { class: "field" }, caption)],
    done: () => void sendAll(files, kindOf, caption.value),
  });
  box.addEventListener("close", () => addresses.forEach((address) => URL.revokeObjectURL(address)));
}

/** @param {File} file @param {Kind} as @param {string} address */
function look(file, as, address) {
  if (as === "photo") return h("img", { src: address, alt: file.name });
  return h("div", { class: "document" }, h("span", { class: "document-icon" }, icon(as === "voice" ? "mic" : "file")),
    h("span", { class: "document-words" }, h("b", null, file.name), h("small", null, size(file.size))));
}

/** One after the other, so that they arrive in order; the caption goes with the first. @param {File[]} files @param {(file: File) => Kind} kindOf @param {string} caption */
async function sendAll(files, kindOf, caption) {
  for (const [index, file] of files.entries()) await upload(file, kindOf(file), index ? "" : caption);
}
