"use strict";
/** A switch with a slider for how much: of the faults, and of what can be tried. */
import { h } from "./dom.js";
import { t } from "./words.js";

/**
 * `calm` is the value of the switch when it is off, `on` what it sets.
 * @typedef {{unit: "share" | "ms" | "times" | "money" | "switch", top: number, step: number, calm: number, on: number}} Scale
 * @param {{testid: string, label: string, note: string, scale: Scale, set: (value: number) => void, className?: string}} options
 * @returns {{box: HTMLElement, show: (value: number) => void}} `show` draws a value without setting it
 */
export function slider({ testid, label, note, scale, set, className = "" }) {
  const value = h("output", { for: testid });
  const range = /** @type {HTMLInputElement} */ (h("input", { type: "range", id: testid, min: scale.calm, max: scale.top, step: scale.step, "data-testid": testid, "aria-label": label }));
  const flick = /** @type {HTMLInputElement} */ (h("input", { type: "checkbox", role: "switch", class: "switch", "aria-label": label, "data-testid": `${testid}-switch` }));
  const box = h("div", { class: `fault ${className}` },
    h("label", { class: "fault-head" }, h("span", { class: "grow" }, h("b", null, label), h("small", null, note)), value, flick),
    scale.unit === "switch" ? null : range);
  const show = (/** @type {number} */ now) => {
    // A price has a figure also while it is off: the one that the switch sets.
    const figure = scale.unit === "money" && now === scale.calm ? scale.on : now;
    value.textContent = words(figure, scale);
    flick.checked = now !== scale.calm;
    box.classList.toggle("on", flick.checked);
    if (document.activeElement !== range || Number(range.value) !== figure) range.value = String(figure);
    range.style.setProperty("--filled", `${(100 * (now - scale.calm)) / (scale.top - scale.calm)}%`);
    range.setAttribute("aria-valuetext", value.textContent || String(now));
  };
  range.addEventListener("input", () => show(Number(range.value)));
  range.addEventListener("change", () => set(Number(range.value)));
  flick.addEventListener("change", () => {
    const now = flick.checked ? scale.on : scale.calm;
    show(now);
    set(now);
  });
  show(scale.calm);
  return { box, show };
}

/** @param {number} value @param {Scale} scale */
function words(value, scale) {
  if (value === scale.calm || scale.unit === "switch") return "";
  if (scale.unit === "share") return `${Math.round(value * 100)} %`;
  if (scale.unit === "money") return t("money", { n: value });
  return scale.unit === "ms" ? t("ms", { n: value }) : `×${value}`;
}
