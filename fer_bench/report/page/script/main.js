// Builds the page from the embedded data.

const leaderboard = embedded("leaderboard");
const rowsById = new Map();
for (const { key, label, kind } of leaderboard.columns) if (kind === "target_time") COSTS[key] = { label, kind };

function renderSection(data) {
  const rows = data.rows.map((values, order) => makeRow(data, values, order));
  const section = { ...data, rows };
  const columns = leaderboard.columns.filter((column) => hasValues(column, rows));
  const scatter = scatterFigure(section, open);
  const table = leaderboardTable(section, columns, open, (matching) => scatter && scatter.show(matching));
  const warnings = section.split_notes.map((text) => h("li", { class: "warning" }, `! ${text}`));
  return h("section", { id: section.id, "aria-labelledby": `${section.id}-title` },
    h("h2", { id: `${section.id}-title` }, section.dataset, " ", h("span", { class: "subtitle" }, `protocol ${section.protocol}`)),
    warnings.length ? h("ul", { class: "badges" }, warnings) : null,
    section.text.map((text) => h("p", { class: "measure" }, text)),
    table, warningList(rows), section.notes.map((text) => h("p", { class: "hint measure" }, text)),
    scatter && scatter.figure,
    failures(section.failed));
}

function makeRow(section, values, order) {
  const row = Object.fromEntries(leaderboard.keys.map((name, index) => [name, values[index]]));
  row.order = order;
  row.section = section;
  row.search = [row.label, row.model, row.recipe, row.short_recipe, row.variant, row.weights, row.family, row.status, row.reason, ...row.badges]
    .join(" ").toLowerCase();
  rowsById.set(row.id, row);
  return row;
}

/** Whether a column has values in a section. */
function hasValues(column, rows) {
  if (["rank", "label", "accuracy"].includes(column.key)) return true;
  if (column.kind === "interval") return rows.some((row) => isKnown(row.accuracy_low));
  if (column.key === "failed") return rows.some((row) => row.failed);
  if (column.kind === "target_time") return rows.some((row) => isKnown(row[reachedKey(column)]));
  return rows.some((row) => isKnown(row[column.key]));
}

function warningList(rows) {
  const lines = rows.flatMap((row) => row.warnings.map((text) => h("li", {}, `${row.label}: ${text}`)));
  if (!lines.length) return null;
  return h("details", { class: "collapsible" }, h("summary", {}, plural(lines.length, "warning")), h("ul", {}, lines));
}

function failures(lines) {
  if (!lines.length) return null;
  return h("details", { class: "collapsible" }, h("summary", {}, plural(lines.length, "failed trial")),
    h("ul", {}, lines.map(([trial, status, reason]) => h("li", {}, `${trial}: `, mark("failed", status), ` ${reason}`))));
}

function notes() {
  const columnHelp = leaderboard.columns.map((column) => h("div", {}, h("dt", {}, column.label), h("dd", {}, column.help)));
  return [
    leaderboard.ranks && ranksSection(leaderboard.ranks),
    leaderboard.published && publishedSection(leaderboard.published, open),
    headedSection("machine", leaderboard.machines.length > 1 ? "Machines" : "Machine",
      h("p", { class: "measure" }, leaderboard.machines_text),
      leaderboard.machines.length > 1 ? h("ol", {}, leaderboard.machines.map(({ number, text, trials }) => h("li", { value: number }, `${text} (${plural(trials, "trial")})`))) : null),
    headedSection("columns", "Columns", h("p", { class: "measure" }, leaderboard.columns_text),
      h("details", { class: "collapsible" }, h("summary", {}, "All columns explained"), h("dl", { class: "column-help" }, columnHelp))),
    headedSection("skipped", "Skipped records", ...(leaderboard.skipped.length
      ? [h("p", {}, `${plural(leaderboard.skipped.length, "record folder")} could not be read:`),
        h("ul", {}, leaderboard.skipped.map(([name, reason]) => h("li", {}, h("code", {}, name), `: ${reason}`)))]
      : [h("p", {}, "None. All records were read.")])),
  ].filter(Boolean);
}

function contents() {
  const links = leaderboard.sections.map((section) => [section.id, `${section.dataset} · ${section.protocol}`]);
  if (leaderboard.ranks) links.push(["ranks", "Average ranks"]);
  if (leaderboard.published) links.push(["published", "Published results"]);
  links.push(["machine", leaderboard.machines.length > 1 ? "Machines" : "Machine"], ["columns", "Columns"], ["skipped", "Skipped records"]);
  return h("ul", {}, links.map(([id, name]) => h("li", {}, h("a", { href: `#${id}` }, name))));
}

// ---- the details of a row have a URL, for links and for the back button

function open(row) {
  location.hash = `row=${row.id}`;
}

function openLinkedRow() {
  const row = rowsById.get(location.hash.replace(/^#row=/, ""));
  if (row) openDetails(row);
  else if (byId("details").open) byId("details").close();
}

function clearRowLink() {
  if (location.hash.startsWith("#row=")) history.replaceState(null, "", location.pathname + location.search);
}

// ---- theme

const THEMES = { auto: "◐ Theme: auto", light: "☀ Theme: light", dark: "☾ Theme: dark" };

function storedTheme(newValue) {
  try {
    if (newValue) localStorage.setItem("fer-bench-theme", newValue);
    return localStorage.getItem("fer-bench-theme");
  } catch {
    return null; // some browsers have no storage for local files
  }
}

function setTheme(name) {
  document.documentElement.dataset.theme = name;
  byId("theme").textContent = THEMES[name];
}

function start() {
  byId("summary").textContent = leaderboard.summary;
  byId("footer").textContent = leaderboard.footer;
  byId("contents").append(contents());
  byId("tables").append(...leaderboard.sections.map(renderSection));
  byId("notes").append(...notes());
  const button = byId("theme");
  const names = Object.keys(THEMES);
  let theme = names.includes(storedTheme()) ? storedTheme() : "auto";
  setTheme(theme);
  button.hidden = false;
  button.addEventListener("click", () => {
    theme = names[(names.indexOf(theme) + 1) % names.length];
    setTheme(theme);
    storedTheme(theme);
  });
  const dialog = byId("details");
  dialog.addEventListener("close", clearRowLink);
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  window.addEventListener("hashchange", openLinkedRow);
  openLinkedRow();
}

start();
