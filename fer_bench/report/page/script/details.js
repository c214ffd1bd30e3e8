// The details of a row, in a dialog.

const KEY_FIGURES = ["accuracy", "interval", "dedup_accuracy", "balanced_accuracy", "macro_f1", "macro_auc", "ece", "log_loss",
  "parameters", "flops", "model_bytes", "training_seconds", "images_per_second", "latency_p50_seconds", "peak_memory_bytes"];
const WARNINGS = /^(leaky|folds missing|synthetic|external|selected on test|no gap|far better on test)/;

/** Opens the dialog with the details of a row. */
function openDetails(row) {
  const dialog = byId("details");
  dialog.replaceChildren(...renderDetails(row, embedded(`row-${row.id}`)));
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
}

function renderDetails(row, details) {
  const close = h("button", { type: "button", class: "secondary", click: () => byId("details").close(), autofocus: true }, "Close");
  const head = h("header", { class: "details-head" },
    h("div", {}, h("p", { class: "eyebrow" }, row.section.heading), h("h2", { id: "details-title" }, row.label)), close);
  const content = [
    badgeList(row),
    h("p", {}, "Recipe ", h("strong", {}, recipeName(row)), row.recipe_changes ? `: ${row.recipe_changes}` : ""),
    row.reason ? h("p", { class: "notice" }, mark("failed", plural(row.failed, "failed trial")), " ", row.reason) : null,
    ...row.warnings.map((text) => h("p", { class: "notice" }, "! ", text)),
    keyFigures(row),
    trainingFigure(details),
    details.confusion ? confusionFigure(details) : null,
    details.per_class ? perClassFigure(details) : null,
    h("div", { class: "pair" }, rocFigure(details), reliabilityFigure(details)),
    details.heat_maps ? heatMapsFigure(details.heat_maps) : null,
    details.mistakes ? mistakesFigure(details) : null,
    trialsFigure(details),
    recipeFigure(details),
  ];
  return [head, h("div", { class: "details-body" }, content.filter(Boolean))];
}

function badgeList(row) {
  return h("ul", { class: "badges" }, row.badges.map((badge) =>
    h("li", { class: WARNINGS.test(badge) ? "warning" : null }, WARNINGS.test(badge) ? "! " : "", badge)));
}

function keyFigures(row) {
  const columns = KEY_FIGURES.map((name) => leaderboard.columns.find((column) => column.key === name)).filter(Boolean);
  const figures = columns.map((column) => [column, keyFigure(row, column)]).filter(([, text]) => text !== UNKNOWN);
  return figures.length ? h("dl", { class: "key-figures" }, figures.map(([column, text]) =>
    h("div", { title: column.help }, h("dt", {}, column.label), h("dd", {}, text)))) : null;
}

function keyFigure(row, column) {
  if (column.kind === "interval") return formatInterval(row.accuracy_low, row.accuracy_high);
  return withSpread(row[column.key], row[`${column.key}_sd`], column.kind);
}

/** Percentages of each true class, by predicted class. */
function confusionFigure(details) {
  const { classes, confusion } = details;
  const lines = confusion.map((counts, truth) => {
    const total = counts.reduce((sum, count) => sum + count, 0);
    return h("tr", {}, h("th", { scope: "row" }, classes[truth], h("span", { class: "subtext" }, formatCount(total))),
      counts.map((count, predicted) => {
        const fraction = total ? count / total : 0;
        const contrast = fraction > 0.8 ? "inverse-text" : fraction > 0.6 ? "dark-text" : "";
        const title = `${classes[truth]} predicted as ${classes[predicted]}: ${formatCount(count)}`;
        const cell = h("td", { class: `${contrast} ${truth === predicted ? "correct" : ""}`, title },
          total ? (100 * fraction).toFixed(1) : UNKNOWN);
        cell.style.setProperty("--fraction", fraction.toFixed(3));
        return cell;
      }));
  });
  const pooled = details.num_seeds > 1 ? `, ${details.num_seeds} seeds pooled` : "";
  const hint = `Percent of each true class (rows, with their number of images${pooled}) by predicted class (columns).`;
  const heads = [screenReaderText("true class"), ...classes].map((name) => h("th", { scope: "col" }, name));
  return tableFigure("Confusion matrix", hint,
    h("table", { class: "confusion" }, h("thead", {}, h("tr", {}, heads)), h("tbody", {}, lines)));
}

function perClassFigure(details) {
  const lines = details.per_class.map((scores, index) => h("tr", {},
    h("th", { scope: "row" }, details.classes[index]),
    numberCell(formatCount(scores.images)),
    ["precision", "recall", "f1"].map((name) => numberCell(withSpread(scores[name], scores[`${name}_sd`], "score"))),
    h("td", { class: "is-bar" }, scoreBar(scores.f1)),
    numberCell(formatValue(scores.auc, "score"))));
  return tableFigure("Scores per class", null, plainTable(["class", "+images", "+precision", "+recall", "+F1", "", "+AUC"], lines));
}

