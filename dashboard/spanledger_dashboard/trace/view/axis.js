// The head of the tree: names of the columns, and the time axis with a line under the pointer.

const TICK_WIDTH = 52;

class Head {
  constructor(act) {
    this.root = element("div", "head");
    this.root.setAttribute("role", "row");
    this.ticks = element("div", "ticks");
    this.ticks.setAttribute("aria-label", "Time");
    this.now = element("span", "now");
    this.sum = element("button", "", "Cost Σ");
    this.sum.type = "button";
    this.sum.onclick = act.own;
    const cost = element("div", "num");
    cost.append(this.sum);
    this.root.append(
      element("div", "", "Span"), element("div", "num", "Duration"),
      element("div", "num tokens", "Tokens in / out"), cost, this.ticks,
    );
    for (const cell of this.root.children) cell.setAttribute("role", "columnheader");
    this.setOwn(false);
  }

  setOwn(isOwn) {
    this.sum.textContent = isOwn ? "Cost own" : "Cost Σ";
    this.sum.title = isOwn
      ? "Tokens and cost of each span by itself. Click to add up what is below (s)."
      : "Tokens and cost with everything below (Σ). Click for each span by itself (s).";
    this.sum.setAttribute("aria-pressed", String(!isOwn));
  }

  draw([from, to]) {
    const wanted = Math.max(1, Math.floor(this.ticks.clientWidth / TICK_WIDTH));
    const step = tickStep((to - from) / wanted);
    const marks = [];
    for (let t = Math.ceil(from / step) * step; t < to; t += step) {
      const mark = element("span", "", moment(t));
      mark.style.left = `${((t - from) / (to - from)) * 100}%`;
      marks.push(mark);
    }
    this.ticks.replaceChildren(...marks, this.now);
  }

  /** Names the moment under the pointer, at a share of the axis; null: none. */
  point(share, [from, to]) {
    this.now.style.display = share === null ? "none" : "";
    if (share === null) return;
    this.now.style.left = `${share * 100}%`;
    this.now.classList.toggle("late", share > 0.7);
    this.now.textContent = duration(Math.max(0, Math.round(from + share * (to - from))));
  }
}
