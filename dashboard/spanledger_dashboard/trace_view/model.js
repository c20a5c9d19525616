// The trace as arrays, and numbers as text. No DOM here: view.js is joined after this file into one
// module, and the tests import this one alone.

export const FLAG_ERROR = 1;
export const FLAG_UNPRICED = 2;
export const FLAG_MERGED = 4;
export const FLAG_NO_USAGE = 8;

const TYPES = { f8: Float64Array, i4: Int32Array, u1: Uint8Array };
const ALIGNMENT = 8;
const PICO_PER_USD = 1e12;

const aligned = (length) => length + ((ALIGNMENT - (length % ALIGNMENT)) % ALIGNMENT);

/** Reads the block trace_payload.py packs: {header, columns by name}. */
export function unpack(bytes) {
  // A view into a larger buffer may start off the alignment the typed arrays need.
  const block = bytes.byteOffset % ALIGNMENT ? bytes.slice() : bytes;
  const headerLength = new DataView(block.buffer, block.byteOffset, 4).getUint32(0, true);
  const text = new TextDecoder().decode(block.subarray(4, 4 + headerLength));
  const header = JSON.parse(text);
  const columns = {};
  let at = 4 + headerLength;
  for (const [name, type, count] of header.columns) {
    const array = new TYPES[type](block.buffer, block.byteOffset + at, count);
    columns[name] = array;
    at += aligned(array.byteLength);
  }
  return { header, columns };
}

/** The tree of a trace: order, depth and sums, each one typed array over spans. */
export class TraceModel {
  constructor(header, columns) {
    this.header = header;
    this.columns = columns;
    this.count = columns.start.length;
    this.parent = Int32Array.from(columns.parent);
    this.#order();
    this.#sum();
  }

  text(column, span) {
    return this.header.dictionaries[column][this.columns[column][span]];
  }

  has(span, flag) {
    return (this.columns.flags[span] & flag) !== 0;
  }

  id(span) {
    let hex = "";
    for (let i = span * 8; i < span * 8 + 8; i += 1) {
      hex += this.columns.id[i].toString(16).padStart(2, "0");
    }
    return hex;
  }

  find(id) {
    for (let span = 0; span < this.count; span += 1) if (this.id(span) === id) return span;
    return -1;
  }

  isParent(span) {
    return this.size[span] > 1;
  }

  /** Spans in depth-first order; children by start, as the rows came. */
  #order() {
    const n = this.count;
    const firstChild = new Int32Array(n).fill(-1);
    const nextSibling = new Int32Array(n).fill(-1);
    for (let span = n - 1; span >= 0; span -= 1) {
      const parent = this.parent[span];
      if (parent < 0) continue;
      nextSibling[span] = firstChild[parent];
      firstChild[parent] = span;
    }
    this.order = new Int32Array(n);
    this.position = new Int32Array(n).fill(-1);
    this.depth = new Int32Array(n);
    let filled = 0;
    const visit = (root) => {
      const stack = [root];
      while (stack.length) {
        const span = stack.pop();
        if (this.position[span] >= 0) continue;
        this.position[span] = filled;
        this.order[filled] = span;
        filled += 1;
        const children = [];
        for (let c = firstChild[span]; c >= 0; c = nextSibling[c]) {
          if (this.position[c] >= 0) continue;
          this.depth[c] = this.depth[span] + 1;
          children.push(c);
        }
        for (let i = children.length - 1; i >= 0; i -= 1) stack.push(children[i]);
      }
    };
    for (let span = 0; span < n; span += 1) if (this.parent[span] < 0) visit(span);
    // What no root leads to is a loop of parents: open it at its earliest span.
    for (let span = 0; span < n; span += 1) {
      if (this.position[span] >= 0) continue;
      this.parent[span] = -1;
      visit(span);
    }
  }

  /** Sums over each span and everything below it. */
  #sum() {
    const n = this.count;
    const { start, duration, cost } = this.columns;
    this.size = new Int32Array(n).fill(1);
    this.errors = new Int32Array(n);
    this.unpriced = new Int32Array(n);
    this.total = new Float64Array(n);
    this.end = new Float64Array(n);
    this.length = 0;
    for (let i = n - 1; i >= 0; i -= 1) {
      const span = this.order[i];
      const parent = this.parent[span];
      this.errors[span] += this.has(span, FLAG_ERROR) ? 1 : 0;
      this.unpriced[span] += this.has(span, FLAG_UNPRICED) ? 1 : 0;
      this.total[span] += Number.isNaN(cost[span]) ? 0 : cost[span];
      this.end[span] = start[span] + duration[span];
      this.length = Math.max(this.length, this.end[span]);
      if (parent < 0) continue;
      this.size[parent] += this.size[span];
      this.errors[parent] += this.errors[span];
      this.unpriced[parent] += this.unpriced[span];
      this.total[parent] += this.total[span];
    }
    this.grandTotal = 0;
    for (let span = 0; span < n; span += 1) if (this.parent[span] < 0) this.grandTotal += this.total[span];
    this.length = Math.max(this.length, 1);
  }

  /** Spans to show, top to bottom, given which are collapsed. */
  visible(collapsed) {
    const rows = new Int32Array(this.count);
    let filled = 0;
    for (let i = 0; i < this.count; ) {
      const span = this.order[i];
      rows[filled] = span;
      filled += 1;
      i += collapsed.has(span) ? this.size[span] : 1;
    }
    return rows.subarray(0, filled);
  }

  /** Spans, in tree order, whose name, model, agent or id holds the text. */
  search(text) {
    const wanted = text.trim().toLowerCase();
    if (!wanted) return [];
    const hits = {};
    for (const column of ["name", "model", "agent_name"]) {
      hits[column] = this.header.dictionaries[column].map((t) => t.toLowerCase().includes(wanted));
    }
    const isId = /^[0-9a-f]{4,16}$/.test(wanted);
    return Array.from(this.order).filter(
      (span) =>
        hits.name[this.columns.name[span]] ||
        hits.model[this.columns.model[span]] ||
        hits.agent_name[this.columns.agent_name[span]] ||
        (isId && this.id(span).startsWith(wanted)),
    );
  }

  /** Spans that failed, in tree order. */
  failed() {
    return Array.from(this.order).filter((span) => this.has(span, FLAG_ERROR));
  }
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

// The three below say the same as format.py; a test compares them.

/** Dollars from picodollars. */
export function usd(pico) {
  if (Number.isNaN(pico)) return "—";
  const size = pico / PICO_PER_USD;
  if (size === 0) return "$0.00";
  if (size >= 999.995) return `$${Math.round(size).toLocaleString("en-US")}`;
  if (size >= 0.9995) return `$${size.toFixed(2)}`;
  const places = Math.max(2, 2 - Math.floor(Math.log10(size) + 1e-12));
  return `$${size.toFixed(Math.min(places, 12))}`;
}

/** A whole number in at most five characters. */
export function shortCount(number) {
  if (Number.isNaN(number)) return "—";
  if (number < 10_000) return number.toLocaleString("en-US");
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
