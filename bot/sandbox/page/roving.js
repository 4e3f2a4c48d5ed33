"use strict";
/**
 * The messages are one stop of Tab: ↑ and ↓ go from one to the next, Tab goes into the one that has the focus, Enter
 * opens its menu. So Tab does not pass every button of every message before it reaches the field below.
 */
import { byId } from "./dom.js";

const INSIDE = "a, button, summary, audio, video, [tabindex]";

/** The row that Tab goes to. @type {HTMLElement | null} */
let stop = null;

/** Take a new row, and what is in it, out of the order of Tab. @param {HTMLElement} row */
export function settle(row) {
  row.tabIndex = -1;
  for (const item of row.querySelectorAll(INSIDE)) /** @type {HTMLElement} */ (item).tabIndex = -1;
}

/** Let Tab go to the newest row, unless one has the focus. @param {HTMLElement} list */
export function keepStop(list) {
  if (stop?.isConnected && stop.contains(document.activeElement)) return;
  if (stop) settle(stop);
  stop = rowsOf(list).pop() ?? null;
  if (stop) stop.tabIndex = 0;
}

/** @param {HTMLElement} list */
export function moveByKeys(list) {
  list.addEventListener("focusin", (event) => enter(/** @type {HTMLElement} */ (event.target)));
  list.addEventListener("keydown", (event) => key(list, event));
}

/** @param {HTMLElement} list @returns {HTMLElement[]} */
const rowsOf = (list) => [...list.querySelectorAll(".row:not(.draft)")].map((row) => /** @type {HTMLElement} */ (row));

/** @param {HTMLElement} target */
function enter(target) {
  const now = /** @type {HTMLElement | null} */ (target.closest(".row"));
  if (!now) return;
  if (stop && stop !== now) settle(stop);
  stop = now;
  stop.tabIndex = 0;
  for (const item of now.querySelectorAll(INSIDE)) /** @type {HTMLElement} */ (item).tabIndex = 0;
}

/** @param {HTMLElement} list @param {KeyboardEvent} event */
function key(list, event) {
  const rows = rowsOf(list);
  const target = /** @type {HTMLElement} */ (event.target);
  const now = rows.indexOf(/** @type {any} */ (target.closest(".row")));
  const to = { ArrowDown: now + 1, ArrowUp: now - 1, Home: 0, End: rows.length - 1 }[event.key];
  if (event.altKey || target.closest("audio, video") || now < 0) return;
  if (to !== undefined) rows[Math.max(0, Math.min(to, rows.length - 1))].focus();
  else if (event.key === "Enter" && target === rows[now]) /** @type {HTMLElement | null} */ (target.querySelector(".bubble-more"))?.click();
  else if (event.key === "Escape") byId("composer").focus();
  else return;
  event.preventDefault();
}
