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
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== ""));
  return element;
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

/** Redraws a box whenever its width in pixels changes, so that text keeps its size. */
function responsive(box, draw) {
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

/** A box that scrolls a wide table, with the keyboard too. */
function scrollBox(label, table) {
  table.setAttribute("aria-label", label);
  return h("div", { class: "scroll", role: "region", "aria-label": label, tabindex: 0 }, table);
}
