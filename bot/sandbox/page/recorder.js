"use strict";
/** Recording a voice message with the microphone: a line in place of the field, with Cancel and Send. */
import { byId, fill, h } from "./dom.js";
import { icon } from "./icons.js";
import { toast } from "./toast.js";
import { t } from "./words.js";
import { upload } from "./wire.js";

/** Voice messages are OggOpus. What writes only WebM is converted by the sandbox. */
const FORMATS = ["audio/ogg;codecs=opus", "audio/webm;codecs=opus", "audio/mp4"];
const TICK_MS = 200;

/** @type {{recorder: MediaRecorder, pieces: Blob[], timer: number} | null} */
let current = null;

export const canRecord = () => Boolean(navigator.mediaDevices?.getUserMedia && globalThis.MediaRecorder);

export async function startRecording() {
  if (current) return;
  try {
    const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
    const mimeType = FORMATS.find((format) => MediaRecorder.isTypeSupported(format));
    begin(new MediaRecorder(stream, mimeType ? { mimeType } : {}));
  } catch {
    toast(t("noMicrophone"));
  }
}

/** @param {MediaRecorder} recorder */
function begin(recorder) {
  const time = h("span", { class: "grow", role: "timer" }, "0:00");
  const began = Date.now();
  const timer = setInterval(() => (time.textContent = length((Date.now() - began) / 1000)), TICK_MS);
  const recording = { recorder, pieces: /** @type {Blob[]} */ ([]), timer };
  recorder.ondataavailable = (event) => recording.pieces.push(event.data);
  recorder.start();
  current = recording;
  show(true);
  const bar = byId("recording");
  fill(bar, h("span", { class: "recording-lamp" }), time,
    h("button", { type: "button", class: "plain", "data-testid": "record-cancel", onclick: () => end(false) }, t("cancel")),
    h("button", { type: "button", class: "send ready", title: t("send"), "aria-label": t("send"), "data-testid": "record-send", onclick: () => end(true) }, icon("send")));
  bar.onkeydown = (/** @type {KeyboardEvent} */ event) => event.key === "Escape" && end(false);
  /** @type {HTMLElement} */ (bar.lastElementChild).focus();
}

/** @param {boolean} isSent */
function end(isSent) {
  if (!current) return;
  const { recorder, pieces, timer } = current;
  current = null;
  clearInterval(timer);
  recorder.onstop = () => isSent && void upload(new Blob(pieces, { type: recorder.mimeType.split(";")[0] }), "voice", "");
  recorder.stop();
  for (const track of recorder.stream.getTracks()) track.stop();
  show(false);
  byId("composer").focus();
}

/** @param {boolean} isOn */
function show(isOn) {
  byId("recording").hidden = !isOn;
  document.body.classList.toggle("is-recording", isOn);
}

/** @param {number} seconds */
const length = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;
