// Elements are made here alone. Strings become text nodes: nothing from a record is ever read as markup.

const SVG_NAMESPACE = "http://www.w3.org/2000/svg";

/** An HTML element. A value that is a function listens; null, undefined and false leave an attribute away. */
function h(tag, attributes, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** The same for SVG. */
function s(tag, attributes, ...children) {
  return filled(document.createElementNS(SVG_NAMESPACE, tag), attributes, children);
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== ""));
  return element;
}

function byId(id) {
  return document.getElementById(id);
}

/** Reads one of the page's JSON blocks; null where there is none. */
function embedded(id) {
  const block = byId(id);
  return block && JSON.parse(block.textContent);
}

/** Text for those who hear the page instead of seeing it. */
function spoken(text) {
  return h("span", { class: "spoken" }, text);
}

/** Text that may be broken after the marks that hold a long name or value together. */
function breakable(text) {
  return text.split(/(?<=[_/-])|(?<==)(?=\S{9})/).flatMap((part) => [part, h("wbr")]);
}

/** Draws into a box at its own width in pixels, and again whenever that changes, so that text keeps its size. */
function responsive(box, draw) {
  let width = 0;
  new ResizeObserver(() => {
    requestAnimationFrame(() => {
      const now = Math.floor(box.clientWidth);
      if (!now || now === width) return;
      width = now;
      box.replaceChildren(draw(width));
    });
  }).observe(box);
  return box;
}

/** A table in a box of its own, which scrolls by hand and by key where the table is wider. */
function scrollBox(label, table) {
  table.setAttribute("aria-label", label);
  return h("div", { class: "scroll", role: "region", "aria-label": label, tabindex: 0 }, table);
}
