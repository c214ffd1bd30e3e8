// The table of one section: sorted by its headers, filtered by its toolbar, rows opened by their names.

const NUMERIC = new Set(["count", "score", "number", "amount", "operations", "bytes", "duration", "milliseconds", "rate"]);

const MANY = 60; // rows, beyond which the table scrolls below its header

/** Rows in the order of a column; rows without a value stand last, whichever way it goes. */
function sorted(rows, key, descending) {
  const sign = descending ? -1 : 1;
  const missing = (value) => value === null || value === undefined || value === "";
  return [...rows].sort((a, b) => {
    const [x, y] = [a[key], b[key]];
    if (missing(x) || missing(y)) return missing(x) - missing(y) || a.place - b.place;
    const order = typeof x === "number" ? x - y : String(x).localeCompare(String(y), "en", { numeric: true });
    return sign * order || a.place - b.place;
  });
}

/** Whether a row holds every word of the text and agrees with every choice. */
function passes(row, text, choices) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  return words.every((word) => row.search.includes(word)) &&
    Object.entries(choices).every(([key, value]) => !value || row[key] === value);
}

/** A section's table. `changed` is called with the rows shown, `open` with the row whose name was chosen. */
function boardTable(section, columns, open, changed) {
  const state = { key: "rank", descending: false, wide: false };
  const body = h("tbody");
  const head = h("thead");
  const table = h("table", { class: section.rows.length > MANY ? "board many" : "board" }, head, body);
  const lines = new Map();
  const scale = intervalScale(section.rows);

  function shownColumns() {
    return columns.filter((column) => state.wide || column.first);
  }

  function sortBy(column) {
    const again = state.key === column.key;
    state.descending = again ? !state.descending : column.better === "high";
    state.key = column.key;
    arrange();
    const sorting = state.descending ? "descending" : "ascending";
    for (const cell of head.querySelectorAll("th")) {
      if (cell.dataset.key === state.key) cell.setAttribute("aria-sort", sorting);
      else cell.removeAttribute("aria-sort");
    }
  }

  function arrange() {
    body.append(...sorted(section.rows, state.key, state.descending).map((row) => lines.get(row)));
  }

  function build() {
    const now = shownColumns();
    const heads = now.map((column) => headCell(column, state, () => sortBy(column), scale));
    head.replaceChildren(h("tr", {}, heads));
    const look = {
      spreads: new Set(now.filter((c) => section.rows.some((row) => known(row[`${c.key}_sd`]))).map((c) => c.key)),
      scale,
      open,
    };
    for (const row of section.rows) {
      const line = h("tr", { class: lineClass(row) }, cells(row, now, look));
      line.hidden = lines.has(row) && lines.get(row).hidden;
      lines.set(row, line);
    }
    body.replaceChildren();
    arrange();
  }

  function filter(text, choices) {
    const kept = section.rows.filter((row) => passes(row, text, choices));
    const shownRows = new Set(kept);
    for (const [row, line] of lines) line.hidden = !shownRows.has(row);
    changed(kept);
    return kept.length;
  }

  build();
  const widen = (wide) => {
    state.wide = wide;
    build();
  };
  return h("div", {}, toolbar(section, columns, filter, widen), scrollBox(section.heading, table));
}

function known(value) {
  return value !== null && value !== undefined;
}

function lineClass(row) {
  return [row.status === "finished" ? "" : "failed", row.best_group ? "best" : ""].join(" ").trim() || null;
}
