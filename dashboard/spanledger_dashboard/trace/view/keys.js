// What the keys do in the tree. Keys with Ctrl, Alt or Meta stay the browser's.

const KEYS_SHOWN =
  "↑↓ move · ←→ close, open · / search · e error · m mark · $ dearest · p critical path · c copy link";

/** The act of a key on a view, or nothing. */
function actOf(view, key) {
  const { outline, selected } = view;
  const { rows } = outline;
  const at = outline.indexOf(selected);
  const page = Math.max(1, Math.floor(view.scroll.clientHeight / ROW_HEIGHT) - 1);
  const go = (index) => () => view.select(rows[Math.min(Math.max(index, 0), rows.length - 1)]);
  const acts = {
    ArrowDown: go(at + 1), j: go(at + 1),
    ArrowUp: go(at - 1), k: go(at - 1),
    PageDown: go(at + page), PageUp: go(at - page),
    Home: go(0), End: go(rows.length - 1),
    ArrowRight: () => (outline.isClosed(selected) ? view.toggle(selected) : view.model.isParent(selected) && go(at + 1)()),
    ArrowLeft: () => (outline.isOpen(selected) ? view.toggle(selected) : go(outline.above(at))()),
    Enter: () => view.toggle(selected),
    "/": () => view.toolbar.query.focus(),
    e: () => view.walk(outline.failed, 1, "errors"), E: () => view.walk(outline.failed, -1, "errors"),
    m: () => view.walk(outline.noted, 1, "marks"), M: () => view.walk(outline.noted, -1, "marks"),
    n: () => view.walk(view.hits, 1), N: () => view.walk(view.hits, -1),
    $: () => view.goDearest(),
    f: () => view.toggleFit(), s: () => view.toggleOwn(),
    p: () => view.setFilter(outline.filter === "path" ? "all" : "path"),
    z: () => view.zoomToRow(selected),
    c: () => view.copyLink(), g: () => view.follow(selected),
    Escape: () => (view.zoom ? view.zoomTo(0, 0) : view.setFilter("all")),
  };
  return Object.hasOwn(acts, key) ? acts[key] : null;
}
