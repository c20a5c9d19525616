// Draws the tree of model.js with the rows of row.js (both joined before this file). Rows are a small
// pool that moves with the scroll position, so ten thousand spans cost as much as fifty. Data only
// ever becomes text nodes, attributes and numbers: never markup.

const SPARE_ROWS = 6;
// A held arrow key passes spans by that nobody wants to read.
const REPORT_DELAY_MS = 120;

const views = new WeakMap();

export default function mount({ data, parentElement, setStateValue }) {
  const host = parentElement.querySelector(".mount");
  let view = views.get(host);
  if (!view) {
    view = new TraceView(host);
    views.set(host, view);
  }
  view.report = (id) => setStateValue("selected", id);
  view.show(data);
  return () => {
    view.close();
    views.delete(host);
  };
}

/** A number that changes when the block does. */
function signature(bytes) {
  let hash = 2166136261;
  for (let i = 0; i < bytes.length; i += 1) hash = Math.imul(hash ^ bytes[i], 16777619);
  return `${bytes.length}:${hash}`;
}

class TraceView {
  constructor(host) {
    this.collapsed = new Set();
    this.hits = [];
    this.fit = true;
    this.zoom = null;
    this.selected = -1;
    this.#build(host);
    this.resizes = new ResizeObserver(() => this.#draw());
    this.resizes.observe(this.scroll);
  }

  close() {
    this.resizes.disconnect();
    this.root.remove();
  }

  show(bytes) {
    const seen = signature(bytes);
    if (seen !== this.signature) this.#load(bytes, seen);
    // Also runs when only the theme changed: the canvas has to be painted again.
    this.#draw();
    this.#drawMini();
    this.root.dataset.ready = String(this.model.count);
  }

  #load(bytes, seen) {
    const before = this.model;
    const { header, columns } = unpack(bytes);
    const kept = before && [...this.collapsed].map((span) => before.id(span));
    const selected = before && this.selected >= 0 ? before.id(this.selected) : "";
    const isAsked = header.selected && header.selected !== this.asked;
    this.model = new TraceModel(header, columns);
    this.signature = seen;
    this.asked = header.selected;
    this.collapsed = new Set((kept ?? []).map((id) => this.model.find(id)).filter((span) => span >= 0));
    this.failed = this.model.failed();
    this.#refreshRows();
    this.#describe();
    if (this.query.value) this.#search();
    const wanted = this.model.find(isAsked ? header.selected : selected);
    this.#select(wanted >= 0 ? wanted : this.model.order[0], { quiet: true, center: isAsked });
  }

  // Building

  #build(host) {
    this.root = element("div", "tv");
    this.root.append(this.#bar(), this.#minimap(), this.#grid(), (this.foot = element("div", "foot")));
    host.replaceChildren(this.root);
  }

