// Axes, scales and ticks of every chart.

const ROUND_SECONDS = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 18000, 36000, 86400, 172800, 604800];

/** Round numbers from low to high, about as many as asked for. */
function roundTicks(low, high, number) {
  const rough = (high - low) / Math.max(1, number) || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 2.5, 5, 10].find((factor) => factor * power >= rough * 0.999);
  const ticks = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i += 1) ticks.push(Number((i * step).toPrecision(12)));
  return ticks;
}

/** 1, 2 and 5 times powers of ten, or round times; fewer where they would crowd, plain steps where they are too far. */
function logTicks(low, high, number, seconds) {
  let ticks = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power += 1) {
    ticks.push(...[1, 2, 5].map((factor) => factor * 10 ** power));
  }
  if (seconds && low >= 0.5) ticks = ROUND_SECONDS;
  ticks = ticks.filter((tick) => tick >= low * 0.999 && tick <= high * 1.001);
  if (ticks.length < 3) return roundTicks(low, high, Math.min(number, 5)).filter((tick) => tick > 0);
  while (ticks.length > number && ticks.length > 2) ticks = ticks.filter((_, index) => index % 2 === 0);
  return ticks;
}

/** A scale from values to pixels. */
function scaleOf(low, high, from, to, logarithmic) {
  const place = logarithmic ? Math.log10 : (value) => value;
  const span = place(high) - place(low) || 1;
  return (value) => from + ((place(value) - place(low)) / span) * (to - from);
}

/**
 * An empty chart: its SVG, the layer to draw in, and the scales x and y.
 * Each axis is {low, high, label, format, log, ticks}; `name` says what the picture shows to those who cannot see it.
 */
function chart(width, height, name, xAxis, yAxis, margin = { top: 12, right: 14, bottom: 44, left: 52 }) {
  const x = scaleOf(xAxis.low, xAxis.high, margin.left, width - margin.right, xAxis.log);
  const y = scaleOf(yAxis.low, yAxis.high, height - margin.bottom, margin.top, yAxis.log);
  const svg = s("svg", { class: "chart", viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": name });
  const layer = s("g", {});
  for (const tick of xAxis.ticks) {
    svg.append(
      s("line", { class: "grid", x1: x(tick), x2: x(tick), y1: margin.top, y2: height - margin.bottom }),
      s("text", { class: "tick", x: x(tick), y: height - margin.bottom + 17, "text-anchor": "middle" }, xAxis.format(tick)));
  }
  for (const tick of yAxis.ticks) {
    svg.append(
      s("line", { class: "grid", x1: margin.left, x2: width - margin.right, y1: y(tick), y2: y(tick) }),
      s("text", { class: "tick", x: margin.left - 8, y: y(tick) + 4, "text-anchor": "end" }, yAxis.format(tick)));
  }
  const middle = (margin.left + width - margin.right) / 2;
  const turned = `translate(13 ${(margin.top + height - margin.bottom) / 2}) rotate(-90)`;
  svg.append(
    s("line", { class: "axis", x1: margin.left, x2: width - margin.right, y1: height - margin.bottom, y2: height - margin.bottom }),
    s("text", { class: "axis-name", x: middle, y: height - 6, "text-anchor": "middle" }, xAxis.label),
    s("text", { class: "axis-name", transform: turned, "text-anchor": "middle" }, yAxis.label),
    layer);
  return { svg, layer, x, y, width, height, margin };
}

/** A path through points, broken where one is not known. */
function pathOf(points) {
  let pen = "M";
  return points.map(([x, y]) => {
    if (!Number.isFinite(x) || !Number.isFinite(y)) {
      pen = "M";
      return "";
    }
    const step = `${pen}${x.toFixed(1)} ${y.toFixed(1)}`;
    pen = "L";
    return step;
  }).join("");
}

/** A key to lines or marks: [class of the line, name] each, drawn as in the chart. */
function key(entries) {
  return h("ul", { class: "key" }, entries.map(([kind, name]) => h("li", {},
    s("svg", { width: 26, height: 12, viewBox: "0 0 26 12", "aria-hidden": "true" }, keyMark(kind)), name)));
}

function keyMark(kind) {
  if (kind.startsWith("point")) return symbol(kind, 13, 6, 5);
  if (kind.startsWith("ring")) return s("circle", { class: kind, cx: 13, cy: 6, r: 4.5 });
  if (kind.startsWith("block")) return s("rect", { class: kind, x: 4, width: 18, y: 0, height: 12 });
  return s("line", { class: kind, x1: 1, x2: 25, y1: 6, y2: 6 });
}

/** A circle, square, diamond or triangle: no group is told by its colour alone. */
function symbol(kind, x, y, size) {
  const shape = Number(kind.replace(/\D/g, "")) % 4;
  if (shape === 0) return s("circle", { class: kind, cx: x, cy: y, r: size });
  const r = size * 1.15;
  const corners = [
    [],
    [[-0.85, -0.85], [0.85, -0.85], [0.85, 0.85], [-0.85, 0.85]],
    [[0, -1.2], [1.2, 0], [0, 1.2], [-1.2, 0]],
    [[0, -1.15], [1.1, 0.85], [-1.1, 0.85]],
  ][shape];
  return s("polygon", { class: kind, points: corners.map(([a, b]) => `${(x + a * r).toFixed(1)},${(y + b * r).toFixed(1)}`).join(" ") });
}
