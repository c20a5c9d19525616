// What outlasts the tree itself: addresses of spans, and what a reader had open in each trace.

const memories = new Map();
const MEMORIES = 20;

/** What was open and zoomed when the tree of a trace was last on screen; undefined: nothing yet. */
function remembered(trace) {
  return memories.get(trace);
}

function remember(trace, memory) {
  memories.delete(trace);
  memories.set(trace, memory);
  if (memories.size > MEMORIES) memories.delete(memories.keys().next().value);
}

/** The address of this page with a span of a trace selected. */
function spanAddress(trace, span) {
  const address = new URL(window.location.href);
  address.searchParams.set("trace_id", trace);
  address.searchParams.set("span_id", span);
  return address;
}

/** Copies an address and says how that went: without TLS, browsers allow it on loopback alone. */
async function copied(address) {
  try {
    await navigator.clipboard.writeText(String(address));
    return "link copied";
  } catch {
    return "the browser did not allow copying";
  }
}
