// One line of the tree: made once, filled again and again.

const ROW_HEIGHT = 26;
const SHARE_WIDTH = 72;
// Characters of a cost that still fit at full size.
const LONG_COST = 10;
const ROLES = new Set(["llm", "tool", "agent", "workflow", "retrieval", "embedding", "guardrail", "server"]);
const MARK_COLORS = {
  finding: "red", loop: "orange", retry: "yellow", cache: "violet", wait: "blue", idle: "blue", resumed: "blue",
  sources: "gray", same: "gray", link: "gray",
};
const INDENT = 14;

/** Pixels; small steps from the eighth level on, so that deep trees keep room for names. */
function indent(level) {
  return Math.min(level, 8) * INDENT + Math.min(Math.max(level - 8, 0), 30) * 3;
}

class TreeRow {
  constructor() {
    Object.assign(this, {
      row: element("div", "row"),
      name: element("div", "name"),
      guides: element("span", "guides"),
      twist: element("button", "twist"),
      role: icon("other", "role"),
      label: element("span", "label"),
      more: element("span", "more"),
      pills: element("span", "pills"),
      duration: element("div", "num"),
      tokens: element("div", "num tokens"),
      cost: element("div", "num cost"),
      share: element("i"),
      amount: element("b"),
      time: element("div", "time"),
      bar: element("i", "bar-box"),
      path: element("span", "path"),
    });
    this.row.setAttribute("role", "row");
    this.twist.type = "button";
    this.twist.tabIndex = -1;
    this.twist.setAttribute("aria-hidden", "true");
    this.twist.append(icon("next"));
    this.name.append(this.guides, this.twist, this.role, this.label, this.more, this.pills);
    this.cost.append(this.share, this.amount);
    this.time.append(this.bar, this.path);
    this.row.append(this.name, this.duration, this.tokens, this.cost, this.time);
    for (const cell of this.row.children) cell.setAttribute("role", "gridcell");
  }

  /** Shows what one line of a view stands for. */
  fill(view, index) {
    const { model, outline } = view;
    const row = outline.rows[index];
    const figure = figures(model, row);
    const { span } = figure;
    this.figure = figure;
    this.row.className = this.#className(view, row, figure);
    this.row.style.transform = `translateY(${index * ROW_HEIGHT}px)`;
    this.row.id = rowId(model, row);
    this.row.dataset.index = index;
    this.row.setAttribute("aria-level", outline.levels[index] + 1);
    this.row.setAttribute("aria-rowindex", index + 2);
    this.row.setAttribute("aria-selected", row === view.selected);
    if (model.isParent(row)) this.row.setAttribute("aria-expanded", !outline.isClosed(row));
    else this.row.removeAttribute("aria-expanded");
    this.guides.style.width = `${indent(outline.levels[index])}px`;
    paint(this.role, figure.isRun ? "run" : roleOf(model, span));
    this.#label(view, row, figure);
    this.#pills(view, row, figure);
    this.duration.textContent = duration(figure.duration);
    this.duration.title = figure.isRun ? `From the first start to the last end; the longest took ${duration(figure.longest)}` : "";
    this.#cells(view, figure);
    this.place(view);
  }

