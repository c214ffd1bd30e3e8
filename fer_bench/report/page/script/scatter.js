// Accuracy against a cost, with the Pareto front.

const COSTS = {
  parameters: { label: "parameters", kind: "amount", sameOnAllMachines: true },
  training_seconds: { label: "training time", kind: "duration" },
  images_per_second: { label: "training images per second", kind: "rate", higherIsBetter: true },
  flops: { label: "FLOPs for one image", kind: "operations", sameOnAllMachines: true },
  latency_p50_seconds: { label: "latency, batch of 1 (median)", kind: "milliseconds" },
  predict_images_per_second: { label: "predicted images per second", kind: "rate", higherIsBetter: true },
  model_bytes: { label: "size on disk", kind: "bytes", sameOnAllMachines: true },
  peak_memory_bytes: { label: "peak memory", kind: "bytes" },
};
const MAX_INTERVALS = 60; // with more points, only the Pareto front has intervals and labels

/** The rows that no other row beats in both accuracy and cost, cheapest first. */
function paretoFront(rows, cost) {
  const sign = COSTS[cost].higherIsBetter ? -1 : 1;
  const cheapest = [...rows].sort((a, b) => sign * (a[cost] - b[cost]) || b.accuracy - a.accuracy);
  let best = -Infinity;
  return cheapest.filter((row) => row.accuracy > best && ((best = row.accuracy), true));
}

/** The Pareto front of each machine, because times of different machines cannot be compared; one for other costs. */
function paretoFronts(rows, cost) {
  const machine = (row) => (COSTS[cost].sameOnAllMachines ? "" : row.machine_numbers);
  return [...new Set(rows.map(machine))].map((number) => paretoFront(rows.filter((row) => machine(row) === number), cost));
}

/** The figure of a section; null if no cost is known for two rows. `show(rows)` dims all other rows. */
function scatterFigure(section, open) {
  const costs = Object.keys(COSTS).filter((cost) => section.rows.filter((row) => row[cost] > 0 && isKnown(row.accuracy)).length > 1);
  if (!costs.length) return null;
  const groups = [...new Set(section.rows.map((row) => row.weights))].sort();
  const several = new Set(section.rows.map((row) => row.machine_numbers)).size > 1;
  const note = h("p", { class: "hint", role: "status" });
  const state = { cost: costs.includes("training_seconds") ? "training_seconds" : costs[0], rows: section.rows };
  const draw = (width) => scatterChart(section, state, groups, width, open, note);
  const box = responsive(draw);
  const redraw = () => box.clientWidth && box.replaceChildren(draw(Math.floor(box.clientWidth)));
  const select = h("select", { change: () => ((state.cost = select.value), redraw()) },
    costs.map((cost) => h("option", { value: cost, selected: cost === state.cost }, COSTS[cost].label)));
  const entries = [...groups.map((name, index) => [`point p${index}`, `${name} weights`]), ["line front", "Pareto front"]];
  const figure = h("figure", { class: "scatter" },
    h("figcaption", {}, h("h3", {}, "Accuracy against cost"), field("Cost", select)),
    box, chartLegend(entries), note,
    h("p", { class: "hint" }, "Bars are 95 % confidence intervals. No row that matches the filter beats a row of the Pareto front in both accuracy " +
      "and cost. Arrow keys move between points; Enter opens the details.",
      several ? " Times of different machines cannot be compared: each machine has a front, and points are hollow except those of machine 1." : null));
  return { figure, show: (rows) => ((state.rows = rows), redraw()) };
}

function scatterChart(section, state, groups, width, open, note) {
  const { cost } = state;
  const all = section.rows.filter((row) => isKnown(row.accuracy) && row[cost] > 0);
  const matching = new Set(state.rows);
  const shownRows = all.filter((row) => matching.has(row));
  const fronts = paretoFronts(shownRows.filter((row) => !row.suspicion), cost);
  const front = fronts.flat();
  const height = Math.max(280, Math.min(440, width * 0.55));
  const plot = chart(width, height, `Accuracy against ${COSTS[cost].label} of ${section.heading}`,
    costAxis(all, cost, width), accuracyAxis(all));
  const position = (row) => [plot.x(row[cost]), plot.y(row.accuracy)];
  plot.layer.append(...fronts.map((one) => s("path", { class: "line front", d: pathData(steps(one.map(position))) })));
  const withIntervals = all.length <= MAX_INTERVALS ? shownRows : front;
  plot.layer.append(...withIntervals.filter((row) => isKnown(row.accuracy_low)).map((row) => s("line", {
    class: `bar p${groups.indexOf(row.weights)}`, x1: position(row)[0], x2: position(row)[0],
    y1: plot.y(row.accuracy_low), y2: plot.y(row.accuracy_high),
  })));
  const points = sorted(all, cost, false).map((row) => {
    const group = groups.indexOf(row.weights);
    const fill = (row.machine_numbers ?? "1") === "1" || COSTS[cost].sameOnAllMachines ? "" : " hollow";
    const shape = symbol(`point p${group}${fill}`, ...position(row), all.length > 300 ? 3.5 : 5.5);
    return s("g", { class: matching.has(row) ? "marker" : "marker dimmed", role: "button", tabindex: -1, "data-row": row.id,
      "aria-label": pointText(row, cost), click: () => open(row),
      focus: () => (note.textContent = pointText(row, cost)),
      mouseenter: () => (note.textContent = pointText(row, cost)) },
    s("title", {}, pointText(row, cost)), shape);
  });
  plot.layer.append(...points);
  enableArrowKeys(plot.svg, points);
  plot.svg.setAttribute("role", "group");
  labelPoints(plot, [...front].reverse(), shownRows, position, obstacles(plot, fronts.map((one) => steps(one.map(position))), withIntervals, cost));
  return plot.svg;
}