  #bar() {
    const bar = element("div", "bar");
    this.query = element("input");
    this.query.type = "search";
    this.query.placeholder = "Search name, model, agent, id  ( / )";
    this.query.setAttribute("aria-label", "Search spans");
    this.query.oninput = () => this.#search();
    this.query.onkeydown = (event) => {
      event.stopPropagation();
      if (event.key === "Enter") this.#step(this.hits, event.shiftKey ? -1 : 1);
      if (event.key === "Escape") {
        this.query.value = "";
        this.#search();
        this.grid.focus();
      }
    };
    this.found = element("span", "hits");
    this.found.setAttribute("role", "status");
    this.nextError = this.#button("errors", "", "Next failed span (e, back: E)", () => this.#step(this.failed, 1));
    this.fitButton = this.#button("", "Fit rows", "Scale the time axis to the rows on screen (f)", () => this.#toggleFit());
    this.fitButton.setAttribute("aria-pressed", "true");
    bar.append(
      this.query,
      this.found,
      this.nextError,
      this.fitButton,
      this.#button("", "Expand", "Expand all", () => this.#collapseAll(false)),
      this.#button("", "Collapse", "Collapse all below the first level", () => this.#collapseAll(true)),
    );
    return bar;
  }

  #button(className, text, title, act) {
    const button = element("button", className, text);
    button.type = "button";
    button.title = title;
    button.onclick = act;
    return button;
  }

  #minimap() {
    this.mini = element("canvas", "mini");
    this.mini.title = "The whole trace. Drag to zoom, double-click to reset.";
    this.mini.setAttribute("aria-hidden", "true");
    let from = null;
    const at = (event) => {
      const box = this.mini.getBoundingClientRect();
      return (Math.min(Math.max(event.clientX - box.left, 0), box.width) / box.width) * this.model.length;
    };
    this.mini.onpointerdown = (event) => {
      from = at(event);
      this.mini.setPointerCapture(event.pointerId);
    };
    this.mini.onpointermove = (event) => {
      if (from === null) return;
      const to = at(event);
      if (Math.abs(to - from) > this.model.length / 200) this.#zoomTo(Math.min(from, to), Math.max(from, to));
    };
    this.mini.onpointerup = () => (from = null);
    this.mini.onpointercancel = () => (from = null);
    this.mini.ondblclick = () => this.#zoomTo(0, 0);
    return this.mini;
  }

  #grid() {
    this.grid = element("div", "grid");
    this.grid.tabIndex = 0;
    this.grid.setAttribute("role", "treegrid");
    this.grid.setAttribute("aria-label", "Spans of the trace");
    this.grid.onkeydown = (event) => this.#key(event);
    const head = element("div", "head");
    head.setAttribute("role", "row");
    for (const [text, className] of [["Span", ""], ["Duration", "num"], ["Tokens in / out", "num tokens"], ["Cost", "num"]]) {
      head.append(element("div", className, text));
    }
    this.ticks = element("div", "ticks");
    head.append(this.ticks);
    for (const cell of head.children) cell.setAttribute("role", "columnheader");
    this.ticks.setAttribute("aria-label", "Time");
    this.scroll = element("div", "scroll");
    this.scroll.setAttribute("role", "rowgroup");
    this.scroll.onscroll = () => this.#draw();
    this.scroll.onclick = (event) => this.#click(event);
    this.scroll.ondblclick = (event) => this.#doubleClick(event);
    this.spacer = element("div");
    this.spacer.setAttribute("role", "presentation");
    this.scroll.append(this.spacer);
    this.pool = [];
    this.grid.append(head, this.scroll);
    return this.grid;
  }

  // Drawing

  #draw() {
    if (!this.model) return;
    const height = this.scroll.clientHeight;
    const first = Math.max(0, Math.floor(this.scroll.scrollTop / ROW_HEIGHT) - SPARE_ROWS);
    const count = Math.min(this.rows.length - first, Math.ceil(height / ROW_HEIGHT) + 2 * SPARE_ROWS);
    this.#setAxis();
    while (this.pool.length < count) this.pool.push(new TreeRow(this.scroll));
    this.pool.forEach((row, i) => {
      row.row.style.display = i < count ? "" : "none";
      if (i < count) row.fill(this, first + i);
    });
  }

  #setAxis() {
    let range = this.zoom;
    if (!range && this.fit) {
      const top = Math.floor(this.scroll.scrollTop / ROW_HEIGHT);
      const bottom = Math.min(this.rows.length, top + Math.ceil(this.scroll.clientHeight / ROW_HEIGHT));
      range = [Infinity, 0];
      for (let i = top; i < bottom; i += 1) {
        const span = this.rows[i];
        // A parent that merely frames its rows would flatten them all; its children set the scale.
        if (this.model.isParent(span) && !this.collapsed.has(span) && bottom - top > 1) continue;
        range = [Math.min(range[0], this.model.columns.start[span]), Math.max(range[1], this.model.end[span])];
      }
      if (range[1] <= range[0]) range = null;
    }
    this.axis = range ?? [0, this.model.length];
    this.#drawTicks();
  }

  #drawTicks() {
    const [from, to] = this.axis;
    const width = this.ticks.clientWidth;
    const wanted = Math.max(1, Math.floor(width / 62));
    const step = tickStep((to - from) / wanted);
    const marks = [];
    for (let t = Math.ceil(from / step) * step; t < to; t += step) {
      const mark = element("span", "", t === 0 ? "0" : duration(Math.round(t)).replace(/\.0+(?=\D)/, ""));
      mark.style.left = `${((t - from) / (to - from)) * 100}%`;
      marks.push(mark);
    }
    this.ticks.replaceChildren(...marks);
  }

  #drawMini() {
    const width = this.mini.clientWidth;
    const height = this.mini.clientHeight;
    if (!width || !this.model) return;
    const ratio = window.devicePixelRatio || 1;
    this.mini.width = width * ratio;
    this.mini.height = height * ratio;
    const canvas = this.mini.getContext("2d");
    canvas.scale(ratio, ratio);
    const style = getComputedStyle(this.root);
    const color = (name) => style.getPropertyValue(`--st-${name}-color`) || "gray";
    const { model } = this;
    const scale = width / model.length;
    const step = (height - 4) / Math.max(model.count, 1);
    for (let i = 0; i < model.count; i += 1) {
      const span = model.order[i];
      const isFailed = model.has(span, FLAG_ERROR);
      canvas.fillStyle = color(isFailed ? "red" : (ROLE_COLORS[model.text("role", span)] ?? "gray"));
      const length = Math.max(model.columns.duration[span] * scale, 1);
      canvas.fillRect(model.columns.start[span] * scale, 2 + i * step, length, Math.max(step, isFailed ? 2 : 1));
    }
    if (!this.zoom) return;
    canvas.fillStyle = color("text");
    canvas.globalAlpha = 0.16;
    canvas.fillRect(0, 0, this.zoom[0] * scale, height);
    canvas.fillRect(this.zoom[1] * scale, 0, width, height);
  }

  #describe() {
    const failed = this.failed.length;
    this.nextError.hidden = failed === 0;
    this.nextError.textContent = `✕ ${failed.toLocaleString("en-US")} error${failed === 1 ? "" : "s"}`;
    this.foot.textContent =
      "↑↓ move · ←→ close, open · / search · e next error · f fit rows · double-click a bar: zoom to it";
  }

  // Acting

  #refreshRows() {
    this.rows = this.model.visible(this.collapsed);
    this.spacer.style.height = `${this.rows.length * ROW_HEIGHT}px`;
    this.grid.setAttribute("aria-rowcount", this.rows.length + 1);
  }

  #index(span) {
    return this.rows.indexOf(span);
  }

  #toggle(span, isClosed) {
    if (!this.model.isParent(span)) return;
    if (isClosed) this.collapsed.add(span);
    else this.collapsed.delete(span);
    this.#refreshRows();
    this.#draw();
  }

  #collapseAll(isClosed) {
    this.collapsed.clear();
    if (isClosed) {
      for (let span = 0; span < this.model.count; span += 1) {
        if (this.model.isParent(span) && this.model.depth[span] > 0) this.collapsed.add(span);
      }
    }
    this.#refreshRows();
    this.#reveal(this.#nearestShown(this.selected));
    this.#draw();
  }

  #nearestShown(span) {
    let shown = span;
    for (let up = span; up >= 0; up = this.model.parent[up]) if (this.collapsed.has(up)) shown = up;
    return shown;
  }

  #toggleFit() {
    this.fit = !this.fit;
    this.zoom = null;
    this.fitButton.setAttribute("aria-pressed", this.fit);
    this.#draw();
    this.#drawMini();
  }

  #zoomTo(from, to) {
    this.zoom = to > from ? [from, to] : null;
    this.#draw();
    this.#drawMini();
  }

  #search() {
    this.needle = this.query.value.trim().toLowerCase();
    this.hits = this.model.search(this.needle);
    this.found.textContent = this.needle ? `${this.hits.length.toLocaleString("en-US")} found` : "";
    this.#draw();
    if (this.needle && this.hits.length) this.#reveal(this.#nearestShown(this.hits[0]));
  }

  /** Selects the next (or previous) of some spans, in tree order, around the end. */
  #step(spans, direction) {
    if (!spans.length) return;
    const here = this.model.position[this.selected];
    const at = (span) => this.model.position[span];
    const next = direction > 0
      ? (spans.find((s) => at(s) > here) ?? spans[0])
      : (spans.findLast((s) => at(s) < here) ?? spans.at(-1));
    this.#select(next, { center: true });
  }

  #select(span, { quiet = false, center = false, delay = REPORT_DELAY_MS } = {}) {
    if (span < 0) return;
    let isHidden = false;
    for (let up = this.model.parent[span]; up >= 0; up = this.model.parent[up]) {
      isHidden = this.collapsed.delete(up) || isHidden;
    }
    if (isHidden) this.#refreshRows();
    this.selected = span;
    this.#reveal(span, center);
    this.#draw();
    this.grid.setAttribute("aria-activedescendant", `span-${this.model.id(span)}`);
    if (quiet) return;
    clearTimeout(this.pending);
    this.pending = setTimeout(() => this.#tell(this.model.id(span)), delay);
  }

  #tell(id) {
    // The address names the span without a new history entry for each one looked at.
    const address = new URL(window.location.href);
    address.searchParams.set("span_id", id);
    window.history.replaceState(window.history.state, "", address);
    this.report(id);
  }

  #reveal(span, center = false) {
    const top = this.#index(span) * ROW_HEIGHT;
    const { scrollTop, clientHeight } = this.scroll;
    if (top >= scrollTop && top + ROW_HEIGHT <= scrollTop + clientHeight) return;
    if (center) this.scroll.scrollTop = top - clientHeight / 2;
    else this.scroll.scrollTop = top < scrollTop ? top : top + ROW_HEIGHT - clientHeight;
  }

  #spanOf(event) {
    const row = event.target.closest(".row");
    return row ? this.rows[Number(row.dataset.index)] : -1;
  }

  #click(event) {
    const span = this.#spanOf(event);
    if (span < 0) return;
    this.grid.focus({ preventScroll: true });
    if (event.target.closest(".twist")) this.#toggle(span, !this.collapsed.has(span));
    else this.#select(span, { delay: 0 });
  }

  #doubleClick(event) {
    const span = this.#spanOf(event);
    if (span < 0) return;
    if (event.target.closest(".time")) {
      const margin = this.model.columns.duration[span] * 0.05;
      this.#zoomTo(this.model.columns.start[span] - margin, this.model.end[span] + margin);
    } else if (!event.target.closest(".twist")) this.#toggle(span, !this.collapsed.has(span));
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const at = this.#index(this.#nearestShown(this.selected));
    const page = Math.max(1, Math.floor(this.scroll.clientHeight / ROW_HEIGHT) - 1);
    const go = (index) => this.#select(this.rows[Math.min(Math.max(index, 0), this.rows.length - 1)]);
    const acts = {
      ArrowDown: () => go(at + 1), j: () => go(at + 1),
      ArrowUp: () => go(at - 1), k: () => go(at - 1),
      PageDown: () => go(at + page), PageUp: () => go(at - page),
      Home: () => go(0), End: () => go(this.rows.length - 1),
      ArrowRight: () => (this.collapsed.has(this.selected) ? this.#toggle(this.selected, false) : this.model.isParent(this.selected) && go(at + 1)),
      ArrowLeft: () => (this.model.isParent(this.selected) && !this.collapsed.has(this.selected) ? this.#toggle(this.selected, true) : this.#select(this.model.parent[this.selected])),
      Enter: () => this.#toggle(this.selected, !this.collapsed.has(this.selected)),
      "/": () => this.query.focus(),
      e: () => this.#step(this.failed, 1), E: () => this.#step(this.failed, -1),
      n: () => this.#step(this.hits, 1), N: () => this.#step(this.hits, -1),
      f: () => this.#toggleFit(),
      Escape: () => this.#zoomTo(0, 0),
    };
    const act = acts[event.key];
    if (!act) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  }
}
