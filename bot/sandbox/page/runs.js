"use strict";
/** Batch runs, tuned models, and what the last run of all cases has changed: read from the bot's database while the tab is open. */
import { byId, fill, h } from "./dom.js";
import { copyable } from "./keyboard.js";
import { language, t } from "./words.js";
import { post } from "./wire.js";

const AGAIN_MS = 3_000;
const GOOD = new Set(["done", "completed"]);
const BAD = new Set(["stopped", "failed", "invalid", "canceled"]);

const INSTANCE = ["none", "off", "starting", "on"];

let timer = 0;
let drawn = "";
let told = "";

export function startRuns() {
  document.addEventListener("panel-tab", (event) => {
    clearInterval(timer);
    if (/** @type {CustomEvent} */ (event).detail !== "runs") return;
    void load();
    timer = setInterval(() => document.visibilityState === "visible" && void load(), AGAIN_MS);
  });
}

async function load() {
  const [answer, side] = await Promise.all([post("runs", { language }), post("service", {})]);
  const now = JSON.stringify([answer, side]);
  if (!answer || !side || now === drawn) return;
  drawn = now;
  draw(answer.runs, side.service);
}

/** @param {any} runs @param {any} service */
function draw(runs, service) {
  fill(byId("pane-runs"),
    h("p", { class: "hint" }, t("runsHint"), " ", copyable(`set -a; . ${runs.commands}; set +a`)),
    section("batchHead", runs.batch.map(batch), "govorun batch run FILE --model gemma-3-27b-it"),
    section("tuningHead", runs.tunings.map(tuning), "govorun tune start --data FILE --base classifier"),
    section("evalHead", runs.evaluation ? [evaluation(runs.evaluation)] : [], "govorun eval"),
    h("section", null, h("h3", null, t("instanceHead")), h("p", { class: "hint" }, t("instanceHint")),
      h("div", { class: "choices", role: "radiogroup", "aria-label": t("instanceHead") }, INSTANCE.map((name) => h("button", {
        type: "button", role: "radio", class: `plain ${service.instance === name ? "chosen" : ""}`, "aria-checked": String(service.instance === name),
        "data-testid": `instance-${name}`, onclick: () => change({ instance: name }) }, t(`instance_${name}`)))),
      h("p", { class: "trial-result", "data-testid": "instance-result", role: "status" }, told)),
    h("section", null, h("h3", null, t("studioHead")), Object.entries(service.studio).map(fault)),
    Object.keys(service.faults).length ? h("section", null, h("h3", null, t("batchFaultsHead")), Object.entries(service.faults).map(fault))
      : h("section", null, h("h3", null, t("batchFaultsHead")), h("p", { class: "hint" }, t("grpcMissing"), " ", copyable("make tools"))));
}

/** Ask for a change, and say what follows. @param {Record<string, unknown>} wanted */
async function change(wanted) {
  if (wanted.instance) {
    told = t("restarting");
    byId("pane-runs").querySelector("[data-testid=instance-result]")?.replaceChildren(told);
  }
  const done = await post("service", wanted);
  if (wanted.instance) told = done ? t(`instance_${wanted.instance}Done`) : "";
  drawn = "";
  await load();
}

/** @param {[string, boolean]} entry */
const fault = ([name, on]) =>
  h("label", { class: "trial-head" }, h("span", { class: "grow" }, t(`batch_${name}`)),
    h("input", { type: "checkbox", class: "switch", role: "switch", checked: on, "data-testid": `batch-${name}`, onchange: () => change({ fault: name, on: !on }) }));

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
