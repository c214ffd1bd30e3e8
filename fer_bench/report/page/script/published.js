// The tables below the leaderboards: average ranks and published results.

function ranksSection(ranks) {
  const lines = ranks.lines.map(([model, recipe, weights, backend, ...numbers]) => h("tr", {},
    h("th", { scope: "row", class: "text wrap" }, breakable(model), h("span", { class: "subtext" }, `${recipe}, ${weights} weights, ${backend}`)),
    numberCell(numbers.pop().toFixed(2)), numbers.map((accuracy) => numberCell(formatValue(accuracy, "score")))));
  const names = ["model", "+average rank", ...ranks.sections.map((name) => `+${name}`)];
  return headedSection("ranks", "Average ranks", h("p", { class: "measure" }, ranks.text),
    scrollBox("Average ranks", plainTable(names, lines)));
}

/** Published and measured results are in two separate columns. */
function publishedSection(published, open) {
  const lines = published.lines.map((line) => h("tr", {},
    h("th", { scope: "row", class: "text wrap" }, line.model,
      h("span", { class: "subtext" }, `${line.dataset}, ${line.metric.replaceAll("_", " ")}`)),
    numberCell(line.value.toFixed(2)),
    h("td", { class: "text ours" }, line.ours.length ? line.ours.map((result) => ourResult(result, open)) : UNKNOWN),
    textCell(publishedBadge(line.badge)),
    h("td", { class: "text long" }, line.protocol, h("span", { class: "subtext" }, `test views: ${line.views}`)),
    h("td", { class: "text long" }, sourceLink(line), line.note ? `; ${line.note}` : "")));
  const names = ["model", "+published", "ours", "badge", "their protocol", "source"];
  return headedSection("published", "Published results", h("p", { class: "measure" }, published.text),
    scrollBox("Published results", plainTable(names, lines)));
}

function ourResult(result, open) {
  const row = rowsById.get(result.row);
  const name = h("button", { type: "button", class: "name", click: () => open(row) }, breakable(row.label));
  return h("div", {}, h("span", { class: "figure" }, withSpread(result.value, result.sd, "score")), " ", name,
    h("span", { class: "subtext" }, result.protocol));
}

function publishedBadge(badge) {
  return badge === "selected on validation" ? badge : mark("", `! ${badge}`);
}

/** The page itself makes no request; a link is a request only after a click. */
function sourceLink(line) {
  return line.url ? h("a", { href: line.url, rel: "noreferrer noopener" }, line.source) : line.source;
}