function pointText(row, cost) {
  const range = isKnown(row.accuracy_low) ? ` (${formatInterval(row.accuracy_low, row.accuracy_high)})` : "";
  const machine = row.machine_numbers && !COSTS[cost].sameOnAllMachines ? `; machine ${row.machine_numbers}` : "";
  return `${row.label}: accuracy ${formatValue(row.accuracy, "score")} %${range}; ${COSTS[cost].label}: ${formatValue(row[cost], COSTS[cost].kind)}${machine}`;
}

function costAxis(rows, cost, width) {
  const values = rows.map((row) => row[cost]);
  const [low, high] = [Math.min(...values) / 1.25, Math.max(...values) * 1.35];
  const { label, kind } = COSTS[cost];
  const ticks = logTicks(low, high, Math.max(3, Math.floor(width / 90)), ["duration", "target_time"].includes(kind));
  return { low, high, log: true, ticks, label, format: (tick) => formatValue(tick, kind).replace(/\.0+(?=\D|$)/, "") };
}

function accuracyAxis(rows) {
  const bounds = rows.flatMap((row) => [row.accuracy, row.accuracy_low, row.accuracy_high]).filter(isKnown);
  const [low, high] = [Math.max(0, Math.min(...bounds) - 0.01), Math.min(1, Math.max(...bounds) + 0.015)];
  return { low, high, ticks: roundTicks(low, high, 6), label: "test accuracy (%)", format: (tick) => String(Number((100 * tick).toFixed(2))) };
}

/** The corners of a step line through points. */
function steps(points) {
  return points.flatMap(([x, y], index) => (index ? [[x, points[index - 1][1]], [x, y]] : [[x, y]]));
}

/** Makes the points one tab stop; arrow keys move between them. */
function enableArrowKeys(svg, points) {
  if (!points.length) return;
  points[0].setAttribute("tabindex", 0);
  svg.addEventListener("keydown", (event) => {
    const index = points.indexOf(document.activeElement);
    if (index < 0) return;
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (step && points[index + step]) {
      points[index].setAttribute("tabindex", -1);
      points[index + step].setAttribute("tabindex", 0);
      points[index + step].focus();
    } else if (["Enter", " "].includes(event.key)) points[index].dispatchEvent(new MouseEvent("click"));
    // Otherwise the key press that opens the details could also reach their Close button
    if (step || ["Enter", " "].includes(event.key)) event.preventDefault();
  });
}

/** The boxes of the Pareto front and of the intervals, which labels avoid. */
function obstacles(plot, paths, withIntervals, cost) {
  const lines = paths.flatMap((corners) => corners.slice(1).map(([x, y], index) => [corners[index], [x, y]]));
  const bars = withIntervals.filter((row) => isKnown(row.accuracy_low)).map((row) =>
    [[plot.x(row[cost]), plot.y(row.accuracy_high)], [plot.x(row[cost]), plot.y(row.accuracy_low)]]);
  return [...lines, ...bars].map(([a, b]) => [Math.min(a[0], b[0]), Math.min(a[1], b[1]), Math.max(a[0], b[0]), Math.max(a[1], b[1])]);
}

/** Labels points where there is space, the Pareto front first. */
function labelPoints(plot, front, rows, position, lines) {
  const rest = sorted(rows.filter((row) => !front.includes(row)), "accuracy", true);
  const occupied = rows.map(position).map(([x, y]) => [x - 7, y - 7, x + 7, y + 7]).concat(lines);
  for (const row of [...front, ...(rows.length <= MAX_INTERVALS ? rest : [])]) {
    const [x, y] = position(row);
    const length = 6.4 * row.label.length;
    const [right, left] = [x + 8, x - 8 - length];
    const candidates = [[right + 2, y + 4], [left - 2, y + 4], [right, y - 7], [left, y - 7], [right, y + 16], [left, y + 16]];
    const free = candidates.find(([a, b]) => {
      const box = [a, b - 11, a + length, b + 3];
      const inside = a > plot.margin.left && box[2] < plot.width && box[1] > 0 && b < plot.height - plot.margin.bottom;
      return inside && !occupied.some((t) => t[0] < box[2] && box[0] < t[2] && t[1] < box[3] && box[1] < t[3]);
    });
    if (!free) continue;
    occupied.push([free[0], free[1] - 11, free[0] + length, free[1] + 3]);
    plot.layer.append(s("text", { class: front.includes(row) ? "point-label on-front" : "point-label", x: free[0], y: free[1] }, row.label));
  }
}
