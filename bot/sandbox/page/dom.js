"use strict";
/** Building elements. Everything from the wire becomes a text node or an attribute value: there is no innerHTML here. */

const SAFE_SCHEMES = new Set(["http:", "https:", "mailto:", "tel:"]);

/**
 * Make an element. Props: `class`, `dataset`, `on<event>` functions, everything else as an attribute (false and null
 * leave it out, true gives an empty one). Children: nodes, strings, arrays of both; null is skipped.
 * @param {string} tag
 * @param {Record<string, any> | null} [props]
 * @param {...any} children
 * @returns {HTMLElement}
 */
export function h(tag, props, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  add(element, children);
  return element;
}

/** @param {Node} parent @param {any} child */
export function add(parent, child) {
  if (child === null || child === undefined || child === false) return;
  if (Array.isArray(child)) child.forEach((item) => add(parent, item));
  else parent.appendChild(child instanceof Node ? child : document.createTextNode(String(child)));
}

/** Replace what is inside. @param {Element} parent @param {...any} children */
export function fill(parent, ...children) {
  const fragment = document.createDocumentFragment();
  add(fragment, children);
  parent.replaceChildren(fragment);
}

/** @param {string} id @returns {any} */
export const byId = (id) => document.getElementById(id);

/**
 * A link that may be opened, or null: only web, mail and telephone.
 * @param {string} address
 * @returns {string | null}
 */
export function safeAddress(address) {
  const text = String(address).trim();
  const full = /^[a-z][a-z0-9+.-]*:/i.test(text) && !/^[\w.-]+:\d/.test(text) ? text : `http://${text}`;
  try {
    const url = new URL(full);
    return SAFE_SCHEMES.has(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}

/**
 * A link, or the same content without one when the address is not safe.
 * @param {string} address @param {...any} children
 */
export function link(address, ...children) {
  const href = safeAddress(address);
  if (href === null) return h("span", { class: "link dead", title: String(address) }, children);
  return h("a", { class: "link", href, target: "_blank", rel: "noopener noreferrer", title: href }, children);
}

/** @param {string} text */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = h("textarea", { class: "offscreen" });
    /** @type {HTMLTextAreaElement} */ (area).value = text;
    document.body.append(area);
    /** @type {HTMLTextAreaElement} */ (area).select();
    document.execCommand("copy");
    area.remove();
  }
}
