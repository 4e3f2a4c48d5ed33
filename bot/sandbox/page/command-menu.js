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
  document.addEventListener("keydown", (event) => {
    const elsewhere = /** @type {Element} */ (event.target).closest("#composer, input, select, dialog, .menu");
    if (!elsewhere && keyInCommands(event)) event.preventDefault();
  });
  on(["commands", "selection"], () => isOpen && hideCommands());
  document.addEventListener("pointerdown", (event) => {
    const inside = /** @type {Element} */ (event.target).closest?.("#command-menu, #commands-button, #composer");
    if (isOpen && !inside) hideCommands();
  });
}

/** The commands of the narrowest scope that has any for this chat, in the language of the person I am if there are any. */
function all() {
  const language = (state.users.get(state.me)?.language_code ?? "").split("-")[0];
  const isPrivate = state.chats.get(state.chat)?.type === "private";
  const scopes = [
    isPrivate ? null : { type: "chat_member", chat_id: state.chat, user_id: state.me },
    { type: "chat", chat_id: state.chat },
    { type: isPrivate ? "all_private_chats" : "all_group_chats" },
    { type: "default" },
  ];
  const menus = Object.entries(state.commands).map(([scope, menu]) => ({ scope: JSON.parse(scope), menu }));
  for (const wanted of scopes.filter(Boolean)) {
    const found = menus.find(({ scope }) => Object.entries(wanted).every(([name, value]) => String(scope[name]) === String(value)));
    const commands = found?.menu[language]?.length ? found.menu[language] : found?.menu[""];
    if (commands?.length) return commands;
  }
  return [];
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
  }, h("b", null, `/${item.command}`), h("span", { dir: "auto" }, item.description));
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