function scoreBar(value) {
  const width = isKnown(value) ? (160 * value).toFixed(1) : 0;
  return s("svg", { class: "score-bar", viewBox: "0 0 160 12", width: 160, height: 12, "aria-hidden": "true" },
    s("rect", { class: "track", x: 0, y: 0, width: 160, height: 12, rx: 2 }), s("rect", { class: "fill", x: 0, y: 0, width, height: 12, rx: 2 }));
}

/** A table without sorting. The names of numeric columns start with +. */
function plainTable(names, lines) {
  const heads = names.map((name) => h("th", { scope: "col", class: name.startsWith("+") ? "number" : "text" },
    name.replace(/^\+/, "") || screenReaderText("F1 as a bar")));
  return h("table", { class: "static" }, h("thead", {}, h("tr", {}, heads)), h("tbody", {}, lines));
}

/** The mean heat map of each class. No face can be seen in a mean of heat maps. */
function heatMapsFigure({ maps, text, figure: file }) {
  const hint = maps.length ? `${text} The more color a place has, the more it supports the class.` : null;
  return figure("Where it looks", hint,
    h("ul", { class: "heat-maps" }, maps.map(([name, images, rows]) =>
      h("li", {}, heatMap(name, images, rows), name, h("span", { class: "subtext" }, plural(images, "image"))))),
    file ? h("p", { class: "machine" }, h("strong", {}, "Figure: "), h("a", { href: file }, file)) : null);
}

function heatMap(name, images, rows) {
  const cells = rows.flatMap((row, y) => row.map((percent, x) =>
    s("rect", { x, y, width: 1, height: 1, "fill-opacity": percent / 100 })));
  const label = `Where the model looks for ${name}, mean of ${plural(images, "image")}`;
  return s("svg", { class: "heat-map", viewBox: `0 0 ${rows[0].length} ${rows.length}`, role: "img", "aria-label": label }, cells);
}

/** Samples by id. The page never contains images. */
function mistakesFigure(details) {
  const { mistakes, classes } = details;
  const several = mistakes.seeds > 1;
  const lines = mistakes.most_confident.map(([id, truth, predicted, confidence, seeds]) => h("tr", {},
    h("th", { scope: "row", class: "text code" }, id), textCell(classes[truth]), textCell(classes[predicted]),
    numberCell(formatValue(confidence, "score")), several ? numberCell(`${seeds} of ${mistakes.seeds}`) : null));
  const hint = `${formatCount(mistakes.count)} of ${plural(mistakes.samples, "test image")} are classified wrongly${several ? " by the averaged probabilities of all seeds" : ""}. ` +
    `The ${mistakes.most_confident.length} mistakes with the highest confidence are listed.`;
  const names = ["sample", "true class", "predicted class", "+confidence", ...(several ? ["+wrong seeds"] : [])];
  return tableFigure("Most confident mistakes", hint, plainTable(names, lines));
}

function trialsFigure(details) {
  const lines = details.trials.map((trial) => h("tr", { class: trial.status === "finished" ? null : "failed" },
    h("th", { scope: "row", class: "text" }, trial.name),
    trial.status === "finished"
      ? numberCell(formatValue(trial.accuracy, "score"))
      : h("td", { class: "reason" }, mark("failed", trial.status), " ", trial.reason),
    numberCell(trial.epochs ? `${trial.best_epoch ?? UNKNOWN} of ${trial.epochs}` : UNKNOWN),
    numberCell(formatValue(trial.seconds, "duration")), numberCell(formatValue(trial.peak_memory, "bytes")),
    textCell(trial.started), h("td", { class: "text code" }, trial.key)));
  const names = ["trial", "+accuracy", "+selected epoch", "+training time", "+peak memory", "started", "key"];
  return tableFigure("Trials", null, plainTable(names, lines));
}

function recipeFigure(details) {
  const entries = [...Object.entries(leaderboard.recipes[details.recipe]), ...Object.entries(details.provenance)];
  return figure("Recipe and provenance", null,
    h("dl", { class: "recipe" }, entries.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", { class: "code" }, value)))),
    details.model ? h("p", { class: "machine" }, h("strong", {}, "Trained model: "), h("a", { href: details.model }, details.model)) : null,
    details.machines.map((number) => h("p", { class: "machine" }, h("strong", {}, "Machine: "),
      leaderboard.machines.find((machine) => machine.number === number).text)));
}
