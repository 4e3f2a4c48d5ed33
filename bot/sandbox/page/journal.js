"use strict";
/** The journal: one line per update, call and model request, newest below, in three lanes that can be switched off. */
import { byId, fill, h } from "./dom.js";
import { on, state, touch } from "./state.js";
import { t } from "./words.js";

const LINES = 400;
/** Calls that come by the dozen while an answer is written: a run of them is one line with a count. */
const STREAMED = /Draft$|^editMessageText$|^sendChatAction$/;
const LANES = { update: "laneUpdate", call: "laneCall", model: "laneModel" };

/** @type {HTMLElement} */
const list = byId("journal");
const hidden = new Set();
/** Entries whose detail is open, by number. */
const open = new Set();
let words = "";
let stuck = true;

export function startJournal() {
  fill(byId("lanes"), Object.keys(LANES).map(laneButton));
  const filter = byId("journal-filter");
  filter.placeholder = t("filter");
  filter.setAttribute("aria-label", t("filter"));
  filter.addEventListener("input", () => {
    words = filter.value.trim().toLowerCase();
    drawAll();
  });
  byId("journal-clear").addEventListener("click", () => {
    state.journal = [];
    touch("journal");
  });
  list.addEventListener("scroll", () => (stuck = list.scrollHeight - list.scrollTop - list.clientHeight < 40), { passive: true });
  on("journal", (entries) => (entries.has("all") ? drawAll() : append(entries)));
  document.addEventListener("panel-tab", () => stuck && bottom());
}

/** @param {string} lane */
function laneButton(lane) {
  const toggle = (/** @type {Event} */ event) => {
    const on = hidden.delete(lane);
    if (!on) hidden.add(lane);
    /** @type {Element} */ (event.currentTarget).setAttribute("aria-pressed", String(on));
    drawAll();
  };
  return h("button", { type: "button", class: `lane lane-${lane}`, "aria-pressed": "true", "data-testid": `lane-${lane}`, onclick: toggle },
    h("i"), t(LANES[lane]));
}

/** @param {import("./state.js").Entry} entry */
const fits = (entry) =>
  !hidden.has(entry.lane) && (!words || words.split(/\s+/).every((word) => `${entry.name} ${entry.summary} ${entry.status} ${entry.chat_id ?? ""}`.toLowerCase().includes(word)));

function drawAll() {
  const entries = state.journal.filter(fits).slice(-LINES);
  fill(list, entries.length ? null : h("p", { class: "hint" }, t("journalEmpty")));
  entries.forEach(put);
  if (stuck) bottom();
}

/** @param {Set<import("./state.js").Entry>} entries */
function append(entries) {
  const fresh = [...entries].filter(fits).slice(-LINES);
  if (!fresh.length) return;
  list.querySelector(".hint")?.remove();
  fresh.forEach(put);
  while (list.childElementCount > LINES) list.firstElementChild?.remove();
  if (stuck) bottom();
}

/** Add a line, or count one more in the last. @param {import("./state.js").Entry} entry */
function put(entry) {
  const last = /** @type {HTMLElement | null} */ (list.lastElementChild);
  const key = `${entry.name} ${entry.chat_id} ${entry.status}`;
  const goesOn = last?.dataset.key === key && STREAMED.test(entry.name) && !last.querySelector("[aria-expanded=true]");
  const count = goesOn ? Number(last.dataset.count) + 1 : 1;
  const fresh = line(entry, count);
  Object.assign(fresh.dataset, { key, count });
  if (goesOn) last.replaceWith(fresh);
  else list.append(fresh);
}

function bottom() {
  list.scrollTop = list.scrollHeight;
}

/** @param {import("./state.js").Entry} entry @param {number} count */
function line(entry, count) {
  const detail = h("pre", { class: "json", hidden: !open.has(entry.n) });
  if (open.has(entry.n)) detail.textContent = JSON.stringify(entry.detail, null, 2);
  const head = h("button", { type: "button", class: "entry-head", "aria-expanded": String(open.has(entry.n)) },
    h("span", { class: "track" }, h("i")),
    h("span", { class: "entry-name" }, entry.name),
    h("span", { class: "entry-summary" }, count > 1 ? h("b", null, `×${count} `) : null, entry.summary),
    h("span", { class: `entry-status ${colour(entry.status)}` }, entry.status || "—"),
    h("span", { class: "entry-ms" }, milliseconds(entry.ms)));
  head.addEventListener("click", () => toggle(entry, head, detail));
  return h("div", { class: `entry lane-${LANES[entry.lane] ? entry.lane : "call"}`, "data-testid": "journal-entry", "data-lane": entry.lane, "data-name": entry.name, title: stamp(entry.at) }, head, detail);
}

/** @param {import("./state.js").Entry} entry @param {Element} head @param {HTMLElement} detail */
function toggle(entry, head, detail) {
  if (!open.delete(entry.n)) open.add(entry.n);
  detail.hidden = !open.has(entry.n);
  detail.textContent = JSON.stringify(entry.detail, null, 2);
  head.setAttribute("aria-expanded", String(!detail.hidden));
}

/** @param {number} status */
const colour = (status) => (status === 0 ? "lost" : status < 400 ? "good" : status === 429 ? "wait" : "bad");

/** @param {number} ms */
const milliseconds = (ms) => (ms >= 1000 ? t("seconds", { n: (ms / 1000).toFixed(ms < 10_000 ? 1 : 0) }) : t("ms", { n: Math.round(ms) }));

/** @param {number} unix */
const stamp = (unix) => new Date(unix * 1000).toLocaleTimeString(navigator.language, { hour12: false, fractionalSecondDigits: 3 });
