"use strict";
/** Photos, files, voice and video messages, stickers: chosen, dropped or pasted, looked at once more, then sent. */
import { byId, h } from "./dom.js";
import { icon } from "./icons.js";
import { openMenu } from "./menu.js";
import { state } from "./state.js";
import { dialog } from "./toast.js";
import { size, t } from "./words.js";
import { upload } from "./wire.js";

/** @typedef {"photo" | "voice" | "video_note" | "sticker" | "document"} Kind */
const ACCEPT = { photo: "image/*", voice: "audio/*", video_note: "video/*", sticker: "image/*", document: "" };
const ONE = new Set(["voice", "video_note", "sticker"]); // at a time
const CAPTIONLESS = new Set(["video_note", "sticker"]);
const ALBUM = 10;
const STICKER = 512; // pixels of the longer side
const EMOJI = "🙂"; // what a sticker stands for
const KINDS = ["photo", "document"]; // that make albums
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
  document.addEventListener("paste", (/** @type {ClipboardEvent} */ event) => {
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
    input.multiple = !ONE.has(chosen);
    input.click();
  };
  openMenu(button, [
    { label: t("photo"), icon: "image", testid: "attach-photo", run: pick("photo") },
    { label: t("file"), icon: "file", testid: "attach-document", run: pick("document") },
    { label: t("voice"), icon: "mic", testid: "attach-voice", run: pick("voice") },
    { label: t("videoNote"), icon: "play", testid: "attach-video-note", run: pick("video_note") },
    { label: t("sticker"), icon: "smile", testid: "attach-sticker", run: pick("sticker") },
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
  const caption = /** @type {HTMLInputElement} */ (h("input", { type: "text", maxlength: 1024, placeholder: t("caption"), "aria-label": t("caption"), dir: "auto", "data-testid": "caption", autofocus: true }));
  const box = dialog({
    title: t("attach"), button: t("send"), testid: "upload",
    body: [h("div", { class: `previews ${files.length > 1 && files.every((file) => kindOf(file) === "photo") ? "several" : ""}` }, files.map((file, index) => look(file, kindOf(file), addresses[index]))), CAPTIONLESS.has(kindOf(files[0])) ? null : h("label", { class: "field" }, caption)],
    done: () => void sendAll(files, kindOf, caption.value),
  });
  box.addEventListener("close", () => {
    addresses.forEach((address) => URL.revokeObjectURL(address));
    byId("composer").focus({ preventScroll: true });
  });
}

/** @param {File} file @param {Kind} as @param {string} address */
function look(file, as, address) {
  if (as === "photo" || as === "sticker") return h("img", { class: as, src: address, alt: file.name });
  return h("div", { class: "document" }, h("span", { class: "document-icon" }, icon(as === "voice" ? "mic" : "file")),
    h("span", { class: "document-words" }, h("b", null, file.name), h("small", null, size(file.size))));
}

/**
 * One after the other, so that they arrive in order; the caption goes with the first. Several photos, or several files,
 * are an album, as in Telegram: the bot takes them as one message.
 * @param {File[]} files @param {(file: File) => Kind} kindOf @param {string} caption
 */
async function sendAll(files, kindOf, caption) {
  const started = Date.now();
  for (const [index, file] of files.entries()) {
    const kind = kindOf(file);
    const alike = files.filter((other) => kindOf(other) === kind);
    const group = alike.length > 1 ? `${started}${KINDS.indexOf(kind)}${Math.floor(alike.indexOf(file) / ALBUM)}` : "";
    await upload(kind === "sticker" ? await sticker(file) : file, kind, index ? "" : caption, group);
  }
}

/** Any picture as a still sticker: WebP, at most 512 pixels a side. @param {File} file */
async function sticker(file) {
  const picture = await createImageBitmap(file);
  const scale = STICKER / Math.max(picture.width, picture.height);
  const canvas = /** @type {HTMLCanvasElement} */ (h("canvas", { width: Math.round(picture.width * scale), height: Math.round(picture.height * scale) }));
  canvas.getContext("2d")?.drawImage(picture, 0, 0, canvas.width, canvas.height);
  const blob = await new Promise((/** @type {BlobCallback} */ done) => canvas.toBlob(done, "image/webp"));
  return blob ? new File([blob], EMOJI, { type: blob.type }) : file;
}
