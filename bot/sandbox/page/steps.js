"use strict";
/** Steps that a newcomer goes through: each is done by the messages and presses of a person, and ticks itself by what has come of it. */
import { fill, h } from "./dom.js";
import { become, messagesOf, state, until } from "./state.js";
import { own } from "./trials.js";
import { language, t } from "./words.js";
import { connect, post } from "./wire.js";

/** Steps run one after another: two at once would take the chat, the person and the bot from each other. */
let queue = Promise.resolve();

/** A list of steps with a button each. */
export class Steps {
  /** @type {Record<string, HTMLElement>} */ #results = {};
  /** @type {Set<string>} */ #done = new Set();

  /**
   * @param {Record<string, () => Promise<boolean | string>>} steps what each does; true, or what was seen in words: the bot has done what was expected
   * @param {() => Promise<any>} load gets what the steps need, once; nothing: it did not come
   */
  constructor(steps, load) {
    this.steps = steps;
    this.load = load;
  }

  get areDone() {
    return this.#done.size === Object.keys(this.steps).length;
  }

  /** The boxes of some steps. @param {number} from @param {number} [to] */
  boxes(from, to) {
    return Object.keys(this.steps).slice(from, to).map((name) => this.#box(name));
  }

  /** @param {string} name */
  tick(name) {
    if (this.#done.has(name)) return;
    this.#done.add(name);
    const mark = document.querySelector(`[data-testid=tick-${name}]`);
    mark?.classList.add("done");
    mark?.setAttribute("aria-label", "✓");
  }

  /** @param {string} name */
  #box(name) {
    let waits = false;
    const run = async () => {
      const seen = Boolean(await this.load()) && (await this.steps[name]());
      if (seen) this.tick(name);
      fill(this.#results[name], seen ? (seen === true ? "" : `✓ ${seen}`) : t(state.trials.ready && !state.trials.owner ? "ownerKnown" : "nothingCame"));
    };
    const press = () => {
      if (waits) return;
      waits = true;
      button.setAttribute("aria-busy", "true");
      fill(this.#results[name], "…");
      queue = queue.then(run).catch(() => fill(this.#results[name], t("nothingCame"))).then(() => {
        waits = false;
        button.removeAttribute("aria-busy");
      });
    };
    const button = h("button", { type: "button", class: "plain", "data-testid": `step-${name}`, onclick: press }, t(`${name}Do`));
    return h("div", { class: "trial" },
      h("div", { class: "trial-head" },
        h("span", { class: "tick", "data-testid": `tick-${name}`, role: "img", "aria-label": "" }),
        h("span", { class: "grow" }, h("b", null, t(`${name}Title`)), h("small", null, t(`${name}Note`))), button),
      (this.#results[name] = h("p", { class: "trial-result", role: "status" })));
  }
}

/** Be the owner of the bot; become it first if nobody is. @returns {Promise<boolean>} */
export async function beOwner() {
  await until(() => state.trials.ready);
  await own();
  if (!state.trials.ready || !(await until(() => state.trials.owner || !state.trials.code)) || !state.trials.owner) return false;
  go(state.trials.owner);
  return true;
}

/** Be a customer in the private chat with the bot; somebody new the first time. */
export const beCustomer = () => beSomebody(t("customer"));

/** Be a reader of the shop's handbook, who is nobody's customer: after a case people go on to answer a customer for a day. */
export const beReader = () => beSomebody(t("reader"));

/** @param {string} name */
async function beSomebody(name) {
  let person = named(name);
  if (!person) {
    const made = await post("chat", { type: "private", title: name, language_code: language });
    await connect();
    person = state.users.get(made?.chat.id);
  }
  if (person) go(person.id);
}

/** @param {string} name */
const named = (name) => [...state.users.values()].find((user) => user.first_name === name);

export const customer = () => named(t("customer"));

/** Be somebody, in their private chat. @param {number} person */
export function go(person) {
  become(person);
  document.dispatchEvent(new CustomEvent("show-chat"));
}

/** The newest message of the bot in this chat for which it is true. @param {(message: any) => any} is @returns {any} */
export const newest = (is) => [...messagesOf(state.chat).values()].reverse().find((message) => message.from?.is_bot && is(message));

/** The newest message of this chat, 0 for none. */
export const last = () => Math.max(0, ...messagesOf(state.chat).keys());

/** The button of a message with one of these labels. @param {any} message @param {string[]} labels */
export const labelled = (message, labels) => message.reply_markup?.inline_keyboard?.flat().find((/** @type {any} */ button) => labels.includes(button.text));

/** Whether a line of a message begins like this. @param {any} message @param {string[]} signs */
export const begins = (message, signs) => signs.some((sign) => (message.text ?? "").split("\n").some((/** @type {string} */ line) => line.startsWith(sign)));

/** Press the newest button with one of these labels, once there is one. @param {string[]} labels */
export async function pressed(labels) {
  const message = await until(() => newest((one) => labelled(one, labels)));
  return Boolean(message) && press(message, labelled(message, labels));
}

/** Press a button as the person I am. @param {any} message @param {any} button */
export const press = async (message, button) =>
  Boolean(await post("press", { chat_id: message.chat.id, user_id: state.me, message_id: message.message_id, data: button.callback_data }));
