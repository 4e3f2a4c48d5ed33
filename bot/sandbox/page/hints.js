"use strict";
/** First steps: what to write, in an empty chat and above the field until one has written a few times. */
import { say } from "./composer.js";
import { byId, fill, h } from "./dom.js";
import { icon } from "./icons.js";
import { isMine } from "./people.js";
import { messagesOf, on, state } from "./state.js";
import { t } from "./words.js";

const SAVED = "govorun.hints";
const ENOUGH = 5;
const HINTS = ["tryTable", "tryCode", "tryImage", "tryLong"];

export function startHints() {
  on(["messages", "selection"], draw);
  on(["selection", "chats", "bot"], welcome);
}

/** What an empty chat says: what the bot can do, or in a group, how it is spoken to. */
function welcome() {
  const isGroup = state.chats.get(state.chat)?.type !== "private";
  fill(byId("empty"), h("img", { src: "logo.svg", alt: "", width: 84, height: 84 }), h("h2", null, t("emptyTitle")),
    h("p", null, isGroup ? t("emptyGroup", { name: state.bot.username }) : t("emptyText")),
    isGroup ? null : h("button", { type: "button", class: "primary", "data-testid": "start", onclick: () => void say("/start") }, t("start")));
}

function draw() {
  const row = byId("hints");
  const mine = [...messagesOf(state.chat).values()].filter(isMine).length;
  row.hidden = mine >= ENOUGH || localStorage.getItem(SAVED) === "hidden" || state.chats.get(state.chat)?.type !== "private";
  if (row.hidden || row.childElementCount) return;
  const hide = () => {
    localStorage.setItem(SAVED, "hidden");
    draw();
  };
  fill(row, h("div", { class: "hint-chips" }, HINTS.map((key, index) => h("button", { type: "button", class: "hint-chip", "data-testid": `hint-${index}`, onclick: () => void say(t(key)) }, t(key)))),
    h("button", { type: "button", class: "icon-button", title: t("hideHints"), "aria-label": t("hideHints"), "data-testid": "hints-hide", onclick: hide }, icon("close")));
}
