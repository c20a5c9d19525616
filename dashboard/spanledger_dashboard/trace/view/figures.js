// The numbers of one row: of a span with everything below it, or of a run of spans that look alike.

/** Sums of a run by its row, made when it is first looked at. */
function runFigures(model, row) {
  const run = row - model.count;
  const [from, to] = model.range(row);
  const sum = {
    isRun: true, span: model.span(row), times: model.runs.length[run], size: to - from,
    start: Infinity, end: 0, errors: 0, marked: 0, calls: 0, input: 0, output: 0,
    unpriced: 0, priced: 0, total: null, own: null, longest: 0,
  };
  let [micro, rest] = [0, 0];
  const labels = new Map();
  for (let i = from; i < to; i += 1) {
    const span = model.order[i];
    if (model.runOf[span] !== run) continue;
    sum.start = Math.min(sum.start, model.columns.start[span]);
    sum.end = Math.max(sum.end, model.end[span]);
    sum.longest = Math.max(sum.longest, model.columns.duration[span]);
    for (const name of ["errors", "marked", "calls", "input", "output", "unpriced", "priced"]) sum[name] += model[name][span];
    micro += model.micro[span];
    rest += model.rest[span];
    if (model.isMarked[span]) for (const { label } of model.marks(span)) labels.set(label, (labels.get(label) ?? 0) + 1);
  }
  // A mark that all of them bear is the run's own; the others are counted.
  sum.marks = model.marks(sum.span).filter(({ label }) => labels.get(label) === sum.times);
  sum.duration = sum.end - sum.start;
  if (sum.priced) sum.total = BigInt(micro) * 1_000_000n + BigInt(rest);
  return sum;
}

/** What the row of one span shows. */
function spanFigures(model, span) {
  return {
    isRun: false, span, times: 1, size: model.size[span],
    start: model.columns.start[span], end: model.end[span], duration: model.columns.duration[span],
    errors: model.errors[span], marked: model.marked[span], calls: model.calls[span],
    input: model.input[span], output: model.output[span],
    unpriced: model.unpriced[span], priced: model.priced[span],
    own: model.own(span), total: model.total(span), marks: model.marks(span),
  };
}

const runsSeen = new WeakMap();

/** What a row shows, own and with everything below. */
export function figures(model, row) {
  if (!model.isRun(row)) return spanFigures(model, row);
  if (!runsSeen.has(model)) runsSeen.set(model, new Map());
  const seen = runsSeen.get(model);
  if (!seen.has(row)) seen.set(row, runFigures(model, row));
  return seen.get(row);
}

/** Tokens of a row: {text, kind, title}. */
export function tokensShown(model, figure, isOwn) {
  const { span } = figure;
  const { input, output, cached } = model.columns;
  const isSum = !isOwn && (figure.isRun || figure.calls > (model.has(span, FLAG_CALL) ? 1 : 0));
  if (isSum) {
    const title = `${count(figure.input)} tokens in, ${count(figure.output)} out, in ${count(figure.calls)} model calls`;
    return figure.calls ? { text: `${shortCount(figure.input)} / ${shortCount(figure.output)}`, kind: "sum", title } : EMPTY;
  }
  if (figure.isRun || (Number.isNaN(input[span]) && Number.isNaN(output[span]))) return EMPTY;
  const isCounted = model.has(span, FLAG_CALL);
  const parts = [`${shown(input[span])} tokens in`, `${shown(output[span])} out`];
  if (cached[span] > 0) parts.splice(1, 0, `${count(cached[span])} of them read from the cache`);
  const title = parts.join(", ") + (isCounted ? "" : ". As the span reports; not a call the ledger counts.");
  return { text: `${shortCount(input[span])} / ${shortCount(output[span])}`, kind: isCounted ? "" : "sum", title };
}

/** Cost of a row: {text, kind, title, amount}. */
export function costShown(model, figure, isOwn) {
  const { span, own, total } = figure;
  const isSum = !isOwn && total !== null && (figure.isRun || figure.priced > (own === null ? 0 : 1));
  if (isSum) {
    const lines = [`${exactUsd(total)} in ${count(figure.priced)} calls`];
    if (own !== null) lines.push(`${exactUsd(own)} of it by itself`);
    if (figure.unpriced) lines.push(`without ${count(figure.unpriced)} that have no price`);
    return { text: `Σ ${usd(total)}`, kind: "sum", title: lines.join("; "), amount: total };
  }
  if (own !== null) return { text: usd(own), kind: "", title: exactUsd(own), amount: own };
  if (isOwn && figure.isRun) return EMPTY;
  if (model.has(span, FLAG_MERGED)) return { text: "counted once", kind: "note", title: "The same call as another span, which carries the cost", amount: null };
  if (model.has(span, FLAG_UNPRICED)) return { text: "not priced", kind: "open", title: "The usage is known, a price is not", amount: null };
  if (model.has(span, FLAG_NO_USAGE)) return { text: "no usage", kind: "open", title: "The call reported no token counts", amount: null };
  if (figure.unpriced && !isOwn) return { text: "not priced", kind: "open", title: "Nothing below has a price", amount: null };
  return EMPTY;
}

const EMPTY = { text: "", kind: "", title: "", amount: null };

function shown(number) {
  return Number.isNaN(number) ? "unknown" : count(number);
}
