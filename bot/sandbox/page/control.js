"use strict";
/** The bot's process, the model that answers, and a fresh start. */
import { byId, fill, h } from "./dom.js";
import { icon } from "./icons.js";
import { on, state } from "./state.js";
import { dialog } from "./toast.js";
import { size, t } from "./words.js";
import { post } from "./wire.js";

export function startControl() {
  fill(byId("pane-process"),
    h("section", null, h("h3", null, t("botTitle")), h("div", { id: "bot-state", "data-testid": "bot-state" }), h("div", { class: "button-grid" },
      action("kill", "bolt", "kill", "killNote", "danger"), action("stop", "stop", "stop", "stopNote"),
      action("start", "play", "startBot", "startBot"), action("restart", "restart", "restart", "restart")),
    h("p", { class: "hint" }, t("botText"))),
    h("section", null, h("h3", null, t("modelTitle")), h("div", { id: "model-choice", role: "radiogroup" })),
    h("section", null, h("h3", null, t("resetTitle")), h("button", { type: "button", class: "plain wide danger-text", "data-testid": "reset", onclick: reset }, icon("trash"), t("reset"))));
  on("bot", drawBot);
  on("model", drawModel);
}

/** @param {string} name @param {string} picture @param {string} label @param {string} note @param {string} [className] */
function action(name, picture, label, note, className = "plain") {
  return h("button", { type: "button", class: className, title: t(note), "data-testid": `bot-${name}`, onclick: () => void post("bot", { action: name }) }, icon(picture), t(label));
}

function drawBot() {
  const { running, pid, username } = state.bot;
  fill(byId("bot-state"), h("span", { class: `lamp ${running ? "on" : ""}` }),
    h("span", { class: "grow" }, h("b", null, t(running ? "running" : "stopped")), h("small", null, [`@${username}`, pid ? t("pid", { n: pid }) : ""].filter(Boolean).join(" · "))));
  for (const [name, possible] of [["kill", running], ["stop", running], ["start", !running], ["restart", running]]) {
    const button = document.querySelector(`[data-testid=bot-${name}]`);
    /** @type {HTMLButtonElement} */ (button).disabled = !possible;
  }
}

function drawModel() {
  const { kind, title, progress, error } = state.model;
  fill(byId("model-choice"),
    choice("scripted", t("scripted"), t("scriptedNote"), kind === "scripted"),
    choice("local", t("local"), kind === "local" && title ? title : t("localNote"), kind === "local"),
    kind === "url" ? choice("url", title, "", true) : null,
    progress ? bar(progress) : null,
    error ? h("p", { class: "error", "data-testid": "model-error", role: "alert" }, error) : null);
}

/** @param {string} kind @param {string} label @param {string} note @param {boolean} chosen */
function choice(kind, label, note, chosen) {
  return h("button", { type: "button", class: `choice ${chosen ? "chosen" : ""}`, role: "radio", "aria-checked": String(chosen), "data-testid": `model-${kind}`, onclick: () => !chosen && void post("model", { kind }) },
    h("span", { class: "radio" }), h("span", { class: "grow" }, h("b", null, label), note ? h("small", null, note) : null));
}

/** @param {{done: number, total: number, stage: string}} progress */
function bar({ done, total, stage }) {
  const share = total ? Math.min(1, done / total) : null;
  const fillBar = h("i");
  if (share !== null) fillBar.style.width = `${share * 100}%`;
  return h("div", { class: "progress-box", "data-testid": "model-progress" },
    h("div", { class: `progress ${share === null ? "unknown" : ""}`, role: "progressbar", "aria-valuenow": share === null ? null : Math.round(share * 100) }, fillBar),
    h("small", null, stage, total ? ` · ${size(done)} / ${size(total)}` : ""));
}

function reset() {
  dialog({ title: t("reset"), body: h("p", null, t("resetAsk")), button: t("reset"), danger: true, testid: "reset-dialog", done: () => post("reset", {}) });
}
