"use strict";
/** Dialogs that make new people, groups and topics. */
import { h } from "./dom.js";
import { nameOf } from "./people.js";
import { become, hasTopics, select, state, touch } from "./state.js";
import { dialog, toast } from "./toast.js";
import { language, languageName, t } from "./words.js";
import { connect, post } from "./wire.js";

const LANGUAGES = ["en", "ru", "uk", "be", "kk", "uz", "de", "es", "fr", "tr", "ar", "he", "zh"];

/** @param {string} label @param {object} props */
function field(label, props) {
  const input = /** @type {HTMLInputElement} */ (h("input", { type: "text", maxlength: 128, autocomplete: "off", ...props }));
  return { input, row: h("label", { class: "field" }, h("span", null, label), input) };
}

/** @param {string} label @param {boolean} checked @param {object} [props] */
function tick(label, checked, props) {
  const input = /** @type {HTMLInputElement} */ (h("input", { type: "checkbox", checked, ...props }));
  return { input, row: h("label", { class: "tick" }, input, h("span", null, label)) };
}

/** @param {"private" | "supergroup"} type */
export function newChat(type) {
  if (type === "private") newPerson();
  else newGroup();
}

function newPerson() {
  const name = field(t("name"), { required: true, "data-testid": "new-name", autofocus: true });
  const choice = h("select", { "data-testid": "new-language" }, LANGUAGES.map((code) => h("option", { value: code, selected: code === language }, languageName(code))));
  dialog({
    title: t("newUser"), button: t("create"),
    body: [name.row, h("label", { class: "field" }, h("span", null, t("language")), choice)],
    done: async () => {
      const body = { type: "private", title: name.input.value, language_code: /** @type {HTMLSelectElement} */ (choice).value };
      const answer = await post("chat", body);
      if (!answer) return false;
      await connect();
      become(answer.chat.id);
      return true;
    },
  });
}

function newGroup() {
  const title = field(t("title"), { required: true, "data-testid": "new-name", autofocus: true });
  const people = [...state.users.values()].map((user) => ({ id: user.id, ...tick(nameOf(user), true, { disabled: user.id === state.me }) }));
  const forum = tick(t("forum"), false, { "data-testid": "new-forum" });
  dialog({
    title: t("newGroup"), button: t("create"),
    body: [title.row, h("fieldset", null, h("legend", null, t("members")), people.map((one) => one.row)), forum.row],
    done: async () => {
      const members = [state.me, ...people.filter((one) => one.input.checked && one.id !== state.me).map((one) => one.id)];
      const answer = await post("chat", { type: "supergroup", title: title.input.value, members, is_forum: forum.input.checked });
      if (answer) showChat(answer.chat);
      return Boolean(answer);
    },
  });
}

export function newTopic() {
  if (!hasTopics(state.chats.get(state.chat))) return toast(t("topicsOff"));
  const name = field(t("title"), { placeholder: t("topicHint"), "data-testid": "new-name", autofocus: true });
  dialog({
    title: t("newTopic"), button: t("create"), body: name.row,
    done: async () => {
      const chat = state.chat;
      const answer = await post("topic", { chat_id: chat, user_id: state.me, name: name.input.value || undefined });
      if (answer) showTopic(chat, answer.topic);
      return Boolean(answer);
    },
  });
}

/** The answer may be here before the event. @param {any} chat */
function showChat(chat) {
  if (!state.chats.has(chat.id)) state.chats.set(chat.id, chat);
  select(chat.id);
  document.body.classList.add("in-chat");
}

/** @param {number} chatId @param {any} topic */
function showTopic(chatId, topic) {
  const chat = state.chats.get(chatId);
  if (chat && !chat.topics.some((one) => one.id === topic.id)) chat.topics.push(topic);
  select(chatId, topic.id);
  touch("chats");
}
