"use strict";
/** Pop-up menus: opened at a point or under a button, used with mouse or keyboard, one at a time. */
import { h } from "./dom.js";
import { icon } from "./icons.js";

/** @type {HTMLElement | null} */
let open = null;
/** @type {Element | null} */
let before = null;

/**
 * @typedef {{label: string, icon?: string, testid?: string, danger?: boolean, current?: boolean, note?: string,
 *   avatar?: HTMLElement, run: () => void}} Item
 * @param {{x: number, y: number} | Element} place @param {Item[]} items @param {HTMLElement | null} [head] above the items
 */
export function openMenu(place, items, head = null) {
  closeMenu();
  before = document.activeElement;
  open = h("div", { class: "menu", role: "menu", "data-testid": "menu" }, head, items.map(button));
  document.body.append(open);
  put(open, place);
  /** @type {HTMLElement | null} */ (open.querySelector("button"))?.focus({ preventScroll: true });
  open.addEventListener("keydown", move);
}

export function closeMenu() {
  if (!open) return;
  open.remove();
  open = null;
  /** @type {HTMLElement | null} */ (before)?.focus?.({ preventScroll: true });
}

/** @param {Item} item */
function button(item) {
  const run = () => {
    closeMenu();
    item.run();
  };
  const classes = ["menu-item", item.danger && "danger", item.current && "current"].filter(Boolean).join(" ");
  return h("button", { type: "button", role: "menuitem", class: classes, "data-testid": item.testid ?? null, onclick: run },
    item.avatar ?? (item.icon ? icon(item.icon) : null),
    h("span", { class: "grow" }, item.label, item.note ? h("small", null, item.note) : null),
    item.current ? icon("check") : null);
}

/** @param {HTMLElement} menu @param {{x: number, y: number} | Element} place */
function put(menu, place) {
  const box = { width: menu.offsetWidth, height: menu.offsetHeight }; // not scaled by the animation
  const at = place instanceof Element ? place.getBoundingClientRect() : null;
  let left = at ? at.left : /** @type {any} */ (place).x;
  let top = at ? at.bottom + 6 : /** @type {any} */ (place).y;
  if (left + box.width > innerWidth - 8) left = at ? at.right - box.width : left - box.width;
  if (top + box.height > innerHeight - 8) top = at ? at.top - box.height - 6 : top - box.height;
  menu.style.left = `${Math.max(8, Math.min(left, innerWidth - box.width - 8))}px`;
  menu.style.top = `${Math.max(8, Math.min(top, innerHeight - box.height - 8))}px`;
}

/** @param {KeyboardEvent} event */
function move(event) {
  const buttons = [.../** @type {HTMLElement} */ (open).querySelectorAll("button")];
  const now = buttons.indexOf(/** @type {any} */ (document.activeElement));
  const step = { ArrowDown: 1, ArrowUp: -1, ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (step) buttons[(now + step + buttons.length) % buttons.length].focus();
  else if (event.key === "Home" || event.key === "End") buttons[event.key === "Home" ? 0 : buttons.length - 1].focus();
  else if (event.key === "Escape" || event.key === "Tab") closeMenu();
  else return;
  event.preventDefault();
  event.stopPropagation();
}

document.addEventListener("pointerdown", (event) => {
  if (open && !open.contains(/** @type {Node} */ (event.target))) closeMenu();
}, true);
addEventListener("resize", closeMenu);
