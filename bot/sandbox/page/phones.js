"use strict";
/**
 * Both sides of a desk at once: the customer's phone beside the operator's. Each is this page in a frame, with `?phone=`
 * in its address; it has the chat and its account switch, and gets the server's events from the page around it.
 */
import { byId } from "./dom.js";
import { group } from "./desk.js";
import { on, phone, select, state } from "./state.js";
import { customer } from "./steps.js";
import { onEvent, take } from "./wire.js";

const SIDES = ["customer", "operator"];
const ROOM = "(min-width: 900px)";

/** Where each phone is. @type {Record<string, {me: number, chat: number, thread: number}>} */
const places = {};

/** Whether both phones are shown in place of the one chat. */
export const isSplit = () => document.body.classList.contains("split");

// --- the page around them ----------------------------------------------------------------------------------------------

export function startPhones() {
  on(["selection", "chats", "user"], follow);
  document.addEventListener("panel-tab", arrange);
  document.addEventListener("panel-open", arrange);
  matchMedia(ROOM).addEventListener("change", arrange);
  addEventListener("message", ({ source, data }) => {
    const side = SIDES.find((one) => frame(one).contentWindow === source);
    if (side && data === "ready") send(side, { place: places[side] });
  });
  onEvent((event) => isSplit() && SIDES.forEach((side) => send(side, { event })));
}

/** A phone goes where its person goes: the customer's to the left, everybody else's to the right. */
function follow() {
  const person = customer();
  if (!group() || !person) return arrange();
  places.customer ??= { me: person.id, chat: person.id, thread: 0 };
  places.operator ??= { me: state.trials.owner || state.me, chat: group()?.id ?? 0, thread: 0 };
  const side = state.me === person.id ? "customer" : "operator";
  const { me, chat, thread } = state;
  const isElsewhere = JSON.stringify(places[side]) !== JSON.stringify({ me, chat, thread });
  places[side] = { me, chat, thread };
  arrange();
  if (isElsewhere) send(side, { place: places[side] });
}

/** Show both phones while somebody looks at the desk, there is room, and both people exist. */
function arrange() {
  const isOpen = document.body.classList.contains("with-panel") && !byId("pane-desk").hidden;
  const isNow = isOpen && matchMedia(ROOM).matches && Boolean(places.customer && places.operator);
  if (isNow === isSplit()) return;
  document.body.classList.toggle("split", isNow);
  for (const side of SIDES) {
    frame(side).hidden = !isNow;
    if (isNow) frame(side).src = `?phone=${side}`;
    else frame(side).removeAttribute("src");
  }
}

/** @param {string} side @returns {HTMLIFrameElement} */
const frame = (side) => byId(`phone-${side}`);

/** @param {string} side @param {object} words */
const send = (side, words) => frame(side).contentWindow?.postMessage(words, location.origin);

// --- in the frame ------------------------------------------------------------------------------------------------------

/** Be one of the phones: go where the page around it says, and take the events that it hands on. */
export function startPhone() {
  document.body.classList.add("phone");
  addEventListener("message", ({ source, data }) => {
    if (source !== parent) return;
    if (data.event) take(data.event);
    if (data.place) go(data.place);
  });
  parent.postMessage("ready", location.origin);
}

/** @param {{me: number, chat: number, thread: number}} place */
function go({ me, chat, thread }) {
  state.me = me;
  select(chat, thread);
  document.body.classList.add("in-chat");
}
