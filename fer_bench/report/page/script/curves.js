// Charts with lines: training curves, ROC, reliability.

const DASHES = 4; // beyond as many colours a line is told by its dashes

function lineKind(index) {
  return `line c${index % 7} d${Math.floor(index / 7) % DASHES}`;
}

/** Loss and accuracy over the epochs of a row's trials; null where no trial came to the end of its first. */
function trainingFigure(details) {
  if (!details.curves.length) return null;
  const pair = h("div", { class: "pair" },
    responsive(h("div", { class: "canvas" }), (width) => historyChart(details, width, "loss", "loss", 1)),
    responsive(h("div", { class: "canvas" }), (width) => historyChart(details, width, "accuracy", "accuracy (%)", 100)));
  const many = details.curves.length > 7;
  const entries = many ? [] : details.curves.map((curve, index) => [lineKind(index), curve.name]);
  entries.push(["line ink", "validation"], ["line ink dashed", "training"], ["ring ink", "epoch kept"]);
  const drawn = details.curves.length < details.curves_of
    ? `The first ${details.curves.length} of ${details.curves_of} trials are drawn. ` : "";
  return h("figure", {}, h("figcaption", {}, h("h3", {}, "Training")), pair, key(entries),
    drawn ? h("p", { class: "hint" }, drawn) : null);
}

function historyChart(details, width, name, label, factor) {
  const series = details.curves.flatMap((curve) => [curve[name], curve[`validation_${name}`]]);
  const values = series.flat().filter(known).map((value) => factor * value);
  const epochs = Math.max(...details.curves.map((curve) => curve[name].length));
  const [low, high] = padded(Math.min(...values), Math.max(...values), factor === 100 ? [0, 100] : [0, Infinity]);
  const steps = roundTicks(1, Math.max(2, epochs), Math.min(epochs, 6)).filter(Number.isInteger);
  const xAxis = { low: 1, high: Math.max(2, epochs), ticks: [...new Set([1, ...steps.filter((tick) => tick > 1)])], label: "epoch", format: String };
  const yAxis = { low, high, ticks: roundTicks(low, high, 5), label, format: String };
  const picture = chart(width, 240, `${label} over ${plural(epochs, "epoch")}`, xAxis, yAxis);
  details.curves.forEach((curve, index) => {
    const path = (values_) => pathOf(values_.map((value, epoch) => [picture.x(epoch + 1), known(value) ? picture.y(factor * value) : NaN]));
    const colour = lineKind(index);
    picture.layer.append(
      s("path", { class: `${colour} dashed`, d: path(curve[name]) }),
      s("path", { class: colour, d: path(curve[`validation_${name}`]) }));
    if (curve[name].length === 1) picture.layer.append(...[curve[name], curve[`validation_${name}`]].map(([value]) =>
      known(value) ? s("circle", { class: `dot ${colour}`, cx: picture.x(1), cy: picture.y(factor * value), r: 3 }) : ""));
    const kept = curve[`validation_${name}`][curve.best - 1];
    if (known(kept)) picture.layer.append(s("circle", { class: `ring ${colour}`, cx: picture.x(curve.best), cy: picture.y(factor * kept), r: 5 }));
  });
  return picture.svg;
}

function padded(low, high, [least, most]) {
  const room = 0.06 * (high - low || 1);
  return [Math.max(least, low - room), Math.min(most, high + room)];
}

const FRACTION = [0, 0.2, 0.4, 0.6, 0.8, 1];

function unitAxis(label) {
  return { low: 0, high: 1, ticks: FRACTION, label, format: String };
}

/** One-vs-rest ROC curves; null where no class has one. */
function rocFigure(details) {
  const { roc, classes } = details;
  if (!roc || !roc.tpr.some(Boolean)) return null;
  const draw = (width) => {
    const picture = chart(width, Math.min(380, width * 0.85), "ROC curve of each class against the rest",
      unitAxis("false positive rate"), unitAxis("true positive rate"));
    picture.layer.append(s("path", { class: "line chance", d: pathOf([[picture.x(0), picture.y(0)], [picture.x(1), picture.y(1)]]) }));
    roc.tpr.forEach((curve, index) => curve && picture.layer.append(s("path", { class: `roc ${lineKind(index)}`,
      d: pathOf(curve.map((value, at) => [picture.x(roc.fpr[at]), picture.y(value)])) }, s("title", {}, classes[index]))));
    return picture.svg;
  };
  const entries = classes.flatMap((name, index) =>
    roc.tpr[index] ? [[`roc ${lineKind(index)}`, `${name} ${shown(details.per_class[index].auc, "number")}`]] : []);
  return h("figure", {}, h("figcaption", {}, h("h3", {}, "ROC curves"), h("p", { class: "hint" }, "Each class against the rest, with its area.")),
    responsive(h("div", { class: "canvas" }), draw), key(entries));
}

/** How often the model is right for how sure it is; null where that was not computed. */
function reliabilityFigure(details) {
  const { reliability } = details;
  if (!reliability) return null;
  const total = reliability.count.reduce((sum, count) => sum + count, 0);
  const bins = reliability.count.length;
  const draw = (width) => {
    const picture = chart(width, Math.min(380, width * 0.85), "Reliability diagram", unitAxis("confidence"), unitAxis("accuracy, and share of the samples"));
    const { x, y } = picture;
    reliability.count.forEach((count, bin) => {
      if (!count) return;
      const [left, right] = [x(bin / bins) + 1, x((bin + 1) / bins) - 1];
      const [sure, right_] = [reliability.confidence[bin], reliability.accuracy[bin]];
      const text = `confidence ${percentEnd(bin / bins)} to ${percentEnd((bin + 1) / bins)} %: ${plural(count, "prediction")}, ${shown(right_, "score")} % right`;
      const bar = (kind, from, to) => s("rect", { class: kind, x: left, width: right - left, y: Math.min(y(from), y(to)), height: Math.abs(y(from) - y(to)) }, s("title", {}, text));
      picture.layer.append(bar("share", 0, count / total), bar("gap", sure, right_),
        s("line", { class: "right", x1: left, x2: right, y1: y(right_), y2: y(right_) }));
    });
    picture.layer.append(s("path", { class: "line chance", d: pathOf([[x(0), y(0)], [x(1), y(1)]]) }));
    return picture.svg;
  };
  const caption = `Expected calibration error ${shown(reliability.ece, "score")} points. On the diagonal a model is right as often as it is sure.`;
  return h("figure", {}, h("figcaption", {}, h("h3", {}, "Reliability"), h("p", { class: "hint" }, caption)),
    responsive(h("div", { class: "canvas" }), draw),
    key([["line right", "accuracy"], ["block gap", "gap to the confidence"], ["block share", "share of the samples"]]));
}
