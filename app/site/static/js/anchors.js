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

/** The two tensors of a session file, of packed pictures. */
export function anchorTensors(parts) {
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

/** The inverse: the packed pictures, in their order. */
export function splitAnchors({ anchors, anchor_lengths: lengths }, damaged) {
  const parts = [];
  let at = 0;
  for (const length of lengths.data) {
    require(length > 0 && at + length <= anchors.data.length, damaged);
    parts.push(anchors.data.slice(at, at + length));
    at += length;
  }
  require(at === anchors.data.length, damaged);
  return parts;
}