  #className(view, row, { span, isRun, errors, marks }) {
    const failed = isRun ? errors > 0 : view.model.has(span, FLAG_ERROR);
    const names = ["row", roleOf(view.model, span)];
    if (failed && !isRun) names.push("failed");
    if (isRun) names.push("run");
    if (marks.some((mark) => mark.kind === "wait")) names.push("waiting");
    if (view.model.isParent(row)) names.push(view.outline.isClosed(row) ? "closed" : "opened");
    if (view.outline.mask && !view.outline.isWanted(span)) names.push("faint");
    return names.join(" ");
  }

  #label(view, row, { span, isRun, times, size }) {
    const { model } = view;
    const name = model.text("name", span) || "(no name)";
    const cut = view.needle ? name.toLowerCase().indexOf(view.needle) : -1;
    if (cut < 0) this.label.textContent = name;
    else {
      const end = cut + view.needle.length;
      this.label.replaceChildren(name.slice(0, cut), element("mark", "", name.slice(cut, end)), name.slice(end));
    }
    const about = [name, model.text("role", span)];
    if (isRun) about.push(`${count(times)} in a row that look alike; ${count(size)} spans`);
    else for (const column of ["agent_name", "model", "tool_name", "error_type"]) about.push(model.text(column, span));
    if (!isRun && model.columns.parent[span] === -2) about.push("its parent has not arrived");
    this.label.title = [...new Set(about)].filter(Boolean).join(" · ");
    if (isRun) this.more.textContent = `×${count(times)}`;
    else this.more.textContent = view.outline.isClosed(row) && size > 1 ? `+${count(size - 1)}` : "";
  }

  #pills(view, row, { span, isRun, marks, errors, marked }) {
    const { model } = view;
    const pills = marks.map((mark) => pill(mark.label, MARK_COLORS[mark.kind] ?? "orange", mark.text, mark.target));
    if (!isRun && model.columns.parent[span] === -2) pills.push(pill("no parent", "gray", "Its parent has not arrived"));
    if (view.outline.isClosed(row)) {
      const failedBelow = errors - (!isRun && model.has(span, FLAG_ERROR) ? 1 : 0);
      const markedBelow = isRun && marks.length ? 0 : marked - (isRun ? 0 : model.isMarked[span]);
      if (markedBelow) pills.unshift(pill(`! ${count(markedBelow)}`, "orange", `${count(markedBelow)} spans inside have marks`));
      if (failedBelow) pills.unshift(pill(`✕ ${count(failedBelow)}`, "red", `${count(failedBelow)} spans inside failed`));
    }
    this.pills.replaceChildren(...pills);
  }

  #cells(view, figure) {
    const tokens = tokensShown(view.model, figure, view.isOwn);
    this.tokens.textContent = tokens.text;
    this.tokens.className = `num tokens ${tokens.kind}`;
    this.tokens.title = tokens.title;
    const cost = costShown(view.model, figure, view.isOwn);
    this.amount.textContent = cost.text;
    this.cost.className = `num cost ${cost.kind}${cost.text.length > LONG_COST ? " long" : ""}`;
    this.cost.title = cost.title;
    const whole = view.model.grandTotal;
    const share = whole > 0 && cost.amount !== null ? Number(cost.amount) / 1e6 / whole : 0;
    this.share.style.width = `${Math.min(share, 1) * SHARE_WIDTH}px`;
    this.share.style.display = share > 0.01 ? "" : "none";
  }

  /** Puts the bar where the axis of the view has it. */
  place(view) {
    const { start, end, span } = this.figure;
    const [from, to] = view.axis;
    const at = (ns) => (ns - from) / (to - from);
    // Cut to just beyond the edges: browsers draw wrongly at a million percent.
    const left = Math.max(at(start), -0.1);
    const right = Math.min(at(end), 1.1);
    this.bar.style.display = left > 1 || right < 0 ? "none" : "";
    this.bar.style.left = `min(${left * 100}%, calc(100% - 2px))`;
    this.bar.style.width = `${Math.max(right - left, 0) * 100}%`;
    const ttft = this.figure.isRun ? NaN : view.model.columns.ttft[span];
    const first = ttft > 0 && ttft < end - start ? ((at(start + ttft) - left) / (right - left)) * 100 : 0;
    this.bar.style.setProperty("--first", `${Math.min(Math.max(first, 0), 100)}%`);
    const parts = view.outline.path && !this.figure.isRun ? view.outline.path.segments.get(span) ?? [] : [];
    this.path.replaceChildren(...parts.filter(([a, b]) => at(b) > 0 && at(a) < 1).map(([a, b]) => {
      const part = element("i");
      part.style.left = `${Math.max(at(a), 0) * 100}%`;
      part.style.width = `${(Math.min(at(b), 1) - Math.max(at(a), 0)) * 100}%`;
      return part;
    }));
  }
}

function roleOf(model, span) {
  const role = model.text("role", span);
  return ROLES.has(role) ? role : "other";
}

function rowId(model, row) {
  return `${model.isRun(row) ? "run" : "span"}-${model.id(model.span(row))}`;
}

function pill(label, color, title, target = "") {
  const made = element("span", `pill ${color}${target ? " to" : ""}`, label);
  made.title = title;
  if (target) made.dataset.target = target;
  return made;
}
