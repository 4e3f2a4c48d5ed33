"use strict";
/** Right: what to try, what the bot can read, who takes over, what was run, what happens inside (journal), what goes wrong (faults), who answers (bot and model). */
import { startControl } from "./control.js";
import { startDesk } from "./desk.js";
import { startDeskTroubles } from "./desk-troubles.js";
import { byId } from "./dom.js";
import { startFaults } from "./faults.js";
import { startJournal } from "./journal.js";
import { startKnowledge } from "./knowledge.js";
import { isSplit, startPhones } from "./phones.js";
import { startRuns } from "./runs.js";
import { startTrials } from "./trials.js";

const SAVED = "govorun.panel";
const WIDE = 1100;
const TABS = ["try", "knowledge", "desk", "runs", "journal", "faults", "process"];

export function startPanel() {
  for (const name of TABS) byId(`tab-${name}`).addEventListener("click", () => showTab(name));
  byId("tabs").addEventListener("keydown", step);
  byId("panel-toggle").addEventListener("click", () => choose(!document.body.classList.contains("with-panel")));
  byId("panel-close").addEventListener("click", () => choose(false));
  document.addEventListener("show-chat", () => innerWidth < WIDE && !isSplit() && setOpen(false));
  const saved = JSON.parse(localStorage.getItem(SAVED) ?? "{}");
  setOpen(innerWidth >= WIDE && saved.open !== false);
  matchMedia(`(max-width: ${WIDE - 1}px)`).addEventListener("change", (event) => event.matches && setOpen(false));
  startRuns();
  showTab(TABS.includes(saved.tab) ? saved.tab : "try");
  startTrials();
  startKnowledge();
  startDesk();
  startDeskTroubles();
  startPhones();
  startJournal();
  startFaults();
  startControl();
}

/** @param {boolean} open */
function setOpen(open) {
  document.body.classList.toggle("with-panel", open);
  byId("panel-toggle").setAttribute("aria-pressed", String(open));
  byId("panel").inert = !open;
  document.dispatchEvent(new CustomEvent("panel-open"));
}

/** @param {boolean} open */
function choose(open) {
  setOpen(open);
  save({ open });
}

/** @param {string} name */
function showTab(name) {
  for (const one of TABS) {
    byId(`tab-${one}`).setAttribute("aria-selected", String(one === name));
    byId(`tab-${one}`).tabIndex = one === name ? 0 : -1;
    byId(`pane-${one}`).hidden = one !== name;
    if (one === name) byId(`tab-${one}`).scrollIntoView({ block: "nearest", inline: "nearest" });
  }
  save({ tab: name });
  document.dispatchEvent(new CustomEvent("panel-tab", { detail: name }));
}

/** @param {object} change */
function save(change) {
  localStorage.setItem(SAVED, JSON.stringify({ ...JSON.parse(localStorage.getItem(SAVED) ?? "{}"), ...change }));
}

/** @param {KeyboardEvent} event */
function step(event) {
  const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!by) return;
  const now = TABS.findIndex((name) => byId(`tab-${name}`).getAttribute("aria-selected") === "true");
  const next = TABS[(now + by + TABS.length) % TABS.length];
  showTab(next);
  byId(`tab-${next}`).focus();
}
