// Elements from plain values. Text is always text: nothing here, or anywhere in the dashboard,
// makes markup of a string, so whatever users wrote into a name stays what they wrote.

const SVG = "http://www.w3.org/2000/svg";
const DRAWN = new Set(["svg", "g", "rect", "path", "line", "text", "title", "desc"]);

/** An element with attributes, listeners (`onclick`), classes and children; null ones are left out. */
export function h(tag, attributes, ...children) {
  const node = DRAWN.has(tag) ? document.createElementNS(SVG, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) set(node, name, value);
  node.append(...flat(children));
  return node;
}

function set(node, name, value) {
  if (value === null || value === undefined || value === false) return;
  if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
  else if (name === "value") node.value = value;
  else if (name === "width%") node.style.setProperty("width", `${value}%`);
  else node.setAttribute(name, value === true ? "" : String(value));
}

function flat(children) {
  return children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);
}

/** Put these in place of what the node has. */
export function fill(node, ...children) {
  node.replaceChildren(...flat(children));
  return node;
}

/** The same, and what has the focus in there keeps it. */
export function refill(node, ...children) {
  const was = node.contains(document.activeElement) ? document.activeElement : null;
  const place = was ? [...node.querySelectorAll(was.tagName)].indexOf(was) : 0;
  fill(node, ...children);
  if (was) node.querySelectorAll(was.tagName)[place]?.focus({ preventScroll: true });
  return node;
}

export const $ = (selector, within = document) => within.querySelector(selector);
