// All that is known of one row, in a dialogue over the page.

const FACTS = ["accuracy", "interval", "clean_accuracy", "balanced_accuracy", "macro_f1", "macro_auc", "ece", "log_loss",
  "parameters", "flops", "model_bytes", "training_seconds", "images_per_second", "latency_p50_seconds", "peak_memory_bytes"];
const WARNINGS = /^(leaky|folds missing|synthetic|external|selected on test)/;

/** Opens the dialogue on a row. */
function openDetails(board, row) {
  const dialog = byId("details");
  dialog.replaceChildren(...detailsOf(board, row, embedded(`row-${row.id}`)));
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
}

function detailsOf(board, row, details) {
  const close = h("button", { type: "button", class: "quiet", click: () => byId("details").close(), autofocus: true }, "Close");
  const head = h("header", { class: "details-head" },
    h("div", {}, h("p", { class: "eyebrow" }, row.section.heading), h("h2", { id: "details-title" }, row.label)), close);
  const parts = [
    badgesOf(row),
    row.reason ? h("p", { class: "notice" }, mark("failed", plural(row.failed, "failed trial")), " ", row.reason) : null,
    factsOf(board, row),
    trainingFigure(details),
    details.confusion ? confusionFigure(details) : null,
    details.per_class ? perClassFigure(details) : null,
    h("div", { class: "pair" }, rocFigure(details), reliabilityFigure(details)),
    details.mistakes ? mistakesFigure(details) : null,
    trialsFigure(details),
    recipeFigure(board, details),
  ];
  return [head, h("div", { class: "details-body" }, parts.filter(Boolean))];
}

function badgesOf(row) {
  return h("ul", { class: "badges" }, row.badges.map((badge) =>
    h("li", { class: WARNINGS.test(badge) ? "warning" : null }, WARNINGS.test(badge) ? "! " : "", badge)));
}

function factsOf(board, row) {
  const columns = FACTS.map((name) => board.columns.find((column) => column.key === name)).filter(Boolean);
  const facts = columns.map((column) => [column.label, factOf(row, column)]).filter(([, text]) => text !== UNKNOWN);
  return facts.length ? h("dl", { class: "facts" }, facts.map(([name, text]) => h("div", {}, h("dt", {}, name), h("dd", {}, text)))) : null;
}

function factOf(row, column) {
  if (column.kind === "interval") return interval(row.accuracy_low, row.accuracy_high);
  return withSpread(row[column.key], row[`${column.key}_sd`], column.kind);
}

/** Counts by true and predicted class, each true class in per cent. */
function confusionFigure(details) {
  const { classes, confusion } = details;
  const lines = confusion.map((counts, truth) => {
    const total = counts.reduce((sum, count) => sum + count, 0);
    return h("tr", {}, h("th", { scope: "row" }, classes[truth], h("span", { class: "under" }, grouped(total))),
      counts.map((count, predicted) => {
        const share = total ? count / total : 0;
        const depth = share > 0.8 ? "deepest" : share > 0.6 ? "deep" : "";
        const cell = h("td", { class: `${depth} ${truth === predicted ? "hit" : ""}`, title: `${classes[truth]} taken for ${classes[predicted]}: ${grouped(count)}` },
          total ? (100 * share).toFixed(1) : UNKNOWN);
        cell.style.setProperty("--share", share.toFixed(3));
        return cell;
      }));
  });
  return h("figure", {},
    h("figcaption", {}, h("h3", {}, "Confusion matrix"), h("p", { class: "hint" }, `Per cent of each true class (rows, with their number of images${details.pooled > 1 ? `, ${details.pooled} seeds pooled` : ""}) by predicted class (columns).`)),
    scrollBox("Confusion matrix", h("table", { class: "confusion" },
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, spoken("true class")), classes.map((name) => h("th", { scope: "col" }, name)))),
      h("tbody", {}, lines))));
}

