"use strict";
/** Batch runs, tuned models, and what the last run of all cases has changed: read from the bot's database while the tab is open. */
import { byId, fill, h } from "./dom.js";
import { copyable } from "./keyboard.js";
import { language, t } from "./words.js";
import { post } from "./wire.js";

const AGAIN_MS = 3_000;
const GOOD = new Set(["done", "completed"]);
const BAD = new Set(["stopped", "failed", "invalid", "canceled"]);

let timer = 0;
let drawn = "";

export function startRuns() {
  document.addEventListener("panel-tab", (event) => {
    clearInterval(timer);
    if (/** @type {CustomEvent} */ (event).detail !== "runs") return;
    void load();
    timer = setInterval(() => document.visibilityState === "visible" && void load(), AGAIN_MS);
  });
}

async function load() {
  const answer = await post("runs", { language });
  const now = JSON.stringify(answer);
  if (!answer || now === drawn) return;
  drawn = now;
  draw(answer.runs);
}

/** @param {any} runs */
function draw(runs) {
  fill(byId("pane-runs"),
    h("p", { class: "hint" }, t("runsHint"), " ", copyable(`set -a; . ${runs.commands}; set +a`)),
    section("batchHead", runs.batch.map(batch), "govorun batch run FILE --model gemma-3-27b-it"),
    section("tuningHead", runs.tunings.map(tuning), "govorun tune start --data FILE --base classifier"),
    section("evalHead", runs.evaluation ? [evaluation(runs.evaluation)] : [], "govorun eval"));
}

/** @param {string} title @param {HTMLElement[]} rows @param {string} command what makes the first row */
const section = (title, rows, command) =>
  h("section", null, h("h3", null, t(title)), rows.length ? rows : h("p", { class: "hint" }, t("nothingYet"), " ", copyable(command)));

/** @param {string} state */
function badge(state) {
  const kind = GOOD.has(state) ? "good" : BAD.has(state) ? "bad" : "wait";
  return h("span", { class: `entry-status ${kind}` }, t(`run_${state}`));
}

/** @param {string} testid @param {string} title @param {string} state @param {(string | HTMLElement)[]} lines */
const row = (testid, title, state, lines) =>
  h("div", { class: "trial", "data-testid": testid },
    h("div", { class: "trial-head" }, h("span", { class: "grow" }, h("b", null, title)), badge(state)),
    lines.filter(Boolean).map((line) => h("small", null, line)));

/** @param {any} run */
function batch(run) {
  const price = run.isOpen ? t("runMost", { most: run.most }) : t("runCost", { cost: run.cost, n: run.tokens.toLocaleString(language) });
  return row(`run-${run.id}`, `${run.id} · ${run.name}`, run.step || run.state, [
    `${run.model} · ${run.mode}`, t("runAnswered", { answered: run.answered, of: run.requests }), price, run.reason]);
}

/** @param {any} one */
const tuning = (one) => row(`tuning-${one.id}`, `${one.id} · ${one.name}`, one.state, [
  one.target || one.base, one.verdict, one.isUsed ? t("tuningUsed") : ""]);

/** @param {any} found */
function evaluation(found) {
  const lists = ["worse", "better", "stale", "unasked"];
  const change = found.isCompared ? t("evalChange", { better: found.better.count, worse: found.worse.count, stale: found.stale.count, p: found.chance }) : t("evalFirst");
  const noise = found.isCompared && found.isNoise && found.better.count + found.worse.count > 0 ? ` ${t("evalNoise")}` : "";
  return h("div", { class: "trial", "data-testid": "eval-diff" },
    h("b", null, t("evalCounts", { n: found.count, right: found.right, wrong: found.wrong })),
    h("small", null, change, noise),
    h("small", null, t(found.isCompared ? "evalCosts" : "evalCost", { ...found, seconds: found.seconds.toLocaleString(language) })),
    lists.map((name) => found[name].count ? [h("h4", { class: `diff-${name}` }, t(`eval_${name}`)), found[name].cases.map(difference), left(found[name])] : null));
}

/** @param {any} one a case with its old answer, the new one, and why */
const difference = (one) =>
  h("dl", { class: "diff", "data-testid": "eval-case" }, h("dt", null, one.question),
    [["diffOld", one.old], ["diffNew", one.new], ["diffWhy", one.why], ["diffWhyBefore", one.whyBefore]].map(([name, text]) => (text ? h("dd", null, h("i", null, t(name)), " ", text) : null)));

/** @param {any} list */
const left = (list) => (list.count > list.cases.length ? h("small", null, t("evalMore", { n: list.count - list.cases.length })) : null);
