// The critical path: the chain of spans that the end of the trace waited for.

/**
 * Which parts of which spans were waited for, and how long that was.
 *
 * From the end of the trace backwards: a span waited for the child that ended last, that child for
 * the one that had ended when it began, and so on; the rest is the span's own time. A child that
 * outlasts its parent counts up to the parent's end. The method of Uber's CRISP
 * (https://www.usenix.org/conference/atc22/presentation/zhang-zhizhou).
 */
export function criticalPath(model) {
  const { start } = model.columns;
  const segments = new Map();
  const own = new Float64Array(model.count);
  const add = (span, from, to) => {
    if (span < 0 || to <= from) return;
    own[span] += to - from;
    if (!segments.has(span)) segments.set(span, []);
    segments.get(span).push([from, to]);
  };
  const tasks = [[-1, 0, model.length]];
  while (tasks.length) {
    const [span, from, to] = tasks.pop();
    let at = to;
    for (const [child, end] of lastEnded(model, span, to)) {
      if (at <= from) break;
      if (end > at || start[child] >= at) continue;
      add(span, end, at);
      tasks.push([child, start[child], end]);
      at = start[child];
    }
    add(span, from, at);
  }
  return { segments, own, spans: [...segments.keys()] };
}

/** The children of a span (-1: the roots) with their ends, the last one first. */
function lastEnded(model, span, limit) {
  const children = [];
  const push = (child) => children.push([child, Math.min(model.end[child], limit)]);
  if (span < 0) model.roots.forEach(push);
  else {
    for (let c = model.firstChild[span]; c >= 0; c = model.nextSibling[c]) if (model.parent[c] === span) push(c);
  }
  return children.sort((a, b) => b[1] - a[1] || model.columns.start[b[0]] - model.columns.start[a[0]]);
}
