// The only module that creates elements. Strings become text nodes, so text from records is never parsed as markup.

const SVG_NAMESPACE = "http://www.w3.org/2000/svg";

/** An HTML element. Function values are event listeners; null, undefined and false omit an attribute. */
function h(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** An SVG element, see `h`. */
function s(tag, attributes, ...children) {
  return fill(document.createElementNS(SVG_NAMESPACE, tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if ((value ?? false) !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter(isKnown));
  return element;
}

/** Whether a value exists and is not empty. */
function isKnown(value) {
  return value !== null && value !== undefined && value !== "";
}

function byId(id) {
  return document.getElementById(id);
}

/** Parses a JSON block of the page; null if it does not exist. */
function embedded(id) {
  const block = byId(id);
  return block && JSON.parse(block.textContent);
}

/** Text for screen readers only. */
function screenReaderText(text) {
  return h("span", { class: "sr-only" }, text);
}

/** Text with line break opportunities after the separators in long names and values. */
function breakable(text) {
  return text.split(/(?<=[_/-])|(?<==)(?=\S{9})/).flatMap((part) => [part, h("wbr")]);
}

/** A box with a drawing, redrawn whenever its width in pixels changes, so that text keeps its size. */
function responsive(draw) {
  const box = h("div", { class: "canvas" });
  let width = 0;
  new ResizeObserver(() => {
    requestAnimationFrame(() => {
      const newWidth = Math.floor(box.clientWidth);
      if (!newWidth || newWidth === width) return;
      width = newWidth;
      box.replaceChildren(draw(width));
    });
  }).observe(box);
  return box;
}

/** A section of the page with a heading. */
function headedSection(id, title, ...content) {
  return h("section", { id }, h("h2", {}, title), ...content);
}

/** A figure with a title and, if known, a hint. */
function figure(title, hint, ...content) {
  return h("figure", {}, h("figcaption", {}, h("h3", {}, title), hint ? h("p", { class: "hint" }, hint) : null), ...content);
}

function tableFigure(title, hint, table) {
  return figure(title, hint, scrollBox(title, table));
}

function numberCell(...content) {
  return h("td", { class: "number" }, ...content);
}

function textCell(...content) {
  return h("td", { class: "text" }, ...content);
}

/** A box that scrolls a wide table, with the keyboard too. */
function scrollBox(label, table) {
  table.setAttribute("aria-label", label);
  return h("div", { class: "scroll", role: "region", "aria-label": label, tabindex: 0 }, table);
}
