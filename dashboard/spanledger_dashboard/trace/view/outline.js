// Which rows there are: what is open, what a filter leaves. No DOM here.

export class Outline {
  constructor(model) {
    this.model = model;
    this.failed = model.failed();
    this.noted = model.noted();
    this.dearest = model.dearest();
    this.closed = new Set();
    this.openRuns = new Set();
    this.setFilter("all");
  }

  /** Ids instead of spans, because these shift as more of a trace arrives. */
  remember() {
    const { model } = this;
    return {
      closed: [...(this.closedBefore ?? this.closed)].map((span) => model.id(span)),
      openRuns: [...this.openRuns].map((run) => model.id(model.runs.first[run])),
      filter: this.filter,
    };
  }

  recall({ closed, openRuns, filter }) {
    const { model } = this;
    this.closed = new Set(model.findAll(closed));
    this.openRuns = new Set(model.findAll(openRuns).map((span) => model.runAround(span)).filter((run) => run >= 0));
    this.setFilter(filter);
  }

  isClosed(row) {
    return this.model.isRun(row) ? !this.openRuns.has(row - this.model.count) : this.closed.has(row);
  }

  isOpen(row) {
    return this.model.isParent(row) && !this.isClosed(row);
  }

  /** Whether a filter asked for a span, not only for something below it. */
  isWanted(span) {
    return this.wanted.has(span);
  }

  toggle(row) {
    if (!this.model.isParent(row)) return;
    const isRun = this.model.isRun(row);
    const [set, key] = isRun ? [this.openRuns, row - this.model.count] : [this.closed, row];
    if (!set.delete(key)) set.add(key);
    this.#refresh();
  }

  /** Closes everything below the first level, or opens everything. */
  setAll(isClosed) {
    const { model } = this;
    this.closed.clear();
    this.openRuns.clear();
    if (isClosed) {
      for (let span = 0; span < model.count; span += 1) if (model.isParent(span) && model.depth[span] > 0) this.closed.add(span);
    } else model.runs.first.forEach((_, run) => this.openRuns.add(run));
    this.#refresh();
  }

  /** Leaves the spans of a filter and what leads to them; a filter nothing passes is no filter. */
  setFilter(name) {
    this.path = name === "path" ? criticalPath(this.model) : null;
    const spans = { errors: this.failed, marks: this.noted, path: this.path?.spans }[name] ?? [];
    this.filter = spans.length ? name : "all";
    if (this.filter === "all") {
      this.closed = this.closedBefore ?? this.closed;
      Object.assign(this, { mask: null, path: null, wanted: new Set(), closedBefore: null });
    } else {
      // What is closed would hide what was asked for.
      this.closedBefore ??= this.closed;
      Object.assign(this, { mask: this.model.mask(spans), wanted: new Set(spans), closed: new Set() });
    }
    this.#refresh();
  }

  /** Opens what hides a row, and lifts a filter that leaves it out. */
  uncover(row) {
    const { model } = this;
    const span = model.span(row);
    if (this.mask && !this.mask[span]) this.setFilter("all");
    let isHidden = false;
    for (let up = model.parent[span]; up >= 0; up = model.parent[up]) isHidden = this.closed.delete(up) || isHidden;
    const run = model.isRun(row) || this.mask ? -1 : model.runAround(span);
    if (run >= 0 && !this.openRuns.has(run)) {
      this.openRuns.add(run);
      isHidden = true;
    }
    if (isHidden) this.#refresh();
  }

  /** The line a row is on, or what hides it; 0 when a filter leaves it out. */
  indexOf(row) {
    return Math.max(this.rows.indexOf(this.#shown(row)), 0);
  }

  /** The line above one that is a level up: its parent, or the run around it. */
  above(index) {
    let up = index - 1;
    while (up > 0 && this.levels[up] >= this.levels[index]) up -= 1;
    return Math.max(up, 0);
  }

  #shown(row) {
    const { model } = this;
    const span = model.span(row);
    let shown = row;
    for (let up = model.isRun(row) ? model.parent[span] : span; up >= 0; up = model.parent[up]) {
      if (up !== span && this.closed.has(up)) shown = up;
      const run = this.mask ? -1 : model.runOf[up];
      if (run >= 0 && !this.openRuns.has(run)) shown = model.count + run;
    }
    return shown;
  }

  #refresh() {
    Object.assign(this, this.model.visible(this.closed, this.openRuns, this.mask));
  }
}
