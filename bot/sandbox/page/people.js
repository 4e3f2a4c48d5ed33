"use strict";
/** Names, avatars and what messages are about, in a few words. */
import { h } from "./dom.js";
import { plainBlocks } from "./render-blocks.js";
import { state } from "./state.js";
import { t } from "./words.js";

const COLORS = 7;

/** @param {number} id @param {string} name @param {string} [className] */
export function avatar(id, name, className = "") {
  if (id === state.bot.id) return h("img", { class: `avatar ${className}`, src: "logo.svg", alt: "" });
  const initials = [...String(name).trim()].slice(0, 1).join("").toUpperCase() || "?";
  return h("span", { class: `avatar color-${Math.abs(id) % COLORS} ${className}`, "aria-hidden": "true" }, initials);
}

/** @param {any} user */
export const nameOf = (user) => [user?.first_name, user?.last_name].filter(Boolean).join(" ") || user?.username || "?";

/** The name of a chat for the person I am. @param {import("./state.js").Chat} chat */
export const chatTitle = (chat) => (chat.type === "private" ? state.bot.first_name : chat.title);

/** How many people a group has, the bot among them. @param {import("./state.js").Chat} chat */
export const membersCount = (chat) => t("membersCount", { n: chat.members.length + 1 });

/** Whose picture a chat shows: in a private chat the bot's. @param {import("./state.js").Chat} chat */
export const chatAvatar = (chat, className = "") =>
  chat.type === "private" ? avatar(state.bot.id, chatTitle(chat), className) : avatar(chat.id, chat.title, className);

/** @param {any} message */
export const isMine = (message) => message.from?.id === state.me;

/** The words of a message as plain text. @param {any} message @returns {string} */
export function wordsOf(message) {
  return message.text ?? message.caption ?? (message.rich_message ? plainBlocks(message.rich_message.blocks) : "");
}

/** One line about a message. @param {any} message @returns {string} */
export function summary(message) {
  const service = serviceText(message);
  if (service) return service;
  const kind = kindOf(message);
  const words = wordsOf(message).replace(/\s+/g, " ").trim().slice(0, 160);
  return [kind, words].filter(Boolean).join(kind && words ? ", " : "") || t("service");
}

/** @param {any} message */
function kindOf(message) {
  if (message.photo) return `🖼 ${t("photo")}`;
  if (message.voice) return `🎤 ${t("voice")}`;
  if (message.video_note) return `🎬 ${t("videoNote")}`;
  if (message.sticker) return `${message.sticker.emoji ?? ""} ${t("sticker")}`.trim();
  return message.document ? `📎 ${message.document.file_name ?? t("file")}` : "";
}

/** The sentence of a service message, or "". @param {any} message @returns {string} */
export function serviceText(message) {
  if (message.forum_topic_created) return t("topicCreated", { name: message.forum_topic_created.name });
  if (message.forum_topic_edited) return t("topicEdited", { name: message.forum_topic_edited.name ?? "" });
  if (message.forum_topic_closed) return t("topicClosed");
  if (message.forum_topic_reopened) return t("topicReopened");
  if (message.new_chat_members) return t("joined", { who: message.new_chat_members.map(nameOf).join(", ") });
  if (message.left_chat_member) return t("left", { who: nameOf(message.left_chat_member) });
  if (message.new_chat_title) return t("renamed", { name: message.new_chat_title });
  if (message.pinned_message) return t("pinned");
  if (message.migrate_to_chat_id || message.migrate_from_chat_id) return t("moved");
  return isOrdinary(message) ? "" : t("service");
}

/** @param {any} message */
const isOrdinary = (message) =>
  ["text", "caption", "photo", "voice", "document", "rich_message", "audio", "video", "animation", "sticker", "location", "contact", "poll", "dice", "video_note"]
    .some((name) => message[name] !== undefined);
