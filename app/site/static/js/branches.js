// One branch of a saved session of format 2, which has all of them: see app/play/session_file.py.

import { anchorsOf } from "./anchors.js";
import { require } from "./told.js";

const MOST_BRANCHES = 1000;
const FIELDS = 3; // of a line: its parent or -1, the index of its first frame, its count of frames

/**
 * Branch number `shown` from its prompt on, as format 1 has it: {tokens, actions, prompt, root, kept}; `root` is the
 * number of its prompt and seed, `kept` has the pictures kept of a world by reference, by index. Throws Told with the
 * sentence `damaged` if the branches do not fit together.
 */
export function branchShown({ tokens, actions, prompts, lines, ...anchors }, shown, sizes, damaged) {
  const [count, ...grid] = tokens.shape;
  const [n, fields] = lines.shape;
  require(fields === FIELDS && lines.shape.length === 2 && n <= MOST_BRANCHES, damaged);
  require(Number.isSafeInteger(shown) && shown >= 0 && shown < n && actions.data.length === count, damaged);
  const { parts, root } = pathTo(shown, lines.data, count, damaged);
  const width = grid.reduce((product, side) => product * side, 1);
  const led = joined(Uint8Array, actions.data, parts, 1).subarray(1);
  const picture = sizes.frame[0] * sizes.frame[1] * 3;
  const places = Array.from({ length: n }, (_, line) => lines.data.subarray(line * FIELDS + 1, (line + 1) * FIELDS));
  return {
    root,
    kept: sizes.reference ? anchorsOf(anchors, count, places, parts, damaged) : new Map(),
    tokens: { shape: [led.length + 1, ...grid], data: joined(Int32Array, tokens.data, parts, width) },
    actions: { shape: [led.length], data: led },
    prompt: { shape: prompts.shape.slice(1), data: prompts.data.slice(root * picture, (root + 1) * picture) },
  };
}

/** The frames that the branch consists of, as [from, to] of all `count` in the file, and the number of its prompt. */
function pathTo(shown, lines, count, damaged) {
  const ends = [];
  for (let line = 0, end = 0; line * FIELDS < lines.length; line++) ends.push((end += lines[line * FIELDS + 2]));
  const parts = [];
  let line = shown;
  let next = Number.MAX_SAFE_INTEGER; // the index of the frame that comes after
  for (let parent = 0; parent >= 0; ) {
    const [from, start, frames] = lines.subarray(line * FIELDS, line * FIELDS + FIELDS);
    const first = ends[line] - frames;
    require(from < line && frames >= 0 && first >= 0 && ends[line] <= count, damaged);
    const own = Math.min(frames, next - start);
    if (own > 0) parts.unshift([first, first + own]);
    next = Math.min(next, start);
    parent = from;
    if (parent >= 0) line = parent;
  }
  const length = parts.reduce((sum, [from, to]) => sum + to - from, 0);
  const tip = lines[shown * FIELDS + 1] + lines[shown * FIELDS + 2];
  require(length > 0 && length === tip, damaged);
  let root = 0;
  for (let before = 0; before < line; before++) root += lines[before * FIELDS] < 0 ? 1 : 0;
  return { parts, root };
}

/** The numbers of those frames, `width` each, as one array. */
function joined(Kind, numbers, parts, width) {
  const all = new Kind(parts.reduce((sum, [from, to]) => sum + to - from, 0) * width);
  let at = 0;
  for (const [from, to] of parts) {
    all.set(numbers.subarray(from * width, to * width), at);
    at += (to - from) * width;
  }
  return all;
}
