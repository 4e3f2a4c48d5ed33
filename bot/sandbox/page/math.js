"use strict";
/** TeX as text: symbols, powers, indices, fractions and roots. What is not known stays as it was written. */
import { h } from "./dom.js";

const SYMBOLS = /** @type {Record<string, string>} */ ({
  alpha: "α", beta: "β", gamma: "γ", delta: "δ", epsilon: "ε", varepsilon: "ε", zeta: "ζ", eta: "η", theta: "θ", iota: "ι", kappa: "κ", lambda: "λ",
  mu: "μ", nu: "ν", xi: "ξ", pi: "π", rho: "ρ", sigma: "σ", tau: "τ", upsilon: "υ", phi: "φ", varphi: "φ", chi: "χ", psi: "ψ", omega: "ω",
  Gamma: "Γ", Delta: "Δ", Theta: "Θ", Lambda: "Λ", Xi: "Ξ", Pi: "Π", Sigma: "Σ", Phi: "Φ", Psi: "Ψ", Omega: "Ω",
  int: "∫", iint: "∬", oint: "∮", sum: "∑", prod: "∏", infty: "∞", partial: "∂", nabla: "∇", pm: "±", mp: "∓", times: "×", cdot: "·", div: "÷",
  le: "≤", leq: "≤", ge: "≥", geq: "≥", ne: "≠", neq: "≠", approx: "≈", equiv: "≡", sim: "∼", propto: "∝", to: "→", rightarrow: "→", leftarrow: "←",
  Rightarrow: "⇒", Leftarrow: "⇐", iff: "⇔", mapsto: "↦", in: "∈", notin: "∉", subset: "⊂", subseteq: "⊆", cup: "∪", cap: "∩", emptyset: "∅",
  forall: "∀", exists: "∃", neg: "¬", land: "∧", lor: "∨", ldots: "…", dots: "…", cdots: "⋯", circ: "∘", angle: "∠", degree: "°", langle: "⟨", rangle: "⟩",
  quad: "\u2003", qquad: "\u2003\u2003", left: "", right: "", displaystyle: "", ",": "\u2009", ";": "\u2005", " ": " ", "!": "", "{": "{", "}": "}", "%": "%", "\\": "\n",
});
const WORDS = new Set(["sin", "cos", "tan", "log", "ln", "exp", "lim", "min", "max", "det", "gcd", "arg", "deg"]);
const PLAIN = new Set(["text", "mathrm", "operatorname", "mathbf", "mathit", "textbf"]);
const DEEPEST = 24;

/** @param {string} source @returns {any[]} nodes and strings */
export function renderMath(source) {
  const tokens = source.match(/\\[A-Za-z]+|\\.|[{}^_]|\s+|./gsu) ?? [];
  const reader = { tokens, place: 0, words: 0 };
  return sequence(reader, 0, false);
}

/** `words`: how many commands for upright text, such as \text, are open. @typedef {{tokens: string[], place: number, words: number}} Reader */
/** @param {Reader} reader @param {number} depth @param {boolean} inGroup @returns {any[]} */
function sequence(reader, depth, inGroup) {
  /** @type {any[]} */
  const nodes = [];
  while (reader.place < reader.tokens.length) {
    if (inGroup && reader.tokens[reader.place] === "}") {
      reader.place += 1;
      break;
    }
    nodes.push(atom(reader, depth));
  }
  return nodes;
}

/** One thing: a symbol, a group, a power, a command with what belongs to it. @param {Reader} reader @param {number} depth @returns {any} */
function atom(reader, depth) {
  const token = reader.tokens[reader.place++] ?? "";
  if (depth > DEEPEST) return token;
  if (token === "{") return sequence(reader, depth + 1, true);
  if (token === "^") return h("sup", null, atom(reader, depth + 1));
  if (token === "_") return h("sub", null, atom(reader, depth + 1));
  if (token === "-" && !reader.words) return "−";
  if (!token.startsWith("\\") || token.length < 2) return token;
  return command(token.slice(1), reader, depth + 1);
}

/** @param {string} name @param {Reader} reader @param {number} depth @returns {any} */
function command(name, reader, depth) {
  if (name === "frac" || name === "dfrac" || name === "tfrac") {
    return h("span", { class: "fraction" }, h("span", null, argument(reader, depth)), h("span", null, argument(reader, depth)));
  }
  if (name === "sqrt") return ["√", h("span", { class: "root" }, argument(reader, depth))];
  if (PLAIN.has(name)) {
    reader.words += 1;
    const inside = argument(reader, depth);
    reader.words -= 1;
    return h("span", { class: "upright" }, inside);
  }
  if (WORDS.has(name)) return h("span", { class: "upright" }, name);
  return SYMBOLS[name] ?? `\\${name}`;
}

/** @param {Reader} reader @param {number} depth */
function argument(reader, depth) {
  while (/^\s+$/.test(reader.tokens[reader.place] ?? "")) reader.place += 1;
  return atom(reader, depth);
}
