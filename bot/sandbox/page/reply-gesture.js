"use strict";
/** Reply by a double click beside the words, or by a swipe to the left on a touch screen. */

const FAR = 60; // pixels
const FARTHEST = 90;
const STEEP = 0.6;

/** @param {HTMLElement} row @param {(event: Event) => any} found which message is meant */
export function replyByGesture(row, found) {
  const reply = (/** @type {Event} */ event) => document.dispatchEvent(new CustomEvent("reply-to", { detail: found(event) }));
  row.addEventListener("dblclick", (event) => {
    if (/** @type {Element} */ (event.target).closest("a, button, audio, video, summary, .code-block")) return;
    getSelection()?.removeAllRanges();
    reply(event);
  });
  row.addEventListener("touchstart", (event) => follow(row, event, reply), { passive: true });
}

/** @param {HTMLElement} row @param {TouchEvent} start @param {(event: Event) => void} reply */
function follow(row, start, reply) {
  if (start.touches.length !== 1 || /** @type {Element} */ (start.target).closest(".table-scroll, pre, .slideshow")) return;
  const { clientX: x, clientY: y } = start.touches[0];
  const gesture = new AbortController();
  let by = 0;
  const move = (/** @type {TouchEvent} */ event) => {
    const dx = event.touches[0].clientX - x;
    const dy = event.touches[0].clientY - y;
    by = dx < 0 && Math.abs(dy) < Math.abs(dx) * STEEP ? Math.max(dx, -FARTHEST) : 0;
    row.style.translate = by ? `${by}px` : "";
  };
  const end = () => {
    gesture.abort();
    row.style.translate = "";
    if (by <= -FAR) reply(start);
  };
  row.addEventListener("touchmove", move, { passive: true, signal: gesture.signal });
  for (const name of ["touchend", "touchcancel"]) row.addEventListener(name, end, { signal: gesture.signal });
}
