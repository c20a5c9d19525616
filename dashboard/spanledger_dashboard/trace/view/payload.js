// Reads the block that trace_payload.py packs: typed arrays over one buffer, nothing per span.

const TYPES = { f8: Float64Array, i4: Int32Array, u1: Uint8Array, u2: Uint16Array, u4: Uint32Array };
const ALIGNMENT = 8;

const aligned = (length) => length + ((ALIGNMENT - (length % ALIGNMENT)) % ALIGNMENT);

function readHead(block) {
  const length = new DataView(block.buffer, block.byteOffset, 4).getUint32(0, true);
  return [JSON.parse(new TextDecoder().decode(block.subarray(4, 4 + length))), 4 + length];
}

/** The front of a payload, and its body as it was sent. */
export function openBlock(bytes) {
  const [front, end] = readHead(bytes);
  return { ...front, body: bytes.subarray(end) };
}

/** A body that was deflated, as it was before. */
export async function inflated(body) {
  const stream = new Blob([body]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

function unshifted(array) {
  const numbers = new Float64Array(array.length);
  for (let i = 0; i < array.length; i += 1) numbers[i] = array[i] === 0 ? NaN : array[i] - 1;
  return numbers;
}

/** The header and the columns, by name, of a body; NaN where a number is unknown. */
export function unpack(body) {
  // A view into a larger buffer may start off the alignment the typed arrays need.
  const block = body.byteOffset % ALIGNMENT ? body.slice() : body;
  const [header, end] = readHead(block);
  const columns = {};
  let at = end;
  for (const [name, type, count, isShifted] of header.columns) {
    const array = new TYPES[type](block.buffer, block.byteOffset + at, count);
    columns[name] = isShifted ? unshifted(array) : array;
    at += aligned(array.byteLength);
  }
  return { header, columns };
}
