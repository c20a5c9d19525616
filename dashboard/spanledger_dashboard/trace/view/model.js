// The trace as arrays, one typed array per fact, indexed by span. No DOM here: the files of this
// folder are joined into one module, and the tests import the part without DOM alone.

export const FLAG_ERROR = 1;
export const FLAG_UNPRICED = 2;
export const FLAG_MERGED = 4;
export const FLAG_NO_USAGE = 8;
export const FLAG_CALL = 16;

// A run: at least so many siblings in a row that look alike, each with at most so many spans.
const RUN_LENGTH = 5;
const RUN_SPANS = 4;
// These marks tell how spans belong together; the others tell of trouble.
const QUIET_MARKS = new Set(["sources", "same", "link"]);

/** Picodollars of two parts, exact. */
const pico = (micro, rest) => BigInt(micro) * 1_000_000n + BigInt(rest);

/**
 * The tree of a trace: order, depth and sums.
 *
 * A row of the tree is a number: a span below `count`, and run `row - count` from there on.
 */
export class TraceModel {
  constructor(header, columns) {
    this.header = header;
    this.columns = columns;
    this.count = columns.start.length;
    this.parent = Int32Array.from(columns.parent);
    this.#indexMarks();
    this.#order();
    this.#sum();
    this.#findRuns();
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
    const { id: bytes } = this.columns;
    const wanted = (id.match(/[0-9a-f]{2}/g) ?? []).map((hex) => parseInt(hex, 16));
    if (wanted.length !== 8) return -1;
    for (let span = 0; span < this.count; span += 1) {
      let i = 0;
      while (i < 8 && bytes[span * 8 + i] === wanted[i]) i += 1;
      if (i === 8) return span;
    }
    return -1;
  }

  /** The spans of some ids that are in the trace. */
  findAll(ids) {
    if (!ids.length) return [];
    const spans = new Map();
    for (let span = 0; span < this.count; span += 1) spans.set(this.id(span), span);
    return ids.map((id) => spans.get(id) ?? -1).filter((span) => span >= 0);
  }

  isRun(row) {
    return row >= this.count;
  }

  /** The span a row stands for: of a run, its first. */
  span(row) {
    return this.isRun(row) ? this.runs.first[row - this.count] : row;
  }

  isParent(row) {
    return this.isRun(row) || this.size[row] > 1;
  }

  /** The marks of a span. */
  marks(span) {
    const found = [];
    for (let i = this.markFrom[span]; i < this.markFrom[span + 1]; i += 1) {
      found.push({
        kind: this.text("mark_kind", i), label: this.text("mark_label", i),
        text: this.text("mark_text", i), target: this.text("mark_target", i),
      });
    }
    return found;
  }

