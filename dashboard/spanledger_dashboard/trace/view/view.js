// The tree on the screen. Rows are a small pool that moves with the scroll position, so a hundred
// thousand spans cost as much as fifty. Data only ever becomes text nodes, attributes and numbers.

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

class TraceView {
  constructor(host) {
    Object.assign(this, {
      hits: [], needle: "", fit: true, isOwn: false, zoom: null, selected: -1, stamp: 0, axis: [0, 1],
    });
    this.#build(host);
    this.resizes = new ResizeObserver(() => this.model && this.#paint());
    this.resizes.observe(this.scroll);
  }

  close() {
    if (this.model) remember(this.model.header.trace, this.#memory());
    this.resizes.disconnect();
    this.root.remove();
  }

  async show(bytes) {
    const block = openBlock(bytes);
    const isFirst = !this.model;
    this.latest = block.signature;
    if (block.signature !== this.signature) {
      const body = block.is_deflated ? await inflated(block.body) : block.body;
      if (this.latest !== block.signature) return;
      this.#load(unpack(body), block);
    } else if (block.selected && block.selected !== this.asked) {
      this.asked = block.selected;
      this.select(this.model.find(block.selected), { quiet: true, center: true });
    }
    // Also when only the theme changed: the strip has to be painted again.
    this.#paint();
    if (isFirst) this.#takeKeys();
    this.root.dataset.ready = String(this.model.count);
  }

  /** Lets keys reach the tree without a click, unless something on the page has them already. */
  #takeKeys() {
    if (document.activeElement === document.body) this.grid.focus({ preventScroll: true });
  }

  #load({ header, columns }, { selected, signature }) {
    const before = this.model;
    const memory = before ? this.#memory() : remembered(header.trace);
    // A link is followed once: what its reader selected since then lasts.
    const isAsked = Boolean(selected) && selected !== memory?.asked;
    this.model = new TraceModel(header, columns);
    this.outline = new Outline(this.model);
    Object.assign(this, { signature, asked: selected, axis: [0, this.model.length] });
    if (memory) this.#recall(memory);
    this.#showRows();
    this.#findHits();
    const wanted = isAsked ? this.model.find(selected) : this.#rowOf(memory?.selected);
    this.#choose(wanted >= 0 ? wanted : this.outline.rows[0], isAsked);
    if (!memory || isAsked) return;
    this.#scrollBack(memory);
    if (!before && wanted >= 0) this.report(this.model.id(this.model.span(wanted)));
  }

  // What lasts over new spans and over other tabs: ids, because rows shift as spans arrive.

