"use strict";
/** The bot's commands: all of them by the menu button, filtered while one types a slash. */
import { byId, fill, h } from "./dom.js";
import { on, state } from "./state.js";
import { t } from "./words.js";

/** @type {any[]} */
let offered = [];
let chosen = 0;
let isOpen = false;
/** @type {(text: string) => void} */
let send = () => {};
/** @type {(text: string) => void} */
let prefill = () => {};

/** @param {(text: string) => any} onSend @param {(text: string) => void} onPrefill */
export function startCommands(onSend, onPrefill) {
  send = onSend;
  prefill = onPrefill;
  byId("commands-button").addEventListener("click", () => (isOpen ? hideCommands() : show(all())));
  on(["commands", "selection"], () => isOpen && hideCommands());
  document.addEventListener("pointerdown", (event) => {
    const inside = /** @type {Element} */ (event.target).closest?.("#command-menu, #commands-button, #composer");
    if (isOpen && !inside) hideCommands();
  });
}

/** The commands in the language of the person I am. */
function all() {
  const own = state.users.get(state.me)?.language_code ?? "";
  return state.commands[own] ?? state.commands[own.split("-")[0]] ?? state.commands[""] ?? [];
}

/** Offer what fits to the text typed so far. @param {string} text */
export function suggestCommands(text) {
  const typed = /^\/(\w*)$/.exec(text);
  if (!typed) return hideCommands();
  const fits = all().filter((item) => item.command.startsWith(typed[1].toLowerCase()));
  return fits.length ? show(fits) : hideCommands();
}

/** @param {any[]} commands */
function show(commands) {
  offered = commands;
  chosen = 0;
  isOpen = true;
  draw();
}

export function hideCommands() {
  isOpen = false;
  draw();
}

function draw() {
  const menu = byId("command-menu");
  menu.hidden = !isOpen;
  byId("commands-button").setAttribute("aria-expanded", String(isOpen));
  if (!isOpen) return;
  fill(menu, offered.length ? offered.map(row) : h("p", { class: "hint" }, t("noCommands")));
  menu.querySelector(".chosen")?.scrollIntoView({ block: "nearest" });
}

/** @param {any} item @param {number} index */
function row(item, index) {
  return h("button", {
    type: "button", role: "option", tabindex: -1, class: `command-row ${index === chosen ? "chosen" : ""}`, "aria-selected": String(index === chosen),
    "data-testid": `command-${item.command}`, onclick: () => run(item),
  }, h("b", null, `/${item.command}`), h("span", null, item.description));
}

/** @param {any} item */
function run(item) {
  hideCommands();
  prefill("");
  send(`/${item.command}`);
}

/** The keys of the open menu. True when the key was used. @param {KeyboardEvent} event */
export function keyInCommands(event) {
  if (!isOpen || !offered.length) return false;
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step) {
    chosen = (chosen + step + offered.length) % offered.length;
    draw();
  } else if (event.key === "Tab") prefill(`/${offered[chosen].command} `);
  else if (event.key === "Enter" && !event.shiftKey) run(offered[chosen]);
  else if (event.key === "Escape") hideCommands();
  else return false;
  return true;
}
