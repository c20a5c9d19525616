// Sends spans with OpenTelemetry's exporters, one line of JSON in, one line out.
//
//   node send.mjs '[{"kind": "grpc|http|proto", "url": "...", "gzip": true, "name": "...", "batches": 3}, ...]'
//
// Every entry is a client of its own; all run at once. Prints how many spans each had acknowledged.
import { SimpleSpanProcessor, InMemorySpanExporter, TracerProvider } from "@opentelemetry/sdk-trace";
import { OTLPTraceExporter as Grpc } from "@opentelemetry/exporter-trace-otlp-grpc";
import { OTLPTraceExporter as Http } from "@opentelemetry/exporter-trace-otlp-http";
import { OTLPTraceExporter as Proto } from "@opentelemetry/exporter-trace-otlp-proto";
import { randomBytes } from "node:crypto";

const EXPORTERS = { grpc: Grpc, http: Http, proto: Proto };
const SPANS_PER_BATCH = 5;

function spans(name) {
  const memory = new InMemorySpanExporter();
  const provider = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter: memory })] });
  const tracer = provider.getTracer("node-client", "1.0");
  for (let n = 0; n < SPANS_PER_BATCH; n++) {
    // Random text, so that compression leaves enough bytes to interrupt.
    tracer.startSpan(name, { attributes: { n, padding: randomBytes(700).toString("base64") } }).end();
  }
  return memory.getFinishedSpans();
}

async function send({ kind, url, gzip, name, batches }) {
  const options = { url, timeoutMillis: 20_000, compression: gzip ? "gzip" : "none" };
  const exporter = new EXPORTERS[kind](options);
  // The exporter for gRPC never sends a second time by itself: what is not acknowledged is ours.
  const attempts = kind === "grpc" ? 10 : 1;
  let acknowledged = 0;
  for (let batch = 0; batch < batches; batch++) {
    const made = spans(name);
    for (let attempt = 0; attempt < attempts; attempt++) {
      const result = await new Promise((resolve) => exporter.export(made, resolve));
      if (result.code === 0) {
        acknowledged += made.length;
        break;
      }
      if (attempt === attempts - 1) console.error(kind, gzip, result.error);
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
  }
  await exporter.shutdown();
  return acknowledged;
}

const counts = await Promise.all(JSON.parse(process.argv[2]).map(send));
console.log(JSON.stringify(counts));
