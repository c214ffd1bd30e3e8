// The table of a section: headers sort it, the toolbar filters it, model names open the details.

const NUMERIC = new Set(["count", "score", "number", "amount", "operations", "bytes", "duration", "target_time", "milliseconds", "rate"]);

const MAX_ROWS = 60; // a longer table scrolls below its header

/** Rows sorted by a column; rows without a value are last in both directions. */
function sorted(rows, key, descending) {
  const sign = descending ? -1 : 1;
  return [...rows].sort((a, b) => {
    const [x, y] = [a[key], b[key]];
    if (!isKnown(x) || !isKnown(y)) return isKnown(y) - isKnown(x) || a.order - b.order;
    const comparison = typeof x === "number" ? x - y : String(x).localeCompare(String(y), "en", { numeric: true });
    return sign * comparison || a.order - b.order;
  });
}

/** Whether a row contains every word of the text and has the selected values. */
function matches(row, text, selected) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  return words.every((word) => row.search.includes(word)) &&
    Object.entries(selected).every(([key, value]) => !value || row[key] === value);
}

/** A section's table. `onFilter` is called with the matching rows, `open` with the row to open. */
function leaderboardTable(section, columns, open, onFilter) {
  const state = { key: "rank", descending: false, allColumns: false };
  const body = h("tbody");
  const head = h("thead");
  const table = h("table", { class: section.rows.length > MAX_ROWS ? "leaderboard long" : "leaderboard" }, head, body);
  const lines = new Map();
  const scale = intervalScale(section.rows);

  function sortBy(column) {
    const isSortedBy = state.key === column.key;
    state.descending = isSortedBy ? !state.descending : column.better === "high";
    state.key = column.key;
    arrange();
    const direction = state.descending ? "descending" : "ascending";
    for (const cell of head.querySelectorAll("th")) {
      if (cell.dataset.key === state.key) cell.setAttribute("aria-sort", direction);
      else cell.removeAttribute("aria-sort");
    }
  }

  function arrange() {
    body.append(...sorted(section.rows, state.key, state.descending).map((row) => lines.get(row)));
  }

  function build() {
    const visible = columns.filter((column) => state.allColumns || column.first);
    const heads = visible.map((column) => headCell(column, state, () => sortBy(column), scale));
    head.replaceChildren(h("tr", {}, heads));
    const options = {
      spreads: new Set(visible.filter((c) => section.rows.some((row) => isKnown(row[`${c.key}_sd`]))).map((c) => c.key)),
      scale,
      open,
    };
    for (const row of section.rows) {
      const line = h("tr", { class: rowClass(row) }, cells(row, visible, options));
      line.hidden = lines.has(row) && lines.get(row).hidden;
      lines.set(row, line);
    }
    body.replaceChildren();
    arrange();
  }

  function filter(text, selected) {
    const matching = new Set(section.rows.filter((row) => matches(row, text, selected)));
    for (const [row, line] of lines) line.hidden = !matching.has(row);
    onFilter([...matching]);
    return matching.size;
  }

  build();
  const showAll = (allColumns) => {
    state.allColumns = allColumns;
    build();
  };
  return h("div", {}, toolbar(section, columns, filter, showAll), scrollBox(section.heading, table));
}

function rowClass(row) {
  return [row.status === "finished" ? "" : "failed", row.tied ? "is-tied" : "", row.suspicion ? "suspected" : ""].join(" ").trim() || null;
}
