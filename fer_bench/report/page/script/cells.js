// The cells of a table of rows.

function headCell(column, state, sort, scale) {
  const attributes = {
    scope: "col",
    "data-key": column.key,
    class: `${NUMERIC.has(column.kind) ? "number" : "text"} is-${column.kind}`,
    "aria-sort": state.key === column.key && (state.descending ? "descending" : "ascending"),
  };
  const button = h("button", { type: "button", title: column.help, click: sort }, column.label,
    h("span", { class: "arrow", "aria-hidden": "true" }));
  const range = column.kind === "interval" && scale &&
    h("span", { class: "range", "aria-hidden": "true" }, h("span", {}, formatPercent(scale.low)), h("span", {}, formatPercent(scale.high)));
  return h("th", attributes, button, range || null);
}

function formatPercent(value) {
  return (100 * value).toFixed(0);
}

/** The cells of a row. A row without scores shows the reason in place of its adjacent score columns. */
function cells(row, columns, options) {
  if (row.status === "finished") return columns.map((column) => cell(row, column, options));
  const isScore = (column) => column && ["score", "interval"].includes(column.kind);
  const first = columns.findIndex(isScore);
  let end = first;
  while (isScore(columns[end])) end += 1;
  const reason = h("td", { class: "reason", colspan: end - first }, mark("failed", row.status), " ", row.reason || "no reason recorded");
  const valueCells = columns.map((column) => cell(row, column, options));
  return [...valueCells.slice(0, first), reason, ...valueCells.slice(end)];
}

function cell(row, column, { spreads, scale, open }) {
  const value = row[column.key];
  if (column.key === "label") return nameCell(row, open);
  if (column.kind === "interval") return h("td", { class: "is-interval" }, intervalMark(row, scale));
  if (column.key === "rank") return numberCell(row.tied && value > 1 ? tiedMark() : null, formatValue(value, "count"));
  if (column.key === "failed" && value) return numberCell(mark("failed", formatValue(value, "count")));
  if (!NUMERIC.has(column.kind)) return textCell(formatValue(value, column.kind));
  if (column.kind === "target_time") return numberCell(targetTime(value, row[reachedKey(column)]));
  const spread = row[`${column.key}_sd`];
  const spreadText = spreads.has(column.key) &&
    h("span", { class: "spread" }, isKnown(spread) ? ` ± ${formatValue(spread, column.kind)}` : "");
  return numberCell(formatValue(value, column.kind), spreadText || null);
}

/** The key of the number of trials that reached the target of a column. */
function reachedKey(column) {
  return column.key.replace("seconds_to_", "reached_");
}

function nameCell(row, open) {
  const recipe = recipeName(row);
  const button = h("button", { type: "button", class: "name", "data-row": row.id, click: () => open(row) }, breakable(row.model),
    screenReaderText(`, ${recipe}: details`));
  return h("th", { scope: "row", class: "text is-name" }, button, row.warnings.length ? warningMark(row) : null,
    h("span", { class: "subtext", title: row.recipe_changes || null }, breakable(recipe)));
}

/** The short name of a row's recipe, with the difference from rows of the same name. */
function recipeName(row) {
  return row.variant ? `${row.short_recipe} (${row.variant})` : row.short_recipe;
}

function mark(kind, text) {
  return h("span", { class: `mark ${kind}` }, text);
}

function warningMark(row) {
  const title = row.warnings.join("\n");
  return h("span", { class: "mark warning", title }, ` ! ${plural(row.warnings.length, "warning")}`);
}

function tiedMark() {
  return h("span", { class: "tied", title: "tied with the best row" }, "≈", screenReaderText("tied with the best row: "), " ");
}

// ---- confidence intervals, on one scale per section

function intervalScale(rows) {
  const bounds = rows.flatMap((row) => [row.accuracy_low, row.accuracy_high]).filter(isKnown);
  if (!bounds.length) return null;
  return { low: Math.floor(Math.min(...bounds) * 20) / 20, high: Math.ceil(Math.max(...bounds) * 20) / 20 };
}

function intervalMark(row, scale) {
  if (!scale || !isKnown(row.accuracy_low)) return UNKNOWN;
  const x = (value) => 4 + (102 * (value - scale.low)) / (scale.high - scale.low || 1);
  const label = `${formatInterval(row.accuracy_low, row.accuracy_high)} %`;
  return s("svg", { class: "forest", viewBox: "0 0 110 20", width: 110, height: 20, role: "img", "aria-label": label },
    s("title", {}, label),
    s("line", { class: "track", x1: 4, x2: 106, y1: 10, y2: 10 }),
    s("line", { class: "interval", x1: x(row.accuracy_low), x2: x(row.accuracy_high), y1: 10, y2: 10 }),
    s("line", { class: "center", x1: x(row.accuracy), x2: x(row.accuracy), y1: 3, y2: 17 }));
}
