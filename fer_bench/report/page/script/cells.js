// The cells of a table of rows.

function headCell(column, state, sort, scale) {
  const attributes = {
    scope: "col",
    "data-key": column.key,
    class: `${NUMERIC.has(column.kind) ? "number" : "words"} is-${column.kind}`,
    "aria-sort": state.key === column.key && (state.descending ? "descending" : "ascending"),
  };
  const button = h("button", { type: "button", title: column.help, click: sort }, column.label,
    h("span", { class: "arrow", "aria-hidden": "true" }));
  const ends = column.kind === "interval" && scale &&
    h("span", { class: "ends", "aria-hidden": "true" }, h("span", {}, percentEnd(scale.low)), h("span", {}, percentEnd(scale.high)));
  return h("th", attributes, button, ends || null);
}

function percentEnd(value) {
  return (100 * value).toFixed(0);
}

/** The cells of a row; one without a score tells why, over the room of the scores that stand side by side. */
function cells(row, columns, look) {
  if (row.status === "finished") return columns.map((column) => cell(row, column, look));
  const isScore = (column) => column && ["score", "interval"].includes(column.kind);
  const first = columns.findIndex(isScore);
  let behind = first;
  while (isScore(columns[behind])) behind += 1;
  const why = h("td", { class: "why", colspan: behind - first }, mark("failed", row.status), " ", row.reason || "no reason given");
  const plain = (part) => part.map((column) => cell(row, column, look));
  return [...plain(columns.slice(0, first)), why, ...plain(columns.slice(behind))];
}

function cell(row, column, { spreads, scale, open }) {
  const value = row[column.key];
  if (column.key === "label") return nameCell(row, open);
  if (column.kind === "interval") return h("td", { class: "is-interval" }, intervalMark(row, scale));
  if (column.key === "rank") return h("td", { class: "number" }, row.best_group && value > 1 ? bestMark() : null, shown(value, "count"));
  if (column.key === "failed" && value) return h("td", { class: "number" }, mark("failed", shown(value, "count")));
  if (!NUMERIC.has(column.kind)) return h("td", { class: "words" }, shown(value, column.kind));
  const spread = row[`${column.key}_sd`];
  const beside = spreads.has(column.key) &&
    h("span", { class: "spread" }, known(spread) ? ` ± ${shown(spread, column.kind)}` : "");
  return h("td", { class: "number" }, shown(value, column.kind), beside || null);
}

function nameCell(row, open) {
  const recipe = row.variant ? `${row.recipe} (${row.variant})` : row.recipe;
  const button = h("button", { type: "button", class: "name", "data-row": row.id, click: () => open(row) }, breakable(row.model),
    spoken(`, ${recipe}: details`));
  return h("th", { scope: "row", class: "words is-name" }, button, h("span", { class: "under" }, breakable(recipe)));
}

function mark(kind, text) {
  return h("span", { class: `mark ${kind}` }, text);
}

function bestMark() {
  return h("span", { class: "same", title: "cannot be told from the best" }, "≈", spoken("cannot be told from the best: "), " ");
}

// ---- intervals, drawn on one scale for the section

function intervalScale(rows) {
  const ends = rows.flatMap((row) => [row.accuracy_low, row.accuracy_high]).filter(known);
  if (!ends.length) return null;
  return { low: Math.floor(Math.min(...ends) * 20) / 20, high: Math.ceil(Math.max(...ends) * 20) / 20 };
}

function intervalMark(row, scale) {
  if (!scale || !known(row.accuracy_low)) return UNKNOWN;
  const x = (value) => 4 + (132 * (value - scale.low)) / (scale.high - scale.low || 1);
  const text = `${interval(row.accuracy_low, row.accuracy_high)} %`;
  return s("svg", { class: "forest", viewBox: "0 0 140 20", width: 140, height: 20, role: "img", "aria-label": text },
    s("title", {}, text),
    s("line", { class: "rail", x1: 4, x2: 136, y1: 10, y2: 10 }),
    s("line", { class: "reach", x1: x(row.accuracy_low), x2: x(row.accuracy_high), y1: 10, y2: 10 }),
    s("line", { class: "centre", x1: x(row.accuracy), x2: x(row.accuracy), y1: 3, y2: 17 }));
}
