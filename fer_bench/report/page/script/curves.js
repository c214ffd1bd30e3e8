// Charts with lines: training curves, ROC, reliability.

const NUM_COLORS = 7;
const NUM_WIDTHS = 4; // lines with the same color differ by their width

function lineClass(index) {
  return `line c${index % NUM_COLORS} w${Math.floor(index / NUM_COLORS) % NUM_WIDTHS}`;
}

/** Loss and accuracy by epoch of a row's trials; null if no trial finished an epoch. */
function trainingFigure(details) {
  if (!details.curves.length) return null;
  const pair = h("div", { class: "pair" },
    responsive((width) => historyChart(details, width, "loss", "loss", 1)),
    responsive((width) => historyChart(details, width, "accuracy", "accuracy (%)", 100)));
  const showNames = details.curves.length <= NUM_COLORS;
  const entries = !showNames ? [] : details.curves.map((curve, index) => [lineClass(index), curve.name]);
  entries.push(["line ink", "validation"], ["line ink dashed", "training"], ["ring ink", "selected epoch"]);
  const note = details.curves.length < details.num_curves
    ? `Shows the first ${details.curves.length} of ${details.num_curves} trials.` : "";
  return figure("Training", null, pair, chartLegend(entries), note && h("p", { class: "hint" }, note));
}

function historyChart(details, width, name, label, factor) {
  const series = details.curves.flatMap((curve) => [curve[name], curve[`validation_${name}`]]);
  const values = series.flat().filter(isKnown).map((value) => factor * value);
  const epochs = Math.max(...details.curves.map((curve) => curve[name].length));
  const [low, high] = padded(Math.min(...values), Math.max(...values), factor === 100 ? [0, 100] : [0, Infinity]);
  const steps = roundTicks(1, Math.max(2, epochs), Math.min(epochs, 6)).filter(Number.isInteger);
  const ticks = [...new Set([1, ...steps.filter((tick) => tick > 1)])];
  const xAxis = { low: 1, high: Math.max(2, epochs), ticks, label: "epoch", format: String };
  const yAxis = { low, high, ticks: roundTicks(low, high, 5), label, format: String };
  const plot = chart(width, 240, `${label} over ${plural(epochs, "epoch")}`, xAxis, yAxis);
  details.curves.forEach((curve, index) => {
    const point = (value, epoch) => [plot.x(epoch + 1), isKnown(value) ? plot.y(factor * value) : NaN];
    const path = (series) => pathData(series.map(point));
    const lineStyle = lineClass(index);
    plot.layer.append(
      s("path", { class: `${lineStyle} dashed`, d: path(curve[name]) }),
      s("path", { class: lineStyle, d: path(curve[`validation_${name}`]) }));
    if (curve[name].length === 1) plot.layer.append(...[curve[name], curve[`validation_${name}`]].map(([value]) =>
      isKnown(value) ? s("circle", { class: `dot ${lineStyle}`, cx: plot.x(1), cy: plot.y(factor * value), r: 3 }) : ""));
    const selected = curve[`validation_${name}`][curve.best_epoch - 1];
    if (isKnown(selected)) {
      const [cx, cy] = point(selected, curve.best_epoch - 1);
      plot.layer.append(s("circle", { class: `ring ${lineStyle}`, cx, cy, r: 5 }));
    }
  });
  return plot.svg;
}

function padded(low, high, [min, max]) {
  const padding = 0.06 * (high - low || 1);
  return [Math.max(min, low - padding), Math.min(max, high + padding)];
}

const FRACTION = [0, 0.2, 0.4, 0.6, 0.8, 1];

function diagonal({ x, y }) {
  return s("path", { class: "line chance", d: pathData([[x(0), y(0)], [x(1), y(1)]]) });
}

function unitAxis(label) {
  return { low: 0, high: 1, ticks: FRACTION, label, format: String };
}

/** One-vs-rest ROC curves; null if no class has one. */
function rocFigure(details) {
  const { roc, classes } = details;
  if (!roc || !roc.tpr.some(Boolean)) return null;
  const draw = (width) => {
    const plot = chart(width, Math.min(380, width * 0.85), "ROC curve of each class against the rest",
      unitAxis("false positive rate"), unitAxis("true positive rate"));
    plot.layer.append(diagonal(plot));
    roc.tpr.forEach((curve, index) => curve && plot.layer.append(s("path", { class: `roc ${lineClass(index)}`,
      d: pathData(curve.map((value, point) => [plot.x(roc.fpr[point]), plot.y(value)])) }, s("title", {}, classes[index]))));
    return plot.svg;
  };
  const entries = classes.flatMap((name, index) =>
    roc.tpr[index] ? [[`roc ${lineClass(index)}`, `${name} ${formatValue(details.per_class[index].auc, "number")}`]] : []);
  const caption = "One class against the rest; the number is the area under the curve (AUC).";
  return figure("ROC curves", caption, responsive(draw), chartLegend(entries));
}

/** Accuracy by confidence; null if it was not computed. */
function reliabilityFigure(details) {
  const { reliability } = details;
  if (!reliability) return null;
  const total = reliability.count.reduce((sum, count) => sum + count, 0);
  const bins = reliability.count.length;
  const draw = (width) => {
    const plot = chart(width, Math.min(380, width * 0.85), "Reliability diagram",
      unitAxis("confidence"), unitAxis("accuracy, fraction of samples"));
    const { x, y } = plot;
    reliability.count.forEach((count, bin) => {
      if (!count) return;
      const [left, right] = [x(bin / bins) + 1, x((bin + 1) / bins) - 1];
      const [confidence, accuracy] = [reliability.confidence[bin], reliability.accuracy[bin]];
      const range = `${formatPercent(bin / bins)} to ${formatPercent((bin + 1) / bins)} %`;
      const label = `confidence ${range}: ${plural(count, "prediction")}, accuracy ${formatValue(accuracy, "score")} %`;
      const bar = (kind, from, to) => s("rect",
        { class: kind, x: left, width: right - left, y: Math.min(y(from), y(to)), height: Math.abs(y(from) - y(to)) },
        s("title", {}, label));
      plot.layer.append(bar("fraction", 0, count / total), bar("gap", confidence, accuracy),
        s("line", { class: "accuracy", x1: left, x2: right, y1: y(accuracy), y2: y(accuracy) }));
    });
    plot.layer.append(diagonal(plot));
    return plot.svg;
  };
  const caption = `Expected calibration error ${formatValue(reliability.ece, "score")} points. On the diagonal, accuracy equals confidence.`;
  const entries = [["line accuracy", "accuracy"], ["block gap", "gap to the confidence"], ["block fraction", "fraction of samples"]];
  return figure("Reliability", caption, responsive(draw), chartLegend(entries));
}
