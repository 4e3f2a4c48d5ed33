"use strict";
/** The server: actions by POST, the state, and the stream of events that mends itself. Begin with `connect`. */
import { apply, load, restore, state, touch } from "./state.js";
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

/** Load the state and follow the events; on any break do both again, less and less often. */
export async function connect() {
  source?.close();
  try {
    const response = await fetch("/world/state");
    if (!response.ok) throw new Error(String(response.status));
    load(await response.json());
    restore();
    follow();
  } catch {
    again();
  }
}

function follow() {
  source = new EventSource(`/world/events?after=${state.seq}`);
  source.onopen = () => {
    wait = FIRST_WAIT_MS;
    show("open");
  };
  source.onerror = again;
  source.onmessage = (event) => {
    if (!apply(JSON.parse(event.data))) void connect();
  };
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
