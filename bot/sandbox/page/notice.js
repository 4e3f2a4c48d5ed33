"use strict";
/** What stands in place of the field, or above it: the bot is blocked, or it does not run. */
import { byId, fill, h } from "./dom.js";
import { on, state } from "./state.js";
import { toast } from "./toast.js";
import { t } from "./words.js";
import { post } from "./wire.js";

export function startNotice() {
  on(["selection", "user", "bot"], draw);
}

/** Whether the person I am has blocked the bot. */
export const hasBlocked = () => Boolean(state.users.get(state.me)?.blocked);

/** @param {boolean} blocked */
export async function block(blocked) {
  if (await post("block", { user_id: state.me, blocked })) toast(t(blocked ? "blocked" : "unblocked"));
}

function draw() {
  const isBlocked = state.chats.get(state.chat)?.type === "private" && hasBlocked();
  document.body.classList.toggle("bot-blocked", isBlocked);
  byId("composer").disabled = isBlocked;
  const bar = byId("notice");
  bar.hidden = !isBlocked && !state.isDead;
  if (isBlocked) fill(bar, button("unblock-bar", "unblockBot", () => void block(false)));
  else if (state.isDead) fill(bar, h("span", { class: "grow" }, t("botDownNote")), button("start-bar", "startBot", () => void post("bot", { action: "start" })));
}

/** @param {string} testid @param {string} label @param {() => void} run */
const button = (testid, label, run) =>
  h("button", { type: "button", class: "notice-button", "data-testid": testid, onclick: run }, t(label));
