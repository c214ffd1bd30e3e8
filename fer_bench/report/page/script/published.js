// Tables below the leaderboards: ranks over all of them, and figures that others report.

function ranksSection(ranks) {
  const lines = ranks.lines.map(([model, recipe, weights, backend, ...numbers]) => h("tr", {},
    h("th", { scope: "row", class: "words wrap" }, breakable(model), h("span", { class: "under" }, `${recipe}, ${weights} weights, ${backend}`)),
    h("td", { class: "number" }, numbers.pop().toFixed(2)),
    numbers.map((accuracy) => h("td", { class: "number" }, shown(accuracy, "score")))));
  const names = ["model", "+average rank", ...ranks.sections.map((name) => `+${name}`)];
  return h("section", { id: "ranks" }, h("h2", {}, "Average ranks"), h("p", { class: "measure" }, ranks.text),
    scrollBox("Average ranks", plainTable(names, lines)));
}

/** Theirs and ours stand in two columns and are never mixed. */
function publishedSection(published, rows, open) {
  const lines = published.lines.map((line) => h("tr", {},
    h("th", { scope: "row", class: "words wrap" }, line.model,
      h("span", { class: "under" }, `${line.dataset}, ${line.metric.replaceAll("_", " ")}`)),
    h("td", { class: "number" }, line.value.toFixed(2)),
    h("td", { class: "words ours" }, line.ours.length ? line.ours.map((own) => ourFigure(own, rows, open)) : UNKNOWN),
    h("td", { class: "words" }, badgeOf(line.badge)),
    h("td", { class: "words long" }, line.protocol, h("span", { class: "under" }, `test views: ${line.views}`)),
    h("td", { class: "words long" }, sourceOf(line), line.note ? `; ${line.note}` : "")));
  const names = ["model", "+reported", "ours", "badge", "their protocol", "source"];
  return h("section", { id: "reported" }, h("h2", {}, "Reported elsewhere"), h("p", { class: "measure" }, published.text),
    scrollBox("Figures reported elsewhere", plainTable(names, lines)));
}

function ourFigure(own, rows, open) {
  const row = rows.get(own.row);
  const name = h("button", { type: "button", class: "name", click: () => open(row) }, breakable(row.label));
  return h("div", {}, h("span", { class: "figure" }, withSpread(own.value, own.sd, "score")), " ", name, h("span", { class: "under" }, own.protocol));
}

function badgeOf(badge) {
  return badge === "clean" ? badge : mark("", `! ${badge}`);
}

/** Followed only when a reader chooses to: nothing is asked for by the page itself. */
function sourceOf(line) {
  return line.url ? h("a", { href: line.url, rel: "noreferrer noopener" }, line.source) : line.source;
}
