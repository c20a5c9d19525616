// Numbers as text. What is also in format.py says the same here; a test compares them.

const PICO_PER_USD = 10n ** 12n;
export const UNKNOWN = "—";

/** A whole number with thousands separators. */
export function count(number) {
  return number.toLocaleString("en-US");
}

/** Dollars from picodollars (a BigInt, or a whole number; null: unknown), as many digits as matter. */
export function usd(pico) {
  if (pico === null) return UNKNOWN;
  const exact = BigInt(pico);
  const sign = exact < 0n ? "-" : "";
  const size = exact < 0n ? -exact : exact;
  if (size === 0n) return "$0.00";
  if (size >= PICO_PER_USD * 1000n - 5_000_000_000n) return `${sign}$${decimal(size, 0)}`;
  if (size >= PICO_PER_USD - 500_000_000n) return `${sign}$${decimal(size, 2)}`;
  // Three digits from the first that is not zero.
  return `${sign}$${decimal(size, Math.min(12, Math.max(2, 15 - String(size).length)))}`;
}

/** Dollars with every digit, at least two after the point. */
export function exactUsd(pico) {
  const size = pico < 0n ? -pico : pico;
  const [whole, places] = decimal(size, 12).split(".");
  return `${pico < 0n ? "-" : ""}$${whole}.${places.replace(/0+$/, "").padEnd(2, "0")}`;
}

/** Picodollars as a decimal number of dollars, halves rounded up. */
function decimal(pico, places) {
  const unit = 10n ** BigInt(12 - places);
  const rounded = (pico + unit / 2n) / unit;
  const digits = String(rounded).padStart(places + 1, "0");
  const whole = BigInt(digits.slice(0, digits.length - places)).toLocaleString("en-US");
  return places ? `${whole}.${digits.slice(-places)}` : whole;
}

/** A whole number in at most five characters. */
export function shortCount(number) {
  if (Number.isNaN(number)) return UNKNOWN;
  if (number < 10_000) return count(number);
  let value = number;
  for (const unit of ["k", "M", "B"]) {
    value /= 1000;
    const rounded = value < 9.995 ? value.toFixed(2) : value < 99.95 ? value.toFixed(1) : value.toFixed(0);
    if (Number(rounded) < 1000 || unit === "B") return rounded + unit;
  }
  return "";
}

/** A duration in nanoseconds. */
export function duration(ns) {
  const digits = (value) =>
    String(Number(value < 9.995 ? value.toFixed(2) : value < 99.95 ? value.toFixed(1) : value.toFixed(0)));
  if (ns < 1e3) return `${ns}ns`;
  if (ns < 999_500) return `${digits(ns / 1e3)}µs`;
  if (ns < 999_500_000) return `${digits(ns / 1e6)}ms`;
  if (ns < 59_995_000_000) return `${(ns / 1e9).toFixed(ns < 9_995_000_000 ? 2 : 1)}s`;
  const seconds = Math.round(ns / 1e9);
  for (const [size, unit, partSize, partUnit] of [
    [86_400, "d", 3_600, "h"],
    [3_600, "h", 60, "m"],
    [60, "m", 1, "s"],
  ]) {
    if (seconds < size) continue;
    const rest = Math.floor((seconds % size) / partSize);
    return `${Math.floor(seconds / size)}${unit}${rest ? ` ${rest}${partUnit}` : ""}`;
  }
  return `${seconds}s`;
}

/** A moment on the axis: a duration without zeros at its end. */
export function moment(ns) {
  return ns === 0 ? "0" : duration(Math.round(ns)).replace(/(\.\d*?)0+(?=\D)/, "$1").replace(/\.(?=\D)/, "");
}

/** The first round number of nanoseconds that is at least `rough`: decimal below a minute. */
export function tickStep(rough) {
  const steps = [60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 28_800, 43_200, 86_400].map((s) => s * 1e9);
  if (rough > 30e9) return steps.find((s) => s >= rough) ?? Math.ceil(rough / 86_400e9) * 86_400e9;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= rough);
  if (step < 20e9) return step;
  return rough <= 15e9 ? 15e9 : 30e9;
}