function perClassFigure(details) {
  const lines = details.per_class.map((found, index) => h("tr", {},
    h("th", { scope: "row" }, details.classes[index]),
    h("td", { class: "number" }, grouped(found.images)),
    ["precision", "recall"].map((name) => h("td", { class: "number" }, withSpread(found[name], found[`${name}_sd`], "score"))),
    h("td", { class: "number" }, withSpread(found.f1, found.f1_sd, "score")),
    h("td", { class: "is-bar" }, shareBar(found.f1)),
    h("td", { class: "number" }, shown(found.auc, "score"))));
  return h("figure", {}, h("figcaption", {}, h("h3", {}, "Class by class")),
    scrollBox("Scores of each class", plainTable(["class", "+images", "+precision", "+recall", "+F1", "", "+AUC"], lines)));
}

function shareBar(value) {
  const width = known(value) ? (160 * value).toFixed(1) : 0;
  return s("svg", { class: "share-bar", viewBox: "0 0 160 12", width: 160, height: 12, "aria-hidden": "true" },
    s("rect", { class: "rail", x: 0, y: 0, width: 160, height: 12, rx: 2 }), s("rect", { class: "fill", x: 0, y: 0, width, height: 12, rx: 2 }));
}

/** A table without sorting; columns with numbers are named with a leading +. */
function plainTable(names, lines) {
  const heads = names.map((name) => h("th", { scope: "col", class: name.startsWith("+") ? "number" : "words" },
    name.replace(/^\+/, "") || spoken("F1 as a bar")));
  return h("table", { class: "plain" }, h("thead", {}, h("tr", {}, heads)), h("tbody", {}, lines));
}

/** Samples by their ids alone: no image is ever in this page. */
function mistakesFigure(details) {
  const { mistakes, classes } = details;
  const several = mistakes.seeds > 1;
  const lines = mistakes.first.map(([id, truth, predicted, confidence, seeds]) => h("tr", {},
    h("th", { scope: "row", class: "words code" }, id), h("td", { class: "words" }, classes[truth]), h("td", { class: "words" }, classes[predicted]),
    h("td", { class: "number" }, shown(confidence, "score")), several ? h("td", { class: "number" }, `${seeds} of ${mistakes.seeds}`) : null));
  const hint = `${grouped(mistakes.number)} of ${plural(mistakes.samples, "test image")} are mistaken${several ? " by the mean of the seeds" : ""}; ` +
    `these ${mistakes.first.length} with the greatest confidence.`;
  const names = ["sample", "true class", "taken for", "+confidence", ...(several ? ["+seeds wrong"] : [])];
  return h("figure", {}, h("figcaption", {}, h("h3", {}, "Most confident mistakes"), h("p", { class: "hint" }, hint)),
    scrollBox("Most confident mistakes", plainTable(names, lines)));
}

function trialsFigure(details) {
  const lines = details.trials.map((trial) => h("tr", { class: trial.status === "finished" ? null : "failed" },
    h("th", { scope: "row", class: "words" }, trial.name),
    trial.status === "finished" ? h("td", { class: "number" }, shown(trial.accuracy, "score")) : h("td", { class: "why" }, mark("failed", trial.status), " ", trial.reason),
    h("td", { class: "number" }, trial.epochs ? `${trial.best_epoch ?? UNKNOWN} of ${trial.epochs}` : UNKNOWN),
    h("td", { class: "number" }, shown(trial.seconds, "duration")), h("td", { class: "number" }, shown(trial.peak_memory, "bytes")),
    h("td", { class: "words" }, trial.started), h("td", { class: "words code" }, trial.key)));
  const names = ["trial", "+accuracy", "+epoch kept", "+training time", "+peak memory", "started", "key"];
  return h("figure", {}, h("figcaption", {}, h("h3", {}, "Trials")), scrollBox("Trials", plainTable(names, lines)));
}

function recipeFigure(board, details) {
  const entries = [...Object.entries(board.recipes[details.recipe]), ...Object.entries(details.identity)];
  return h("figure", {}, h("figcaption", {}, h("h3", {}, "Recipe and provenance")),
    h("dl", { class: "recipe" }, entries.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", { class: "code" }, value)))),
    details.machines.map((index) => h("p", { class: "machine" }, h("strong", {}, "Machine. "), board.machines[index].text)));
}
