// Axes, scales, ticks and legends of all charts.

const ROUND_SECONDS = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 18000, 36000, 86400, 172800, 604800];

/** Round numbers from low to high, about `count` of them. */
function roundTicks(low, high, count) {
  const rough = (high - low) / Math.max(1, count) || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 2.5, 5, 10].find((factor) => factor * power >= rough * 0.999);
  const ticks = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i += 1) ticks.push(Number((i * step).toPrecision(12)));
  return ticks;
}

/** 1, 2 and 5 times powers of ten or round times, at most `count`; linear steps if these are fewer than three. */
function logTicks(low, high, count, seconds) {
  let ticks = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power += 1) {
    ticks.push(...[1, 2, 5].map((factor) => factor * 10 ** power));
  }
  if (seconds && low >= 0.5) ticks = ROUND_SECONDS;
  ticks = ticks.filter((tick) => tick >= low * 0.999 && tick <= high * 1.001);
  if (ticks.length < 3) return roundTicks(low, high, Math.min(count, 5)).filter((tick) => tick > 0);
  while (ticks.length > count && ticks.length > 2) ticks = ticks.filter((_, index) => index % 2 === 0);
  return ticks;
}

/** A scale from values to pixels. */
function makeScale(low, high, from, to, logarithmic) {
  const transform = logarithmic ? Math.log10 : (value) => value;
  const span = transform(high) - transform(low) || 1;
  return (value) => from + ((transform(value) - transform(low)) / span) * (to - from);
}

/**
 * An empty chart: its SVG, the layer to draw in, and the scales x and y.
 * Each axis is {low, high, label, format, log, ticks}; `name` describes the chart for screen readers.
 */
function chart(width, height, name, xAxis, yAxis, margin = { top: 12, right: 14, bottom: 44, left: 52 }) {
  const x = makeScale(xAxis.low, xAxis.high, margin.left, width - margin.right, xAxis.log);
  const y = makeScale(yAxis.low, yAxis.high, height - margin.bottom, margin.top, yAxis.log);
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
  const rotated = `translate(13 ${(margin.top + height - margin.bottom) / 2}) rotate(-90)`;
  svg.append(
    s("line", { class: "axis", x1: margin.left, x2: width - margin.right, y1: height - margin.bottom, y2: height - margin.bottom }),
    s("text", { class: "axis-name", x: middle, y: height - 6, "text-anchor": "middle" }, xAxis.label),
    s("text", { class: "axis-name", transform: rotated, "text-anchor": "middle" }, yAxis.label),
    layer);
  return { svg, layer, x, y, width, height, margin };
}

/** The path data of a line through points, with gaps at unknown values. */
function pathData(points) {
  let command = "M";
  return points.map(([x, y]) => {
    if (!Number.isFinite(x) || !Number.isFinite(y)) {
      command = "M";
      return "";
    }
    const step = `${command}${x.toFixed(1)} ${y.toFixed(1)}`;
    command = "L";
    return step;
  }).join("");
}

/** A legend: one [CSS class, name] per line or point. */
function chartLegend(entries) {
  return h("ul", { class: "chart-legend" }, entries.map(([kind, name]) => h("li", {},
    s("svg", { width: 26, height: 12, viewBox: "0 0 26 12", "aria-hidden": "true" }, legendSymbol(kind)), name)));
}

function legendSymbol(kind) {
  if (kind.startsWith("point")) return symbol(kind, 13, 6, 5);
  if (kind.startsWith("ring")) return s("circle", { class: kind, cx: 13, cy: 6, r: 4.5 });
  if (kind.startsWith("block")) return s("rect", { class: kind, x: 4, width: 18, y: 0, height: 12 });
  return s("line", { class: kind, x1: 1, x2: 25, y1: 6, y2: 6 });
}

/** A circle, square, diamond or triangle, so that groups do not differ by color alone. */
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
