// One line of the tree: made once, filled again and again. Joined between model.js and view.js.

const ROW_HEIGHT = 26;
const ROLE_COLORS = {
  llm: "blue", tool: "green", agent: "violet", retrieval: "orange", embedding: "yellow", guardrail: "red",
};

/** An element with a class and text; text from outside never becomes markup. */
function element(tag, className, text = "") {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text) made.textContent = text;
  return made;
}

/** Pixels; small steps from the eighth level on, so that deep trees keep room for names. */
function indent(depth) {
  return Math.min(depth, 8) * 14 + Math.min(Math.max(depth - 8, 0), 30) * 3;
}

class TreeRow {
  constructor(container) {
    Object.assign(this, {
      row: element("div", "row"),
      name: element("div", "name"),
      twist: element("button", "twist"),
      role: element("span", "role"),
      label: element("span", "label"),
      more: element("span", "more"),
      below: element("span", "below"),
      duration: element("div", "num"),
      tokens: element("div", "num tokens"),
      cost: element("div", "num cost"),
      share: element("i"),
      amount: element("b"),
      time: element("div", "time"),
      mark: element("i"),
    });
    this.row.setAttribute("role", "row");
    this.twist.type = "button";
    this.twist.tabIndex = -1;
    this.twist.setAttribute("aria-hidden", "true");
    this.name.append(this.twist, this.role, this.label, this.more, this.below);
    this.cost.append(this.share, this.amount);
    this.time.append(this.mark);
    this.row.append(this.name, this.duration, this.tokens, this.cost, this.time);
    for (const cell of this.row.children) cell.setAttribute("role", "gridcell");
    container.append(this.row);
  }

  /** Shows the span of one line of a view. */
  fill(view, index) {
    const { model } = view;
    const span = view.rows[index];
    const role = model.text("role", span) || "other";
    const isParent = model.isParent(span);
    const isClosed = view.collapsed.has(span);
    this.row.className = `row ${role in ROLE_COLORS ? role : "other"}${model.has(span, FLAG_ERROR) ? " failed" : ""}`;
    this.row.style.top = `${index * ROW_HEIGHT}px`;
    this.row.id = `span-${model.id(span)}`;
    this.row.dataset.index = index;
    this.row.setAttribute("aria-level", model.depth[span] + 1);
    this.row.setAttribute("aria-rowindex", index + 2);
    this.row.setAttribute("aria-selected", span === view.selected);
    if (isParent) this.row.setAttribute("aria-expanded", !isClosed);
    else this.row.removeAttribute("aria-expanded");
    this.name.style.paddingLeft = `${4 + indent(model.depth[span])}px`;
    this.twist.className = isParent ? "twist" : "twist none";
    this.twist.textContent = isClosed ? "▶" : "▼";
    this.role.textContent = role[0].toUpperCase();
    this.role.title = role;
    this.#label(model, span, view.needle);
    this.more.textContent = isClosed ? `+${(model.size[span] - 1).toLocaleString("en-US")}` : "";
    const failedBelow = isClosed ? model.errors[span] - (model.has(span, FLAG_ERROR) ? 1 : 0) : 0;
    this.below.textContent = failedBelow ? `✕ ${failedBelow}` : "";
    this.below.style.display = failedBelow ? "" : "none";
    this.duration.textContent = duration(model.columns.duration[span]);
    this.#tokens(model, span);
    this.#cost(model, span);
    const [from, to] = view.axis;
    const left = (model.columns.start[span] - from) / (to - from);
    const width = model.columns.duration[span] / (to - from);
    // Cut to just beyond the edges: browsers draw wrongly at a million percent.
    const [drawnFrom, drawnTo] = [Math.max(left, -0.1), Math.min(left + width, 1.1)];
    this.mark.style.left = `min(${drawnFrom * 100}%, calc(100% - 2px))`;
    this.mark.style.width = `${Math.max(drawnTo - drawnFrom, 0) * 100}%`;
    this.mark.style.display = left > 1 || left + width < 0 ? "none" : "";
  }

  #label(model, span, needle) {
    const name = model.text("name", span) || "(no name)";
    const cut = needle ? name.toLowerCase().indexOf(needle) : -1;
    if (cut < 0) this.label.textContent = name;
    else {
      const end = cut + needle.length;
      this.label.replaceChildren(name.slice(0, cut), element("mark", "", name.slice(cut, end)), name.slice(end));
    }
    const about = [name, model.text("role", span), model.text("agent_name", span), model.text("model", span)];
    if (model.parent[span] < 0 && model.columns.parent[span] === -2) about.push("its parent has not arrived");
    this.label.title = about.filter(Boolean).join(" · ");
  }

  #tokens(model, span) {
    const { input, output } = model.columns;
    const isKnown = !Number.isNaN(input[span]) || !Number.isNaN(output[span]);
    this.tokens.textContent = isKnown ? `${shortCount(input[span])} / ${shortCount(output[span])}` : "";
  }

  #cost(model, span) {
    const own = model.columns.cost[span];
    const total = model.total[span];
    const isSum = model.isParent(span) && total > 0 && (Number.isNaN(own) || total > own);
    const below = model.unpriced[span] ? ` Without ${model.unpriced[span]} calls that have no price.` : "";
    let [text, kind, title] = ["", "", ""];
    if (isSum) [text, kind, title] = [`Σ ${usd(total)}`, "sum", `This span and everything below it.${below}`];
    else if (!Number.isNaN(own)) [text, title] = [usd(own), "Cost of this call"];
    else if (model.has(span, FLAG_MERGED)) [text, kind, title] = ["merged", "note", "The same call as another span; counted once, there"];
    else if (model.has(span, FLAG_UNPRICED)) [text, kind, title] = ["not priced", "open", "Usage is known, a price is not"];
    else if (model.has(span, FLAG_NO_USAGE)) [text, kind, title] = ["no usage", "open", "The call reported no token counts"];
    else if (model.unpriced[span]) [text, kind, title] = ["not priced", "open", `Nothing below has a price.`];
    this.cost.className = `num cost ${kind}`;
    this.cost.title = title;
    this.amount.textContent = text;
    const share = model.grandTotal > 0 && !isSum && own > 0 ? own / model.grandTotal : 0;
    this.share.style.width = `${Math.min(share, 1) * 72}px`;
    this.share.style.display = share > 0.01 ? "" : "none";
  }
}
