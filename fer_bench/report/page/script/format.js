// Formats of numbers, as in the other reports. Unknown values are a dash.

const UNKNOWN = "–";
const THIN_SPACE = "\u2009";

function formatCount(value) {
  return Math.round(value).toLocaleString("en-GB");
}

function plural(number, noun) {
  return `${formatCount(number)} ${noun}${number === 1 ? "" : "s"}`;
}

function scaled(value, steps) {
  const [from, divisor, unit, digits] = steps.find(([min]) => value >= min) || steps[steps.length - 1];
  return `${(value / divisor).toFixed(digits)}${THIN_SPACE}${unit}`;
}

function duration(seconds) {
  if (seconds < 59.95) return `${seconds.toFixed(1)}${THIN_SPACE}s`;
  const whole = Math.round(seconds);
  const pad = (number) => String(number).padStart(2, "0");
  const [minutes, hours] = [Math.floor(whole / 60), Math.floor(whole / 3600)];
  return hours ? `${hours} h ${pad(minutes % 60)} min` : `${minutes} min ${pad(whole % 60)} s`;
}

// Formats by the kind of a column.
const FORMATS = {
  text: (value) => String(value),
  count: (value) => (Number.isInteger(value) ? formatCount(value) : value.toFixed(1)),
  score: (value) => (100 * value).toFixed(2),
  number: (value) => value.toFixed(3),
  amount: (value) => scaled(value, [[1e5, 1e6, "M", 2], [0, 1e3, "k", 1]]),
  operations: (value) => scaled(value, [[1e8, 1e9, "G", 2], [0, 1e6, "M", 1]]),
  bytes: (value) => scaled(value, [[2 ** 29, 2 ** 30, "GiB", 2], [2 ** 19, 2 ** 20, "MiB", 1], [0, 2 ** 10, "KiB", 0]]),
  duration,
  target_time: duration,
  milliseconds: (value) => `${(1000 * value).toFixed(value >= 0.1 ? 0 : 1)}${THIN_SPACE}ms`,
  rate: (value) => (value >= 100 ? formatCount(value) : value.toFixed(1)),
};

function formatValue(value, kind) {
  return isKnown(value) ? FORMATS[kind](value) : UNKNOWN;
}

/** `3 min 07 s (2 of 3)`: the time to a target, and how many trials reached it if not all did. */
function targetTime(seconds, reached) {
  if (!isKnown(reached)) return UNKNOWN;
  const [count, total] = reached.split(" of ");
  const time = isKnown(seconds) ? duration(seconds) : "not reached";
  return total === count || total === "1" ? time : `${time} (${reached})`;
}

/** `62.89 ± 0.31`, or `62.89` without a standard deviation. */
function withSpread(value, spread, kind) {
  return formatValue(value, kind) + (isKnown(value) && isKnown(spread) ? ` ± ${formatValue(spread, kind)}` : "");
}

/** `61.2 – 64.5`; a dash if a bound is unknown. */
function formatInterval(low, high) {
  return isKnown(low) && isKnown(high) ? `${(100 * low).toFixed(1)} – ${(100 * high).toFixed(1)}` : UNKNOWN;
}
