// Accuracy against what it costs, with the rows that no other beats on both.

const COSTS = {
  parameters: { label: "parameters", kind: "amount" },
  training_seconds: { label: "training time (h:min:s)", kind: "duration" },
  images_per_second: { label: "training images per second", kind: "rate", more: true },
  flops: { label: "FLOPs for one image", kind: "operations" },
  latency_p50_seconds: { label: "latency, batch of 1 (median)", kind: "milliseconds" },
  predict_images_per_second: { label: "predicted images per second", kind: "rate", more: true },
  model_bytes: { label: "size on disk", kind: "bytes" },
  peak_memory_bytes: { label: "peak memory", kind: "bytes" },
};
const CROWD = 60; // points beyond which intervals would be a thicket: then of the front alone

/** The rows that no other beats on both accuracy and cost, cheapest first. */
function front(rows, cost) {
  const sign = COSTS[cost].more ? -1 : 1;
  const cheapest = [...rows].sort((a, b) => sign * (a[cost] - b[cost]) || b.accuracy - a.accuracy);
  let best = -Infinity;
  return cheapest.filter((row) => row.accuracy > best && ((best = row.accuracy), true));
}

/** The figure of a section; null where nothing has both an accuracy and a cost. Its `show(rows)` leaves the others pale. */
function scatterFigure(section, open) {
  const costs = Object.keys(COSTS).filter((cost) => section.rows.some((row) => row[cost] > 0 && known(row.accuracy)));
  if (!costs.length) return null;
  const groups = [...new Set(section.rows.map((row) => row.weights))].sort();
  const box = h("div", { class: "canvas" });
  const note = h("p", { class: "hint", role: "status" });
  const state = { cost: costs.includes("training_seconds") ? "training_seconds" : costs[0], rows: section.rows };
  const draw = (width) => scatterChart(section, state, groups, width, open, note);
  const redraw = () => box.clientWidth && box.replaceChildren(draw(Math.floor(box.clientWidth)));
  const select = h("select", { change: () => ((state.cost = select.value), redraw()) },
    costs.map((cost) => h("option", { value: cost, selected: cost === state.cost }, COSTS[cost].label)));
  const entries = [...groups.map((name, index) => [`point p${index}`, `${name} weights`]), ["line front", "Pareto front"]];
  const figure = h("figure", { class: "scatter" },
    h("figcaption", {}, h("h3", {}, "Accuracy against cost"), field("Cost", select)),
    responsive(box, draw), key(entries), note,
    h("p", { class: "hint" }, "Bars are 95 % intervals. On the front stand the rows that none of those shown beats on " +
      "both. The arrow keys go from point to point, Enter opens one."));
  return { figure, show: (rows) => ((state.rows = rows), redraw()) };
}

function scatterChart(section, state, groups, width, open, note) {
  const { cost } = state;
  const all = section.rows.filter((row) => known(row.accuracy) && row[cost] > 0);
  const passed = new Set(state.rows);
  const shownRows = all.filter((row) => passed.has(row));
  const best = front(shownRows, cost);
  const height = Math.max(280, Math.min(440, width * 0.55));
  const picture = chart(width, height, `Accuracy against ${COSTS[cost].label} of ${section.heading}`,
    costAxis(all, cost, width), accuracyAxis(all));
  const place = (row) => [picture.x(row[cost]), picture.y(row.accuracy)];
  picture.layer.append(s("path", { class: "line front", d: pathOf(steps(best.map(place))) }));
  const withBars = all.length <= CROWD ? shownRows : best;
  picture.layer.append(...withBars.filter((row) => known(row.accuracy_low)).map((row) => s("line", {
    class: `bar p${groups.indexOf(row.weights)}`, x1: place(row)[0], x2: place(row)[0],
    y1: picture.y(row.accuracy_low), y2: picture.y(row.accuracy_high),
  })));
  const points = sorted(all, cost, false).map((row) => {
    const group = groups.indexOf(row.weights);
    const shape = symbol(`point p${group}`, ...place(row), all.length > 300 ? 3.5 : 5.5);
    return s("g", { class: passed.has(row) ? "spot" : "spot pale", role: "button", tabindex: -1, "data-row": row.id,
      "aria-label": described(row, cost), click: () => open(row),
      focus: () => (note.textContent = described(row, cost)),
      mouseenter: () => (note.textContent = described(row, cost)) },
    s("title", {}, described(row, cost)), shape);
  });
  picture.layer.append(...points);
  walkable(picture.svg, points);
  picture.svg.setAttribute("role", "group");
  nameThem(picture, [...best].reverse(), shownRows, place, obstacles(picture, steps(best.map(place)), withBars, cost));
  return picture.svg;
}