  #indexMarks() {
    const { mark_span: spans, mark_kind: kinds } = this.columns;
    const isQuiet = this.header.dictionaries.mark_kind.map((kind) => QUIET_MARKS.has(kind));
    this.markFrom = new Int32Array(this.count + 1);
    this.isMarked = new Uint8Array(this.count);
    for (let i = 0; i < spans.length; i += 1) {
      this.markFrom[spans[i] + 1] += 1;
      if (!isQuiet[kinds[i]]) this.isMarked[spans[i]] = 1;
    }
    for (let span = 0; span < this.count; span += 1) this.markFrom[span + 1] += this.markFrom[span];
  }

  /** Spans in depth-first order; children by start, as the rows came. */
  #order() {
    const n = this.count;
    this.firstChild = new Int32Array(n).fill(-1);
    this.nextSibling = new Int32Array(n).fill(-1);
    for (let span = n - 1; span >= 0; span -= 1) {
      const parent = this.parent[span];
      if (parent < 0) continue;
      this.nextSibling[span] = this.firstChild[parent];
      this.firstChild[parent] = span;
    }
    this.order = new Int32Array(n);
    this.position = new Int32Array(n).fill(-1);
    this.depth = new Int32Array(n);
    this.roots = [];
    let filled = 0;
    const unseen = (start) => {
      let span = start;
      while (span >= 0 && this.position[span] >= 0) span = this.nextSibling[span];
      return span;
    };
    const visit = (root) => {
      this.roots.push(root);
      for (let span = root; ; ) {
        this.position[span] = filled;
        this.order[filled] = span;
        filled += 1;
        let next = unseen(this.firstChild[span]);
        if (next >= 0) this.depth[next] = this.depth[span] + 1;
        while (next < 0) {
          if (span === root) return;
          next = unseen(this.nextSibling[span]);
          if (next >= 0) this.depth[next] = this.depth[span];
          else span = this.parent[span];
        }
        span = next;
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

  /** Sums over each span and everything below it: of calls that the ledger counts, once each. */
  #sum() {
    const n = this.count;
    const { start, duration, micro, pico: rest, input, output } = this.columns;
    const size = (this.size = new Int32Array(n).fill(1));
    const errors = (this.errors = new Int32Array(n));
    const marked = (this.marked = Int32Array.from(this.isMarked));
    const unpriced = (this.unpriced = new Int32Array(n));
    const priced = (this.priced = new Int32Array(n));
    const calls = (this.calls = new Int32Array(n));
    const sums = [size, errors, marked, unpriced, priced, calls];
    for (const name of ["input", "output", "micro", "rest"]) sums.push((this[name] = new Float64Array(n)));
    this.end = new Float64Array(n);
    this.length = 1;
    for (let i = n - 1; i >= 0; i -= 1) {
      const span = this.order[i];
      if (this.has(span, FLAG_ERROR)) errors[span] += 1;
      if (this.has(span, FLAG_UNPRICED)) unpriced[span] += 1;
      if (this.has(span, FLAG_CALL)) {
        calls[span] += 1;
        this.input[span] += input[span] || 0;
        this.output[span] += output[span] || 0;
      }
      if (!Number.isNaN(micro[span])) {
        priced[span] += 1;
        this.micro[span] += micro[span];
        this.rest[span] += rest[span];
      }
      this.end[span] = start[span] + duration[span];
      this.length = Math.max(this.length, this.end[span]);
      const parent = this.parent[span];
      if (parent >= 0) for (const sum of sums) sum[parent] += sum[span];
    }
    this.grandTotal = this.roots.reduce((sum, root) => sum + this.micro[root], 0);
  }

  /** What a span costs by itself, in picodollars; null: unknown. */
  own(span) {
    const { micro, pico: rest } = this.columns;
    return Number.isNaN(micro[span]) ? null : pico(micro[span], rest[span]);
  }

  /** What a span and everything below it cost, in picodollars; null: nothing is known. */
  total(span) {
    return this.priced[span] ? pico(this.micro[span], this.rest[span]) : null;
  }

  /** Siblings in a row that look alike: the same names, down to their leaves. */
  #findRuns() {
    const n = this.count;
    const { name, role, model, agent_name: agent } = this.columns;
    const shape = new Int32Array(n);
    for (let i = n - 1; i >= 0; i -= 1) {
      const span = this.order[i];
      let hash = Math.imul(name[span] + 1, 0x9e3779b1) ^ Math.imul(role[span] + 1, 0x85ebca6b);
      hash ^= Math.imul(model[span] + 1, 0xc2b2ae35) ^ Math.imul(agent[span] + 1, 0x27d4eb2f);
      shape[span] = Math.imul(shape[span] ^ hash, 0x165667b1);
      if (this.parent[span] >= 0) {
        const up = this.parent[span];
        shape[up] = Math.imul(shape[up], 31) + shape[span];
      }
    }
    this.runs = { first: [], length: [], end: [] };
    this.runOf = new Int32Array(n).fill(-1);
    for (const siblings of this.#families()) this.#findRunsOf(siblings, shape);
  }

  *#families() {
    yield this.roots;
    for (let span = 0; span < this.count; span += 1) {
      if (this.size[span] <= RUN_LENGTH) continue;
      const children = [];
      for (let c = this.firstChild[span]; c >= 0; c = this.nextSibling[c]) {
        if (this.parent[c] === span) children.push(c);
      }
      if (children.length >= RUN_LENGTH) yield children;
    }
  }

  #findRunsOf(siblings, shape) {
    const isAlike = (a, b) => shape[a] === shape[b] && this.size[a] === this.size[b] && this.size[a] <= RUN_SPANS;
    for (let from = 0; from < siblings.length; ) {
      let to = from + 1;
      while (to < siblings.length && isAlike(siblings[from], siblings[to])) to += 1;
      if (to - from >= RUN_LENGTH) {
        const last = siblings[to - 1];
        for (let i = from; i < to; i += 1) this.runOf[siblings[i]] = this.runs.first.length;
        this.runs.first.push(siblings[from]);
        this.runs.length.push(to - from);
        this.runs.end.push(this.position[last] + this.size[last]);
      }
      from = to;
    }
  }

  /** The run a span lies in, at any depth; -1: none. */
  runAround(span) {
    for (let up = span; up >= 0; up = this.parent[up]) if (this.runOf[up] >= 0) return this.runOf[up];
    return -1;
  }

  /** Positions in the order, from and to, of everything a row stands for. */
  range(row) {
    const from = this.position[this.span(row)];
    return [from, this.isRun(row) ? this.runs.end[row - this.count] : from + this.size[row]];
  }

  /**
   * Rows to show, top to bottom, and the level of each.
   *
   * Without a mask, runs are one row until they are opened; with one, only spans in it are rows.
   */
  visible(closed, openRuns, mask = null) {
    const rows = new Int32Array(this.count + this.runs.first.length);
    const levels = new Int32Array(rows.length);
    let filled = 0;
    let openUntil = -1;
    const push = (row, level) => {
      rows[filled] = row;
      levels[filled] = level;
      filled += 1;
    };
    for (let i = 0; i < this.count; ) {
      const span = this.order[i];
      const run = mask ? -1 : this.runOf[span];
      if (mask && !mask[span]) {
        i += this.size[span];
        continue;
      }
      if (run >= 0 && this.runs.first[run] === span) {
        push(this.count + run, this.depth[span]);
        if (!openRuns.has(run)) {
          i = this.runs.end[run];
          continue;
        }
        openUntil = this.runs.end[run];
      }
      push(span, this.depth[span] + (i < openUntil ? 1 : 0));
      i += closed.has(span) ? this.size[span] : 1;
    }
    return { rows: rows.subarray(0, filled), levels: levels.subarray(0, filled) };
  }

  /** A mask of some spans and everything above them. */
  mask(spans) {
    const mask = new Uint8Array(this.count);
    for (const span of spans) for (let up = span; up >= 0 && !mask[up]; up = this.parent[up]) mask[up] = 1;
    return mask;
  }

  /** Spans, in tree order, whose name, model, agent, tool or id holds the text. */
  search(text) {
    const wanted = text.trim().toLowerCase();
    if (!wanted) return [];
    const columns = ["name", "model", "agent_name", "tool_name"].map((column) => [
      this.columns[column],
      this.header.dictionaries[column].map((t) => t.toLowerCase().includes(wanted)),
    ]);
    const isId = /^[0-9a-f]{4,16}$/.test(wanted);
    return this.#where(
      (span) => columns.some(([codes, hits]) => hits[codes[span]]) || (isId && this.id(span).startsWith(wanted)),
    );
  }

  /** Spans that failed, in tree order. */
  failed() {
    return this.#where((span) => this.has(span, FLAG_ERROR));
  }

  /** Spans with marks that tell of trouble, in tree order. */
  noted() {
    return this.#where((span) => this.isMarked[span]);
  }

  /** Spans that cost something, the dearest first. */
  dearest() {
    const { micro, pico: rest } = this.columns;
    const spans = this.#where((span) => micro[span] > 0 || (micro[span] === 0 && rest[span] > 0));
    return spans.sort((a, b) => micro[b] - micro[a] || rest[b] - rest[a]);
  }

  #where(test) {
    const found = [];
    for (let i = 0; i < this.count; i += 1) if (test(this.order[i])) found.push(this.order[i]);
    return found;
  }
}
