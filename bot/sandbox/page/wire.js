"use strict";
/** The server: actions by POST, the state, and the stream of events that mends itself. Begin with `connect`. */
import { apply, load, phone, restore, state, touch } from "./state.js";
import { t } from "./words.js";
import { toast } from "./toast.js";

const FIRST_WAIT_MS = 400;
const LONGEST_WAIT_MS = 5000;

/**
 * Do something in the world. Shows a toast and returns null when it fails.
 * @param {string} action @param {object} body @returns {Promise<any>}
 */
export async function post(action, body) {
  return answer(`/world/${action}`, { headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
}

/**
 * Send a file as the person I am.
 * @param {Blob & {name?: string}} file @param {"photo" | "voice" | "video_note" | "sticker" | "document"} kind @param {string} caption
 * @param {string} [group] the album that it belongs to
 */
export async function upload(file, kind, caption, group = "") {
  const query = new URLSearchParams({ chat_id: String(state.chat), user_id: String(state.me), kind, caption });
  if (file.name) query.set("name", file.name);
  if (group) query.set("group", group);
  if (state.thread) query.set("thread_id", String(state.thread));
  const type = file.type || "application/octet-stream";
  return answer(`/world/upload?${query}`, { headers: { "Content-Type": type, "X-Sandbox": "1" }, body: file });
}

/** @param {string} url @param {RequestInit} options */
async function answer(url, options) {
  try {
    const response = await fetch(url, { method: "POST", ...options });
    const body = await response.json().catch(() => ({}));
    if (response.ok) return body;
    toast(t("failed", { why: body.error ?? response.status }));
  } catch {
    toast(t("failed", { why: t("offline") }));
  }
  return null;
}

/** @type {EventSource | null} */
let source = null;
let wait = FIRST_WAIT_MS;
/** Events that came to a phone while the state was on its way, which may be older than they are. @type {any[] | null} */
let early = null;

/** Load the state and follow the events; on any break do both again, less and less often. */
export async function connect() {
  source?.close();
  early = [];
  try {
    const response = await fetch("/world/state");
    if (!response.ok) throw new Error(String(response.status));
    load(await response.json());
    restore();
    const events = early;
    early = null;
    follow();
    events.forEach(take);
  } catch {
    again();
  }
}

function follow() {
  hear({ type: "reset" });
  if (phone) return show("open"); // the page around it has the stream: a browser opens six connections at most
  source = new EventSource(`/world/events?after=${state.seq}`);
  source.onopen = () => {
    wait = FIRST_WAIT_MS;
    show("open");
  };
  source.onerror = again;
  source.onmessage = (event) => take(JSON.parse(event.data));
}

/** Take an event of the server, which the page around a phone hands on. @param {any} event */
export function take(event) {
  if (early) return void early.push(event);
  if (!apply(event)) return void connect();
  hear(event);
}

/** @type {(event: any) => void} */
let hear = () => {};
/** Hear of each event once it is applied, and of `reset` when the whole state has been loaded. @param {(event: any) => void} listener */
export function onEvent(listener) {
  hear = listener;
}

function again() {
  source?.close();
  show("lost");
  setTimeout(() => void connect(), wait);
  wait = Math.min(wait * 1.7, LONGEST_WAIT_MS);
}

/** @param {string} connection */
function show(connection) {
  state.connection = connection;
  touch("connection");
}

/** @param {string} fileId */
export const fileAddress = (fileId) => `/world/file/${encodeURIComponent(fileId)}`;
