"use strict";
/** The bar above the messages: whose chat it is, what the bot is doing, and what can be done with the chat. */
import { byId, fill, h } from "./dom.js";
import { newTopic } from "./create.js";
import { dots } from "./draft.js";
import { openMenu } from "./menu.js";
import { block, hasBlocked } from "./notice.js";
import { chatAvatar, chatTitle, membersCount } from "./people.js";
import { doing, hasTopics, here, on, select, state } from "./state.js";
import { toast } from "./toast.js";
import { t } from "./words.js";
import { post } from "./wire.js";

export function startHeader() {
  on(["selection", "chats", "bot", "action", "draft"], draw);
  on("connection", drawConnection);
  byId("chat-more").addEventListener("click", (/** @type {Event} */ event) => more(/** @type {Element} */ (event.currentTarget)));
  byId("back").addEventListener("click", () => document.body.classList.remove("in-chat"));
  drawConnection();
}

let shown = "";

function draw() {
  const chat = state.chats.get(state.chat);
  const topic = chat?.topics.find((one) => one.id === state.thread);
  const action = doing(here());
  const title = topic ? topic.name : chat ? chatTitle(chat) : t("nothingHere");
  const key = JSON.stringify([chat?.id, title, action, state.isDead, chat?.members.length, Boolean(topic)]);
  if (key === shown) return;
  shown = key;
  fill(byId("chat-title"), chat ? chatAvatar(chat) : null,
    h("div", null, h("h1", { dir: "auto" }, title),
      h("p", { class: action ? "live" : null, "data-testid": "chat-status", "aria-live": "polite" }, action ? [t(action), dots()] : status(chat, Boolean(topic)))));
  document.title = [title, t("app")].join(" · ");
}

/** @param {import("./state.js").Chat | undefined} chat @param {boolean} inTopic */
function status(chat, inTopic) {
  if (!chat) return "";
  if (state.isDead) return h("span", { class: "warn" }, t("botDown"));
  if (inTopic) return chatTitle(chat);
  return chat.type === "private" ? t("bot") : membersCount(chat);
}

/** @param {Element} button */
function more(button) {
  const chat = state.chats.get(state.chat);
  if (!chat) return;
  const promote = (/** @type {boolean} */ up) => async () => {
    if (await post("promote", { chat_id: chat.id, user_id: state.me, up })) toast(t(up ? "promoted" : "demoted"));
  };
  const isGroup = chat.type !== "private";
  const items = [
    hasTopics(chat) ? { label: t("newTopic"), icon: "topic", run: newTopic } : null,
    state.thread ? { label: t("deleteTopic"), icon: "trash", danger: true, testid: "delete-topic", run: deleteTopic } : null,
    isGroup && !chat.administers ? { label: t("promoteBot"), icon: "check", testid: "promote", run: promote(true) } : null,
    isGroup && chat.administers ? { label: t("demoteBot"), icon: "block", testid: "demote", run: promote(false) } : null,
    isGroup || hasBlocked() ? null : { label: t("blockBot"), icon: "block", danger: true, testid: "block", run: () => void block(true) },
    isGroup || !hasBlocked() ? null : { label: t("unblockBot"), icon: "check", testid: "unblock", run: () => void block(false) },
  ];
  openMenu(button, /** @type {any} */ (items.filter(Boolean)));
}

async function deleteTopic() {
  const { chat, thread } = state;
  if (await post("delete_topic", { chat_id: chat, thread_id: thread })) select(chat);
}

function drawConnection() {
  const line = byId("connection");
  line.hidden = state.connection === "open";
  fill(line, t(state.connection === "lost" ? "reconnecting" : "connecting"), dots());
}