  #memory() {
    const { model, outline } = this;
    const top = Math.min(Math.floor(this.scroll.scrollTop / ROW_HEIGHT), outline.rows.length - 1);
    return {
      asked: this.asked, startNs: model.header.start_ns, outline: outline.remember(),
      fit: this.fit, isOwn: this.isOwn, zoom: this.zoom,
      selected: { id: model.id(model.span(this.selected)), isRun: model.isRun(this.selected) },
      top: model.id(model.span(outline.rows[top])), offset: this.scroll.scrollTop - top * ROW_HEIGHT,
    };
  }

  #recall({ startNs, outline, fit, isOwn, zoom }) {
    this.outline.recall(outline);
    const shift = Number(BigInt(startNs) - BigInt(this.model.header.start_ns));
    Object.assign(this, { fit, isOwn, zoom: zoom && zoom.map((ns) => ns + shift) });
    this.toolbar.fit.setAttribute("aria-pressed", fit);
    this.head.setOwn(isOwn);
  }

  #rowOf(chosen) {
    const span = chosen ? this.model.find(chosen.id) : -1;
    const run = span >= 0 && chosen.isRun ? this.model.runOf[span] : -1;
    return run >= 0 ? this.model.count + run : span;
  }

  #scrollBack({ top, offset }) {
    const span = this.model.find(top);
    if (span >= 0) this.scroll.scrollTop = this.outline.indexOf(span) * ROW_HEIGHT + offset;
  }

  // Building

  #build(host) {
    this.root = element("div", "tv");
    this.toolbar = new Toolbar({
      search: (text) => this.search(text), step: (direction) => this.walk(this.hits, direction),
      leave: () => this.grid.focus(), filter: (name) => this.setFilter(name), fit: () => this.toggleFit(),
      dearest: () => this.goDearest(), expand: () => this.setAll(false), collapse: () => this.setAll(true),
      copy: () => this.copyLink(),
    });
    this.minimap = new Minimap({ zoom: (from, to) => this.zoomTo(from, to), go: (share) => this.#goTo(share) });
    this.root.append(this.toolbar.root, this.minimap.root, this.#grid(), element("div", "foot", KEYS_SHOWN));
    host.replaceChildren(this.root);
  }

  #grid() {
    this.grid = element("div", "grid");
    this.grid.tabIndex = 0;
    this.grid.setAttribute("role", "treegrid");
    this.grid.setAttribute("aria-label", "Spans of the trace");
    this.grid.onkeydown = (event) => this.#key(event);
    this.head = new Head({ own: () => this.toggleOwn() });
    this.scroll = element("div", "scroll");
    this.scroll.setAttribute("role", "rowgroup");
    this.scroll.onscroll = () => this.#soon();
    this.scroll.onclick = (event) => this.#click(event);
    this.scroll.ondblclick = (event) => this.#doubleClick(event);
    this.scroll.onpointermove = (event) => this.#point(event);
    this.scroll.onpointerleave = () => this.#point(null);
    this.spacer = element("div");
    this.spacer.setAttribute("role", "presentation");
    this.cursor = element("div", "cursor");
    this.scroll.append(this.spacer);
    this.pool = [];
    this.grid.append(this.head.root, this.scroll, this.cursor);
    return this.grid;
  }

  // Drawing

  #soon() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      this.draw();
    });
  }

  /** Draws rows that are new on screen; all of them after a change. */
  draw(isChanged = false) {
    if (!this.model) return;
    if (isChanged) this.stamp += 1;
    const slots = Math.ceil(this.scroll.clientHeight / ROW_HEIGHT) + 2 * SPARE_ROWS;
    while (this.pool.length < slots) this.pool.push(new TreeRow());
    const top = Math.floor(this.scroll.scrollTop / ROW_HEIGHT);
    const first = Math.max(0, Math.min(top - SPARE_ROWS, this.outline.rows.length - this.pool.length));
    const isMoved = this.#setAxis(top);
    for (let i = 0; i < this.pool.length; i += 1) {
      const index = first + i;
      const slot = this.pool[index % this.pool.length];
      const isUsed = index < this.outline.rows.length;
      if (!isUsed) slot.row.remove();
      if (!isUsed) continue;
      if (!slot.row.isConnected) this.scroll.append(slot.row);
      if (slot.stamp !== this.stamp || slot.index !== index) slot.fill(this, index);
      else if (isMoved) slot.place(this);
      Object.assign(slot, { stamp: this.stamp, index });
    }
    this.#frame(top);
  }

  #paint() {
    this.draw(true);
    this.head.draw(this.axis);
    this.minimap.draw(this.model);
    this.#frame(Math.floor(this.scroll.scrollTop / ROW_HEIGHT));
  }

  /** Sets what the axis shows, and tells whether that is new. */
  #setAxis(top) {
    const before = this.axis;
    this.axis = this.zoom ?? (this.fit ? this.#rangeOnScreen(top) : null) ?? [0, this.model.length];
    const isMoved = this.axis[0] !== before[0] || this.axis[1] !== before[1];
    if (isMoved) this.head.draw(this.axis);
    return isMoved;
  }

  #rangeOnScreen(top) {
    const bottom = Math.min(this.outline.rows.length, top + Math.ceil(this.scroll.clientHeight / ROW_HEIGHT));
    let [from, to] = [Infinity, 0];
    for (let i = top; i < bottom; i += 1) {
      // A parent that merely frames its rows would flatten them all; its children set the scale.
      if (this.outline.isOpen(this.outline.rows[i]) && bottom - top > 1) continue;
      const { start, end } = figures(this.model, this.outline.rows[i]);
      [from, to] = [Math.min(from, start), Math.max(to, end)];
    }
    // A trace that is on screen as a whole, and mostly busy, keeps its own scale.
    const isWhole = !top && bottom === this.outline.rows.length;
    if (isWhole && (to - from) * 4 > this.model.length) return null;
    return to > from ? [from, to] : null;
  }

  #frame(top) {
    if (!this.minimap.model) return;
    const bottom = Math.min(this.outline.rows.length, top + Math.floor(this.scroll.clientHeight / ROW_HEIGHT)) - 1;
    const share = (row, end) => this.model.range(row)[end] / this.model.count;
    const last = this.outline.rows[Math.max(bottom, 0)];
    const end = this.outline.isOpen(last) ? (this.model.range(last)[0] + 1) / this.model.count : share(last, 1);
    this.minimap.frame(this.axis, [share(this.outline.rows[Math.min(top, this.outline.rows.length - 1)], 0), end]);
  }

  #point(event) {
    const cell = event?.target.closest(".row")?.querySelector(".time");
    const box = cell?.getBoundingClientRect();
    const share = box && event.clientX >= box.left ? (event.clientX - box.left) / box.width : null;
    this.cursor.style.display = share === null ? "none" : "";
    if (share !== null) this.cursor.style.left = `${event.clientX - this.grid.getBoundingClientRect().left}px`;
    this.head.point(share, this.axis);
  }

  // Rows, scale, search

  /** Makes room for the rows there are, after any change of the outline. */
  #showRows() {
    const { model, outline } = this;
    this.spacer.style.height = `${outline.rows.length * ROW_HEIGHT}px`;
    this.grid.setAttribute("aria-rowcount", outline.rows.length + 1);
    this.toolbar.describe(model.count, outline);
  }

  /** Changes the outline and keeps the selected row in sight. */
  #change(act, center = false) {
    act(this.outline);
    this.#showRows();
    this.#reveal(this.outline.indexOf(this.selected), center);
    this.draw(true);
  }

  toggle(row) {
    this.outline.toggle(row);
    this.#showRows();
    this.draw(true);
  }

  setAll(isClosed) {
    this.#change((outline) => outline.setAll(isClosed));
  }

  setFilter(name) {
    this.#change((outline) => outline.setFilter(name), true);
  }

  toggleFit() {
    this.fit = !this.fit;
    this.zoom = null;
    this.toolbar.fit.setAttribute("aria-pressed", this.fit);
    this.draw();
  }

  toggleOwn() {
    this.isOwn = !this.isOwn;
    this.head.setOwn(this.isOwn);
    this.draw(true);
  }

  zoomTo(from, to) {
    this.zoom = to > from ? [from, to] : null;
    this.draw();
  }

  zoomToRow(row) {
    const { start, end } = figures(this.model, row);
    const margin = (end - start) * 0.05;
    this.zoomTo(start - margin, end + margin);
  }

  #goTo(share) {
    const span = this.model.order[Math.min(Math.floor(share * this.model.count), this.model.count - 1)];
    this.#reveal(this.outline.indexOf(span), true);
    this.draw();
  }

  #findHits() {
    this.hits = this.model.search(this.needle);
    this.toolbar.say(this.needle ? `${count(this.hits.length)} found` : "");
    this.toolbar.setHits(this.hits.length);
  }

  search(text) {
    this.needle = text.trim().toLowerCase();
    this.#findHits();
    if (this.hits.length) this.#reveal(this.outline.indexOf(this.hits[0]));
    this.draw(true);
  }

  // Going from span to span

  /** Selects the next (or previous) of some spans, in tree order, around the end. */
  walk(spans, direction, what = "") {
    if (!spans.length) return;
    const { position } = this.model;
    const here = position[this.model.span(this.selected)];
    const next = direction > 0
      ? spans.findIndex((span) => position[span] > here)
      : spans.findLastIndex((span) => position[span] < here);
    const at = next >= 0 ? next : direction > 0 ? 0 : spans.length - 1;
    this.toolbar.say(`${count(at + 1)}/${count(spans.length)}${what && ` ${what}`}`);
    this.select(spans[at], { center: true });
  }

  /** Selects the dearest span; from there, and from where this led before, the next. */
  goDearest() {
    const { dearest } = this.outline;
    if (!dearest.length) return;
    const isOnTheWay = [dearest[0], this.reached].includes(this.selected);
    const at = isOnTheWay ? (dearest.indexOf(this.selected) + 1) % dearest.length : 0;
    this.reached = dearest[at];
    this.toolbar.say(`${count(at + 1)}/${count(dearest.length)} by cost`);
    this.select(dearest[at], { center: true });
  }

  /** Selects a row, opening what hides it. */
  select(row, { quiet = false, center = false, delay = REPORT_DELAY_MS } = {}) {
    if (row < 0) return;
    this.#choose(row, center);
    this.draw(true);
    if (quiet) return;
    clearTimeout(this.pending);
    this.pending = setTimeout(() => this.#tell(this.model.id(this.model.span(row))), delay);
  }

  #choose(row, center) {
    const { rows } = this.outline;
    this.outline.uncover(row);
    if (rows !== this.outline.rows) this.#showRows();
    this.selected = row;
    this.#reveal(this.outline.indexOf(row), center);
    this.grid.setAttribute("aria-activedescendant", rowId(this.model, row));
  }

  #tell(id) {
    // The address names the span without a new history entry for each one looked at.
    window.history.replaceState(window.history.state, "", spanAddress(this.model.header.trace, id));
    this.report(id);
  }

  async copyLink() {
    const id = this.model.id(this.model.span(this.selected));
    this.toolbar.say(await copied(spanAddress(this.model.header.trace, id)));
  }

  /** Goes where the first mark of a row leads: to a span of this trace, or to another trace. */
  follow(row) {
    const target = this.model.isRun(row) ? "" : this.model.marks(row).find((mark) => mark.target)?.target;
    if (target) this.#goTarget(target);
  }

  #goTarget(target) {
    const [trace, id] = target.split("/");
    if (trace !== this.model.header.trace) window.location.assign(spanAddress(trace, id));
    else this.select(this.model.find(id), { center: true, delay: 0 });
  }

  #reveal(index, center = false) {
    const top = index * ROW_HEIGHT;
    const { scrollTop, clientHeight } = this.scroll;
    if (top >= scrollTop && top + ROW_HEIGHT <= scrollTop + clientHeight) return;
    if (center) this.scroll.scrollTop = top - clientHeight / 2;
    else this.scroll.scrollTop = top < scrollTop ? top : top + ROW_HEIGHT - clientHeight;
  }

  // Pointer and keys

  #rowAt(event) {
    const row = event.target.closest(".row");
    return row ? this.outline.rows[Number(row.dataset.index)] : -1;
  }

  #click(event) {
    const row = this.#rowAt(event);
    if (row < 0) return;
    this.grid.focus({ preventScroll: true });
    const { target } = event.target.closest(".pill")?.dataset ?? {};
    if (target) this.#goTarget(target);
    else if (event.target.closest(".twist")) this.toggle(row);
    else this.select(row, { delay: 0 });
  }

  #doubleClick(event) {
    const row = this.#rowAt(event);
    if (row < 0) return;
    if (event.target.closest(".time")) this.zoomToRow(row);
    else if (!event.target.closest(".twist, .pill")) this.toggle(row);
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("button")) return;
    const act = actOf(this, event.key);
    if (!act) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  }
}
