// Bytes through a stream that packs or unpacks them.

import { require } from "./told.js";

/** At most `most` bytes come out of `stream`: a small file could hold a large picture. Throws Told with `damaged`. */
export async function through(stream, bytes, most, damaged) {
  const reader = new Blob([bytes]).stream().pipeThrough(stream).getReader();
  const pieces = [];
  for (let size = 0; ; ) {
    const { done, value } = await reader.read();
    if (done) return new Uint8Array(await new Blob(pieces).arrayBuffer());
    size += value.length;
    require(size <= most, damaged);
    pieces.push(value);
  }
}
