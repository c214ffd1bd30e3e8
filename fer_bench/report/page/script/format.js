// Numbers as people read them, in the same way as the other reports. What is not known is a dash.

const UNKNOWN = "–";
const THIN = "\u2009";

function grouped(value) {
  return Math.round(value).toLocaleString("en-GB");
}

function plural(number, noun) {
  return `${grouped(number)} ${noun}${number === 1 ? "" : "s"}`;
}

function scaled(value, steps) {
  const [from, divisor, unit, digits] = steps.find(([least]) => value >= least) || steps[steps.length - 1];
  return `${(value / divisor).toFixed(digits)}${THIN}${unit}`;
}

function duration(seconds) {
  if (seconds < 59.95) return `${seconds.toFixed(1)}${THIN}s`;
  const whole = Math.round(seconds);
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor((whole % 3600) / 60);
  const two = (number) => String(number).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

// By the kind of a column: what its numbers look like.
const FORMATS = {
  text: (value) => String(value),
  count: (value) => (Number.isInteger(value) ? grouped(value) : value.toFixed(1)),
  score: (value) => (100 * value).toFixed(2),
  number: (value) => value.toFixed(3),
  amount: (value) => scaled(value, [[1e5, 1e6, "M", 2], [0, 1e3, "k", 1]]),
  operations: (value) => scaled(value, [[1e8, 1e9, "G", 2], [0, 1e6, "M", 1]]),
  bytes: (value) => scaled(value, [[2 ** 29, 2 ** 30, "GiB", 2], [2 ** 19, 2 ** 20, "MiB", 1], [0, 2 ** 10, "KiB", 0]]),
  duration,
  milliseconds: (value) => `${(1000 * value).toFixed(value >= 0.1 ? 0 : 1)}${THIN}ms`,
  rate: (value) => (value >= 100 ? grouped(value) : value.toFixed(1)),
};

function shown(value, kind) {
  return value === null || value === undefined || value === "" ? UNKNOWN : FORMATS[kind](value);
}

/** `62.89 ± 0.31`, without the ± where there is no spread. */
function withSpread(value, spread, kind) {
  if (value === null || value === undefined) return UNKNOWN;
  return shown(value, kind) + (spread === null || spread === undefined ? "" : ` ± ${shown(spread, kind)}`);
}

/** `61.2 – 64.5`; a dash where either end is missing. */
function interval(low, high) {
  if (low === null || low === undefined || high === null || high === undefined) return UNKNOWN;
  return `${(100 * low).toFixed(1)} – ${(100 * high).toFixed(1)}`;
}
