// Safetensors files: a length, a JSON header, then the tensors' bytes. Read strictly: a file may come from a stranger.

import { require, Told } from "./told.js";

const MOST_HEADER = 1_000_000;
const KINDS = { I32: Int32Array, U8: Uint8Array };

/** `tensors`: {name: {kind: "I32" | "U8", shape, data}}; `told`: {key: text}. Returns the file's bytes. */
export function pack(tensors, told) {
  const header = { __metadata__: told };
  let end = 0;
  for (const [name, { kind, shape, data }] of Object.entries(tensors)) {
    header[name] = { dtype: kind, shape, data_offsets: [end, end + data.byteLength] };
    end += data.byteLength;
  }
  const text = new TextEncoder().encode(JSON.stringify(header));
  const start = 8 + 8 * Math.ceil(text.length / 8); // the library writes spaces up to a multiple of eight
  const file = new Uint8Array(start + end).fill(0x20, 0, start);
  new DataView(file.buffer).setBigUint64(0, BigInt(start - 8), true);
  file.set(text, 8);
  for (const [name, { data }] of Object.entries(tensors)) {
    file.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), start + header[name].data_offsets[0]);
  }
  return file;
}

/** The inverse of `pack`; throws Told with the sentence `broken` if `file` is no such file. */
export function unpack(file, broken) {
  const { header, start } = readHeader(file, broken);
  const { __metadata__: told = {}, ...entries } = header;
  const tensors = {};
  for (const [name, { dtype, shape, data_offsets: place }] of Object.entries(entries)) {
    const Kind = KINDS[dtype];
    require(Kind && counts(shape) && counts(place) && place.length === 2, broken);
    const count = shape.reduce((product, side) => product * side, 1);
    const [begin, end] = place;
    require(end - begin === count * Kind.BYTES_PER_ELEMENT && start + end <= file.length, broken);
    const bytes = file.slice(start + begin, start + end); // its own, aligned
    tensors[name] = { kind: dtype, shape, data: new Kind(bytes.buffer) };
  }
  return { tensors, told };
}

function counts(list) {
  return Array.isArray(list) && list.every((n) => Number.isSafeInteger(n) && n >= 0);
}

function readHeader(file, broken) {
  require(file.length >= 8, broken);
  const length = Number(new DataView(file.buffer, file.byteOffset, 8).getBigUint64(0, true));
  require(length <= MOST_HEADER && 8 + length <= file.length, broken);
  try {
    const header = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(file.subarray(8, 8 + length)));
    require(header !== null && typeof header === "object", broken);
    for (const entry of Object.values(header)) require(entry !== null && typeof entry === "object", broken);
    return { header, start: 8 + length };
  } catch {
    throw new Told(broken);
  }
}