function described(row, cost) {
  const reach = known(row.accuracy_low) ? ` (${interval(row.accuracy_low, row.accuracy_high)})` : "";
  return `${row.label}: accuracy ${shown(row.accuracy, "score")} %${reach}; ${COSTS[cost].label}: ${shown(row[cost], COSTS[cost].kind)}`;
}

function costAxis(rows, cost, width) {
  const values = rows.map((row) => row[cost]);
  const [low, high] = [Math.min(...values) / 1.25, Math.max(...values) * 1.35];
  const { label, kind } = COSTS[cost];
  const ticks = logTicks(low, high, Math.max(3, Math.floor(width / 90)), kind === "duration");
  return { low, high, log: true, ticks, label, format: (tick) => shown(tick, kind).replace(/\.0+(?=\D|$)/, "") };
}

function accuracyAxis(rows) {
  const ends = rows.flatMap((row) => [row.accuracy, row.accuracy_low, row.accuracy_high]).filter(known);
  const [low, high] = [Math.max(0, Math.min(...ends) - 0.01), Math.min(1, Math.max(...ends) + 0.015)];
  return { low, high, ticks: roundTicks(low, high, 6), label: "test accuracy (%)", format: (tick) => String(Number((100 * tick).toFixed(2))) };
}

/** The corners of a staircase through points from left to right or from right to left. */
function steps(points) {
  return points.flatMap(([x, y], index) => (index ? [[x, points[index - 1][1]], [x, y]] : [[x, y]]));
}

/** One stop for the tab key, from which the arrow keys go on. */
function walkable(svg, points) {
  if (!points.length) return;
  points[0].setAttribute("tabindex", 0);
  svg.addEventListener("keydown", (event) => {
    const at = points.indexOf(document.activeElement);
    if (at < 0) return;
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (step && points[at + step]) {
      points[at].setAttribute("tabindex", -1);
      points[at + step].setAttribute("tabindex", 0);
      points[at + step].focus();
    } else if (event.key === "Enter" || event.key === " ") points[at].dispatchEvent(new MouseEvent("click"));
    if (step || event.key === " ") event.preventDefault();
  });
}

/** The boxes of the front's steps and of the intervals, which no name shall cross. */
function obstacles(picture, corners, withBars, cost) {
  const lines = corners.slice(1).map(([x, y], index) => [corners[index], [x, y]]);
  const bars = withBars.filter((row) => known(row.accuracy_low)).map((row) =>
    [[picture.x(row[cost]), picture.y(row.accuracy_high)], [picture.x(row[cost]), picture.y(row.accuracy_low)]]);
  return [...lines, ...bars].map(([a, b]) => [Math.min(a[0], b[0]), Math.min(a[1], b[1]), Math.max(a[0], b[0]), Math.max(a[1], b[1])]);
}

/** Names beside points, the front's first, as long as there is room for them. */
function nameThem(picture, first, rows, place, lines) {
  const rest = sorted(rows.filter((row) => !first.includes(row)), "accuracy", true);
  const taken = rows.map(place).map(([x, y]) => [x - 7, y - 7, x + 7, y + 7]).concat(lines);
  for (const row of [...first, ...(rows.length <= CROWD ? rest : [])]) {
    const [x, y] = place(row);
    const length = 6.4 * row.label.length;
    const free = [[x + 10, y + 4], [x - 10 - length, y + 4], [x + 8, y - 7], [x - 8 - length, y - 7], [x + 8, y + 16], [x - 8 - length, y + 16]].find(([a, b]) => {
      const box = [a, b - 11, a + length, b + 3];
      const inside = a > picture.margin.left && box[2] < picture.width && box[1] > 0 && b < picture.height - picture.margin.bottom;
      return inside && !taken.some((t) => t[0] < box[2] && box[0] < t[2] && t[1] < box[3] && box[1] < t[3]);
    });
    if (!free) continue;
    taken.push([free[0], free[1] - 11, free[0] + length, free[1] + 3]);
    picture.layer.append(s("text", { class: first.includes(row) ? "point-name on-front" : "point-name", x: free[0], y: free[1] }, row.label));
  }
}
