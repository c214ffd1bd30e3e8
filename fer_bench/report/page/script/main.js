// From the embedded numbers to the page.

const board = embedded("board");
const byRow = new Map();

function section(found) {
  const rows = found.rows.map((values, place) => rowOf(found, values, place));
  const own = { ...found, rows };
  const columns = board.columns.filter((column) => holds(column, rows));
  const scatter = scatterFigure(own, open);
  const table = boardTable(own, columns, open, (kept) => scatter && scatter.show(kept));
  const remarks = found.remarks.map((text) => h("li", { class: "warning" }, `! ${text}`));
  return h("section", { id: found.id, class: "board-section", "aria-labelledby": `${found.id}-title` },
    h("h2", { id: `${found.id}-title` }, found.dataset, " ", h("span", { class: "beside" }, `protocol ${found.protocol}`)),
    remarks.length ? h("ul", { class: "badges" }, remarks) : null,
    found.text.map((text) => h("p", { class: "measure" }, text)),
    table, found.notes.map((text) => h("p", { class: "hint measure" }, text)),
    scatter && scatter.figure,
    failures(found.failed));
}

function rowOf(found, values, place) {
  const row = Object.fromEntries(board.keys.map((name, index) => [name, values[index]]));
  row.place = place;
  row.section = found;
  row.search = [row.label, row.model, row.recipe, row.variant, row.weights, row.family, row.status, row.reason, ...row.badges]
    .join(" ").toLowerCase();
  byRow.set(row.id, row);
  return row;
}

/** Whether a column says anything in a section. */
function holds(column, rows) {
  if (["rank", "label", "accuracy"].includes(column.key)) return true;
  if (column.kind === "interval") return rows.some((row) => known(row.accuracy_low));
  if (column.key === "failed") return rows.some((row) => row.failed);
  return rows.some((row) => known(row[column.key]) && row[column.key] !== "");
}

function failures(lines) {
  if (!lines.length) return null;
  return h("details", { class: "fold" }, h("summary", {}, plural(lines.length, "failed trial")),
    h("ul", {}, lines.map(([trial, status, reason]) => h("li", {}, `${trial}: `, mark("failed", status), ` ${reason}`))));
}

function notes() {
  const legend = board.columns.map((column) => h("div", {}, h("dt", {}, column.label), h("dd", {}, column.help)));
  return [
    board.ranks && ranksSection(board.ranks),
    board.published && publishedSection(board.published, byRow, open),
    h("section", { id: "machine" }, h("h2", {}, board.machines.length > 1 ? "Machines" : "Machine"),
      h("p", { class: "measure" }, board.machine_text),
      board.machines.length > 1 ? h("ul", {}, board.machines.map(({ text, trials }) => h("li", {}, `${text} (${plural(trials, "trial")})`))) : null),
    h("section", { id: "columns" }, h("h2", {}, "What the columns say"), h("p", { class: "measure" }, board.reading), h("details", { class: "fold" }, h("summary", {}, "Column by column"), h("dl", { class: "legend" }, legend))),
    h("section", { id: "left-out" }, h("h2", {}, "Left out"),
      board.left_out.length
        ? [h("p", {}, `${plural(board.left_out.length, "folder")} of records could not be read:`), h("ul", {}, board.left_out.map(([name, reason]) => h("li", {}, h("code", {}, name), `: ${reason}`)))]
        : h("p", {}, "Nothing: every record of the folder could be read.")),
  ].filter(Boolean);
}

function contents() {
  const places = board.sections.map((found) => [found.id, `${found.dataset} · ${found.protocol}`]);
  if (board.ranks) places.push(["ranks", "Average ranks"]);
  if (board.published) places.push(["reported", "Reported elsewhere"]);
  places.push(["machine", "Machine"], ["columns", "Columns"], ["left-out", "Left out"]);
  return h("ul", {}, places.map(([id, name]) => h("li", {}, h("a", { href: `#${id}` }, name))));
}

// ---- the details of a row have an address, so that they can be linked to and left by the back button

function open(row) {
  location.hash = `row=${row.id}`;
}

function followAddress() {
  const row = byRow.get(location.hash.replace(/^#row=/, ""));
  if (row) openDetails(board, row);
  else if (byId("details").open) byId("details").close();
}

function forgetAddress() {
  if (location.hash.startsWith("#row=")) history.replaceState(null, "", location.pathname + location.search);
}

// ---- light and dark

const THEMES = ["auto", "light", "dark"];

function remembered(value) {
  try {
    if (value) localStorage.setItem("fer-bench-theme", value);
    return localStorage.getItem("fer-bench-theme");
  } catch {
    return null; // a browser may refuse to keep anything for a local file
  }
}

function setTheme(name) {
  document.documentElement.dataset.theme = name;
  byId("theme").textContent = { auto: "◐ Theme: auto", light: "☀ Theme: light", dark: "☾ Theme: dark" }[name];
}

function start() {
  byId("summary").textContent = board.summary;
  byId("colophon").textContent = board.colophon;
  byId("contents").append(contents());
  byId("boards").append(...board.sections.map(section));
  byId("notes").append(...notes());
  const button = byId("theme");
  let theme = THEMES.includes(remembered()) ? remembered() : "auto";
  setTheme(theme);
  button.hidden = false;
  button.addEventListener("click", () => {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    setTheme(theme);
    remembered(theme);
  });
  const dialog = byId("details");
  dialog.addEventListener("close", forgetAddress);
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  window.addEventListener("hashchange", followAddress);
  followAddress();
}

start();
