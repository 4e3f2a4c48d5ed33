"use strict";
/** Colours for code: comments, strings, numbers and the keywords of common languages. A lexer of one regular expression. */
import { h } from "./dom.js";

const KEYWORDS = new Set(
  ("and as assert async await break case catch class const continue def default del delete do elif else enum except export " +
    "extends false False finally fn for from func function if impl implements import in interface is lambda let loop match mod " +
    "module mut new nil None not null or pass print private protected pub public raise return self static struct super switch " +
    "this throw true True try type typeof use var void while with yield package echo then fi done esac").split(" "),
);
const SQL = new Set(
  ("select insert update delete where from join left right inner outer on group by order having limit values into create table " +
    "alter drop set and or not null in is like as distinct union all primary key references default").split(" "),
);
const HASH = new Set(["python", "py", "bash", "sh", "shell", "yaml", "yml", "ruby", "toml", "ini", "dockerfile", "r", "perl", ""]);
const LONGEST = 20_000;

const STRING = /"""[\s\S]*?(?:"""|$)|'''[\s\S]*?(?:'''|$)|"(?:\\.|[^"\\\n])*"?|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`?/;
const SLASHES = /\/\/[^\n]*|\/\*[\s\S]*?(?:\*\/|$)/;

/** @param {string} language */
function lexer(language) {
  const comment = HASH.has(language) ? /#[^\n]*/ : language === "sql" ? /--[^\n]*/ : SLASHES;
  return new RegExp(`(${comment.source})|(${STRING.source})|\\b(\\d[\\d_.a-fx]*)\\b|([A-Za-z_]\\w*)(?=(\\()?)`, "g");
}

/** @param {string} code @param {string} [language] @returns {(string | HTMLElement)[]} */
export function highlight(code, language = "") {
  const name = language.toLowerCase();
  if (code.length > LONGEST || ["text", "txt", "markdown", "md", "plain"].includes(name)) return [code];
  /** @type {(string | HTMLElement)[]} */
  const parts = [];
  let place = 0;
  for (const found of code.matchAll(lexer(name))) {
    const kind = kindOf(found, name);
    if (!kind) continue;
    parts.push(code.slice(place, found.index), h("span", { class: kind }, found[0]));
    place = found.index + found[0].length;
  }
  return [...parts, code.slice(place)];
}

/** @param {RegExpMatchArray} found @param {string} language */
function kindOf(found, language) {
  if (found[1]) return "hl-comment";
  if (found[2]) return "hl-string";
  if (found[3]) return "hl-number";
  if (language === "sql" ? SQL.has(found[4].toLowerCase()) : KEYWORDS.has(found[4])) return "hl-keyword";
  return found[5] ? "hl-call" : "";
}
