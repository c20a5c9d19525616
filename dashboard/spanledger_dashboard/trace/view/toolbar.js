// The line of controls above the tree. It knows the elements; what they do is the view's.

const FILTER_BUTTONS = [
  ["all", "All", "Every span"],
  ["errors", "Errors", "Failed spans and what leads to them (next: e, back: E)"],
  ["marks", "Marks", "Loops, retries, cache breaks and waits (next: m, back: M)"],
  ["path", "Critical path", "The spans that the end of the trace waited for (p)"],
];

class Toolbar {
  /** `act` names what the controls do; see the view. */
  constructor(act) {
    this.act = act;
    this.root = element("div", "bar");
    this.status = element("span", "hits");
    this.status.setAttribute("role", "status");
    this.filters = {};
    this.fit = this.#button("fit", "Scale the time axis to the rows on screen (f)", act.fit);
    this.fit.setAttribute("aria-pressed", "true");
    this.dearest = this.#textButton("$ dearest", "Go to the most expensive call, then to the next ($)", act.dearest);
    this.root.append(
      this.#search(),
      this.#filterGroup(),
      this.dearest,
      this.#group(
        this.fit,
        this.#button("expand", "Open everything", act.expand),
        this.#button("collapse", "Close everything below the first level", act.collapse),
        this.#button("link", "Copy a link to the selected span (c)", act.copy),
      ),
    );
  }

  /** Shows how many spans there are to filter by, and which filter is on. */
  describe(all, { failed, noted, dearest, filter }) {
    const numbers = { all, errors: failed.length, marks: noted.length, path: 1 };
    for (const [name, button] of Object.entries(this.filters)) {
      button.hidden = name !== "all" && numbers[name] === 0;
      button.setAttribute("aria-pressed", name === filter);
      if (name !== "path") button.lastChild.textContent = shortCount(numbers[name]);
    }
    this.dearest.hidden = dearest.length === 0;
  }

  /** Shows where a search or a walk stands: "3 found", "2/3"; empty: nothing. */
  say(text) {
    this.status.textContent = text;
  }

  setHits(hits) {
    for (const button of [this.back, this.next]) button.hidden = hits === 0;
  }

  #search() {
    const box = element("div", "search");
    this.query = element("input");
    this.query.type = "search";
    this.query.placeholder = "Search name, model, tool, id  ( / )";
    this.query.setAttribute("aria-label", "Search spans");
    this.query.oninput = () => this.act.search(this.query.value);
    this.query.onkeydown = (event) => {
      event.stopPropagation();
      if (event.key === "Enter") this.act.step(event.shiftKey ? -1 : 1);
      if (event.key === "Escape") {
        this.query.value = "";
        this.act.search("");
        this.act.leave();
      }
    };
    this.back = this.#button("back", "Previous hit (Shift+Enter, N)", () => this.act.step(-1));
    this.next = this.#button("next", "Next hit (Enter, n)", () => this.act.step(1));
    this.setHits(0);
    box.append(this.query, this.status, this.back, this.next);
    return box;
  }

  #filterGroup() {
    const group = this.#group();
    group.setAttribute("aria-label", "Spans to show");
    for (const [name, text, title] of FILTER_BUTTONS) {
      const button = this.#textButton(text, title, () => this.act.filter(name));
      button.classList.add(name);
      if (name !== "path") button.append(element("b"));
      this.filters[name] = button;
      group.append(button);
    }
    return group;
  }

  #group(...buttons) {
    const group = element("div", "group");
    group.setAttribute("role", "group");
    group.append(...buttons);
    return group;
  }

  #textButton(text, title, act) {
    const button = element("button");
    button.type = "button";
    button.title = title;
    button.append(text);
    button.onclick = act;
    return button;
  }

  #button(name, title, act) {
    const button = this.#textButton("", title, act);
    button.className = "square";
    button.setAttribute("aria-label", title);
    button.append(icon(name));
    return button;
  }
}
