// The whole trace in a strip: every span a line, in the order of the tree. Drag to zoom.

const ROLE_COLORS = {
  llm: "blue", tool: "green", agent: "violet", retrieval: "orange", embedding: "yellow", guardrail: "red",
};
const CLICK_SHARE = 1 / 200;

class Minimap {
  /** `act.zoom(from, to)` in ns, zero for both: back to everything; `act.go(share)`: of the rows. */
  constructor(act) {
    this.act = act;
    this.root = element("div", "mini");
    this.canvas = element("canvas");
    this.lens = element("div", "lens");
    this.root.title = "The whole trace. Drag to zoom, click to go there, double-click to see all.";
    this.root.setAttribute("aria-hidden", "true");
    this.root.append(this.canvas, this.lens);
    this.#listen();
  }

  #listen() {
    let from = null;
    let isDrag = false;
    const at = (event) => {
      const box = this.root.getBoundingClientRect();
      const share = (n, size) => Math.min(Math.max(n / size, 0), 1);
      return { x: share(event.clientX - box.left, box.width), y: share(event.clientY - box.top, box.height) };
    };
    this.root.onpointerdown = (event) => {
      from = at(event);
      isDrag = false;
      this.root.setPointerCapture(event.pointerId);
    };
    this.root.onpointermove = (event) => {
      if (!from) return;
      const { x } = at(event);
      isDrag ||= Math.abs(x - from.x) > CLICK_SHARE;
      if (isDrag) this.act.zoom(Math.min(from.x, x) * this.model.length, Math.max(from.x, x) * this.model.length);
    };
    this.root.onpointerup = () => {
      if (from && !isDrag) this.act.go(from.y);
      from = null;
    };
    this.root.onpointercancel = () => (from = null);
    this.root.ondblclick = () => this.act.zoom(0, 0);
  }

  /** Frames what is on screen: a stretch of time, and of the tree in shares of its spans. */
  frame([from, to], [top, bottom]) {
    const { length } = this.model;
    const edge = (value) => `${Math.min(Math.max(value, 0), 1) * 100}%`;
    this.lens.style.left = edge(from / length);
    this.lens.style.right = edge(1 - to / length);
    this.lens.style.top = edge(top);
    this.lens.style.bottom = edge(1 - bottom);
    this.lens.style.display = from <= 0 && to >= length && top <= 0 && bottom >= 1 ? "none" : "";
  }

  /** Paints every span, a pixel at least: frames first, failed ones last, so that nothing hides them. */
  draw(model) {
    this.model = model;
    const ratio = window.devicePixelRatio || 1;
    const width = Math.round(this.root.clientWidth * ratio);
    const height = Math.round(this.root.clientHeight * ratio);
    if (!width || !height) return;
    this.canvas.width = width;
    this.canvas.height = height;
    const context = this.canvas.getContext("2d", { willReadFrequently: true });
    const pixels = new Uint32Array(width * height);
    const paints = this.#paints(context, model);
    const failed = this.#color(context, "red");
    const paint = (i, color, size = 1) => {
      const span = model.order[i];
      const left = Math.min(Math.floor((model.columns.start[span] / model.length) * width), width - 1);
      const right = Math.min(Math.max(Math.ceil((model.end[span] / model.length) * width), left + size), width);
      const top = Math.floor((i / model.count) * height);
      const bottom = Math.min(Math.max(Math.floor(((i + 1) / model.count) * height - ratio * 0.4), top + size), height);
      for (let y = top; y < bottom; y += 1) pixels.fill(color, y * width + left, y * width + right);
    };
    const paintAll = (isWanted, color, size) => {
      for (let i = 0; i < model.count; i += 1) if (isWanted(model.order[i])) paint(i, color(model.order[i]), size);
    };
    const own = (span) => paints[model.columns.role[span]];
    paintAll((span) => model.isParent(span), own);
    paintAll((span) => !model.isParent(span), own);
    paintAll((span) => model.has(span, FLAG_ERROR), () => failed, Math.round(2 * ratio));
    context.putImageData(new ImageData(new Uint8ClampedArray(pixels.buffer), width, height), 0, 0);
  }

  #paints(context, model) {
    return model.header.dictionaries.role.map((role) => this.#color(context, ROLE_COLORS[role] ?? "gray"));
  }

  /** A colour of the theme as one pixel. */
  #color(context, name) {
    context.fillStyle = getComputedStyle(this.root).getPropertyValue(`--st-${name}-color`).trim() || "gray";
    context.fillRect(0, 0, 1, 1);
    return new Uint32Array(context.getImageData(0, 0, 1, 1).data.buffer)[0];
  }
}
