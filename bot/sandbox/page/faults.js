"use strict";
/** Switches for everything that can go wrong. Each is a share of the calls, a delay, or a factor. */
import { byId, fill, h } from "./dom.js";
import { on, state } from "./state.js";
import { t } from "./words.js";
import { post } from "./wire.js";

/**
 * `calm` is the value when nothing is wrong, `bad` what the switch sets.
 * @typedef {{unit: "share" | "ms" | "times", top: number, step: number, calm: number, bad: number}} Scale
 */
const SHARE = { unit: "share", top: 1, step: 0.05, calm: 0, bad: 0.5 };
const DELAY = { unit: "ms", top: 10_000, step: 100, calm: 0, bad: 2000 };
const FACTOR = { unit: "times", top: 20, step: 1, calm: 1, bad: 5 };

/** @type {Record<string, Record<string, [string, Scale]>>} */
const FAULTS = {
  telegram: {
    flood: ["flood", SHARE],
    error500: ["tgError", SHARE],
    reset: ["tgReset", SHARE],
    latency_ms: ["tgLatency", DELAY],
  },
  model: {
    quota429: ["quota", SHARE],
    error500: ["mdError", SHARE],
    cut: ["cut", SHARE],
    latency_ms: ["mdLatency", DELAY],
    slow: ["slow", FACTOR],
    filter: ["contentFilter", SHARE],
  },
};

/** @type {Map<string, (value: number) => void>} */
const shows = new Map();

export function startFaults() {
  fill(byId("pane-faults"),
    Object.entries(FAULTS).map(([side, faults]) => h("section", null,
      h("h3", null, t(`${side}Faults`)),
      Object.entries(faults).map(([name, [key, scale]]) => control(side, name, key, scale)))),
    h("button", { type: "button", class: "plain wide", "data-testid": "faults-clear", onclick: calm }, t("allWell")));
  on("faults", draw);
}

/** @param {string} side @param {string} name @param {string} key @param {Scale} scale */
function control(side, name, key, scale) {
  const id = `fault-${side}-${name}`;
  const set = (/** @type {number} */ value) => void post("faults", { [side]: { [name]: value } });
  const value = h("output", { for: id });
  const range = /** @type {HTMLInputElement} */ (h("input", { type: "range", id, min: scale.calm, max: scale.top, step: scale.step, "data-testid": id }));
  const flick = /** @type {HTMLInputElement} */ (h("input", { type: "checkbox", role: "switch", class: "switch", "aria-label": t(key), "data-testid": `fault-${side}-${name}-switch` }));
  const box = h("div", { class: "fault" },
    h("label", { class: "fault-head" }, h("span", { class: "grow" }, h("b", null, t(key)), h("small", null, t(`${key}Note`))), value, flick), range);
  const show = (/** @type {number} */ now) => {
    value.textContent = words(now, scale);
    flick.checked = now !== scale.calm;
    box.classList.toggle("on", flick.checked);
    if (document.activeElement !== range || Number(range.value) !== now) range.value = String(now);
    range.style.setProperty("--filled", `${(100 * (now - scale.calm)) / (scale.top - scale.calm)}%`);
    range.setAttribute("aria-label", t(key));
  };
  range.addEventListener("input", () => show(Number(range.value)));
  range.addEventListener("change", () => set(Number(range.value)));
  flick.addEventListener("change", () => {
    show(flick.checked ? scale.bad : scale.calm);
    set(flick.checked ? scale.bad : scale.calm);
  });
  shows.set(`${side}/${name}`, show);
  show(scale.calm);
  return box;
}

/** @param {number} value @param {Scale} scale */
function words(value, scale) {
  if (value === scale.calm) return "";
  if (scale.unit === "share") return `${Math.round(value * 100)} %`;
  return scale.unit === "ms" ? t("ms", { n: value }) : `×${value}`;
}

function draw() {
  let active = 0;
  for (const [side, faults] of Object.entries(FAULTS)) {
    for (const [name, [, scale]] of Object.entries(faults)) {
      const value = state.faults[side]?.[name] ?? scale.calm;
      shows.get(`${side}/${name}`)?.(value);
      active += Number(value !== scale.calm);
    }
  }
  const badge = byId("faults-count");
  badge.hidden = !active;
  badge.textContent = String(active);
}

function calm() {
  const side = (/** @type {string} */ name) => Object.fromEntries(Object.entries(FAULTS[name]).map(([field, [, scale]]) => [field, scale.calm]));
  void post("faults", { telegram: side("telegram"), model: side("model") });
}
