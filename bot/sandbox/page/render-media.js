"use strict";
/** Photos, stickers, voice and video messages, and files in a bubble. */
import { h } from "./dom.js";
import { icon } from "./icons.js";
import { viewPhoto } from "./toast.js";
import { size, t } from "./words.js";
import { fileAddress } from "./wire.js";

const WIDEST = 400;
const TALLEST = 440;
const STICKER = 180;

/** How many pictures of an album stand in each row, by their number. */
const MOSAIC = [[], [1], [2], [1, 2], [2, 2], [2, 3], [3, 3], [2, 2, 3], [2, 3, 3], [3, 3, 3], [3, 3, 4]];

/** The photos of an album in rows of one height. @param {any[]} messages */
export function mosaic(messages) {
  const rest = [...messages];
  const rows = (MOSAIC[messages.length] ?? [messages.length]).map((count) => rest.splice(0, count));
  return h("div", { class: "mosaic", "data-testid": "mosaic" }, rows.map((row) => h("div", { class: "mosaic-row" }, row.map(tile))));
}

/** @param {any} message */
function tile(message) {
  const best = message.photo[message.photo.length - 1];
  const view = photoView(message.photo);
  const shape = Math.max(0.66, Math.min((best.width || 1) / (best.height || 1), 1.9));
  view.style.flexGrow = String(shape);
  view.style.aspectRatio = String(shape);
  view.setAttribute("data-part", message.message_id);
  return view;
}

/** A photo that opens at full size; its place is kept while it loads. @param {any[]} sizes PhotoSize, the largest last */
export function photoView(sizes) {
  const best = sizes?.[sizes.length - 1];
  if (!best) return h("span", null, t("photoWord"));
  const scale = Math.min(1, WIDEST / (best.width || WIDEST), TALLEST / (best.height || TALLEST));
  const address = fileAddress(best.file_id);
  const image = h("img", { src: address, alt: t("photoWord"), width: Math.round((best.width || WIDEST) * scale), height: Math.round((best.height || WIDEST) * scale), decoding: "async" });
  return h("button", { type: "button", class: "photo", "data-testid": "photo", onclick: () => viewPhoto(address) }, image);
}

/** @param {any} sticker */
export const stickerView = (sticker) =>
  h("img", { class: "sticker", "data-testid": "sticker", src: fileAddress(sticker.file_id), alt: sticker.emoji ?? t("sticker"), width: STICKER, height: STICKER });

/** @param {any} video */
export const roundVideo = (video) =>
  h("video", { class: "round-video", "data-testid": "video-note", controls: true, preload: "metadata", src: fileAddress(video.file_id) });

/** @param {any} voice */
export function audioPlayer(voice) {
  return h("div", { class: "voice", "data-testid": "voice" },
    h("audio", { controls: true, preload: "metadata", src: fileAddress(voice.file_id) }),
    voice.title || voice.file_name ? h("small", null, voice.title ?? voice.file_name) : null);
}

/** @param {any} file */
export function fileRow(file) {
  const name = file.file_name ?? t("file");
  return h("a", { class: "document", href: fileAddress(file.file_id), download: name, "data-testid": "document" },
    h("span", { class: "document-icon" }, icon("file")),
    h("span", { class: "document-words" }, h("b", null, name), h("small", null, size(file.file_size ?? 0))));
}
