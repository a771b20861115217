// Pictures that are kept for ever, as genie_core/engine.py keeps them: those of each eighth frame, packed by zlib, of a
// world whose pictures follow from those before them.

import { through } from "./deflate.js";
import { require, Told } from "./told.js";

export const ANCHORED = 8;
const DAMAGED = "A picture that this session keeps is damaged; save the session again where it was played.";

export function packPicture(picture) {
  return through(new CompressionStream("deflate"), picture, Infinity, DAMAGED);
}

/** The inverse, for a picture of `size` bytes; throws Told if it is none. */
export async function unpackPicture(packed, size) {
  const picture = await through(new DecompressionStream("deflate"), packed, size, DAMAGED).catch(() => {
    throw new Told(DAMAGED);
  });
  require(picture.length === size, DAMAGED);
  return picture;
}

/** The two tensors of a session file. `kept` maps indices of frames to packed pictures. */
export function anchorTensors(kept) {
  const parts = [...kept.values()];
  const data = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    data.set(part, at);
    at += part.length;
  }
  const lengths = Int32Array.from(parts, (part) => part.length);
  return {
    anchors: { kind: "U8", shape: [data.length], data },
    anchor_lengths: { kind: "I32", shape: [lengths.length], data: lengths },
  };
}

/**
 * The inverse for one branch of a file of `frames`: `lines` has [start, count] of each branch in it, `parts` the frames
 * of the one as [from, to] of all.
 */
export function anchorsOf({ anchors, anchor_lengths: lengths }, frames, lines, parts, damaged) {
  const found = new Map(); // by position in the file
  let [position, at, number] = [0, 0, 0];
  for (const [start, count] of lines) {
    require(start >= 0 && count >= 0 && position + count <= frames, damaged);
    for (let index = start; index < start + count; index++, position++) {
      if (index % ANCHORED) continue;
      const length = lengths.data[number++];
      require(length > 0 && at + length <= anchors.data.length, damaged);
      found.set(position, anchors.data.slice(at, at + length));
      at += length;
    }
  }
  require(number === lengths.data.length && at === anchors.data.length, damaged);
  return along(parts, found, damaged);
}

/** By index of the branch, which has one for each eighth frame. */
function along(parts, found, damaged) {
  const kept = new Map();
  let index = 0;
  for (const [from, to] of parts) {
    for (let position = from; position < to; position++, index++) {
      require(found.has(position) === (index % ANCHORED === 0), damaged);
      if (found.has(position)) kept.set(index, found.get(position));
    }
  }
  return kept;
}
