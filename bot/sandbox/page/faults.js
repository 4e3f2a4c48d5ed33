"use strict";
/** Switches for everything that can go wrong. Each is a share of the calls, a delay, or a factor. */
import { byId, fill, h } from "./dom.js";
import { slider } from "./slider.js";
import { on, state } from "./state.js";
import { t } from "./words.js";
import { post } from "./wire.js";

/** @typedef {import("./slider.js").Scale} Scale */
const SHARE = { unit: "share", top: 1, step: 0.05, calm: 0, on: 0.5 };
const DELAY = { unit: "ms", top: 10_000, step: 100, calm: 0, on: 2000 };
const FACTOR = { unit: "times", top: 20, step: 1, calm: 1, on: 5 };

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
  const set = (/** @type {number} */ value) => void post("faults", { [side]: { [name]: value } });
  const { box, show } = slider({ testid: `fault-${side}-${name}`, label: t(key), note: t(`${key}Note`), scale, set });
  shows.set(`${side}/${name}`, show);
  return box;
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
