"use strict";
/** The page's own icons: one path each on a 24 by 24 grid, drawn with a line of 1.8. */

const PATHS = {
  send: "M4.500 11.500 20 4.500l-4.600 15.200-3.700-6.400z M11.700 13.300 20 4.500",
  clip: "M20 11.500l-7.900 7.900a5 5 0 0 1-7.100-7.100l8.300-8.300a3.400 3.400 0 0 1 4.800 4.800l-8.200 8.200a1.700 1.700 0 0 1-2.400-2.400l7.400-7.400",
  menu: "M5 7.500h14M5 12h14M5 16.500h9",
  slash: "M15.500 5 8.500 19 M4 4h16v16H4z",
  close: "M6 6l12 12M18 6 6 18",
  back: "M14.500 5.500 8 12l6.500 6.500",
  search: "M10.500 17a6.500 6.500 0 1 0 0-13 6.500 6.500 0 0 0 0 13z M15.500 15.500 20 20",
  up: "M5.500 15 12 8.500 18.500 15",
  down: "M5.500 9 12 15.500 18.500 9",
  plus: "M12 5v14M5 12h14",
  pencil: "M4.500 19.500l.9-4L15.700 5.200a2 2 0 0 1 2.800 0l.3.3a2 2 0 0 1 0 2.800L8.500 18.600z",
  reply: "M10 6 4.500 11.500 10 17v-3.500c5 0 8 1.500 9.500 4.500 0-6-3.500-9.500-9.500-9.500z",
  copy: "M9 9h10v10H9z M15 9V5H5v10h4",
  check: "M5 12.500l4.500 4.500L19 7.500",
  user: "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8z M4.500 20c.8-4 3.700-6 7.500-6s6.700 2 7.500 6",
  group: "M9 11.500a3.500 3.500 0 1 0 0-7 3.500 3.500 0 0 0 0 7z M2.500 19.500c.7-3.600 3.200-5.500 6.500-5.500s5.800 1.900 6.500 5.500 M16 4.800a3.400 3.400 0 0 1 0 6.400 M17.500 14.200c2.200.6 3.600 2.400 4 5.300",
  topic: "M4 5.500h16v10.500h-8.500L7 19.500V16H4z M8 9.500h8M8 12.500h5",
  panel: "M4 5h16v14H4z M14.500 5v14 M17 9h.5M17 12h.5",
  image: "M4 5h16v14H4z M4 16l5-5 4.500 4.500L16 13l4 3.500 M15.500 9.300h.01",
  file: "M6 3.500h8l4.500 4.500v12.500H6z M13.500 3.500V8.500h5",
  mic: "M12 3.500a3 3 0 0 1 3 3v5a3 3 0 0 1-6 0v-5a3 3 0 0 1 3-3z M5.500 11.500a6.500 6.500 0 0 0 13 0 M12 18v3",
  dots: "M12 5.500h.01M12 12h.01M12 18.500h.01",
  smile: "M12 20.500a8.500 8.500 0 1 0 0-17 8.500 8.500 0 0 0 0 17z M8.500 14c1.800 2.400 5.200 2.400 7 0 M9 9.500h.01M15 9.500h.01",
  trash: "M5 7h14M10 7V4.500h4V7M7 7l.8 12.500h8.400L17 7",
  block: "M12 20.500a8.500 8.500 0 1 0 0-17 8.500 8.500 0 0 0 0 17z M6 6l12 12",
  code: "M8.500 7 3.500 12l5 5M15.500 7l5 5-5 5",
  play: "M8 5.500v13l10.500-6.500z",
  power: "M12 4v8 M7 6.800a7.500 7.500 0 1 0 10 0",
  restart: "M19.500 12a7.500 7.500 0 1 1-2.300-5.400M19.500 3.500v4h-4",
  bolt: "M13 3 5.500 13.500H11L10 21l8-11h-5.800z",
  stop: "M7 7h10v10H7z",
  pin: "M12 21s6.500-6 6.500-11a6.500 6.500 0 0 0-13 0c0 5 6.500 11 6.500 11z M12 12a2 2 0 1 0 0-4 2 2 0 0 0 0 4z",
  external: "M9 5H5v14h14v-4M13 5h6v6M19 5l-8.500 8.500",
};

/** @param {keyof typeof PATHS | string} name @returns {SVGElement} */
export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", `icon icon-${name}`);
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", PATHS[name] ?? "");
  svg.append(path);
  return svg;
}
