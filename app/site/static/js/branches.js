// All branches and kept moments as the tensors of a saved session of format 2: see app/play/session_file.py.

import { ANCHORED, anchorTensors, splitAnchors } from "./anchors.js";
import { Line } from "./line.js";
import { require } from "./told.js";

const FIELDS = 3; // of a line: its parent or -1, the index of its first frame, its count of frames
export const MOST_BRANCHES = 1000;
export const MOST_KEPT = 1000;

/** The tensors of `lines` [Line], parents first, and `moments` [{line, index}]. */
export function branchTensors(lines, moments, sizes) {
  const numbers = new Map(lines.map((line, number) => [line, number]));
  const roots = lines.filter(({ parent }) => !parent);
  const places = lines.flatMap(({ parent, start, frames }) => [parent ? numbers.get(parent) : -1, start, frames - start]);
  const frames = lines.reduce((sum, line) => sum + line.frames - line.start, 0);
  const whole = (Kind, parts) => joined(Kind, [...parts]);
  return {
    tokens: { kind: "I32", shape: [frames, ...sizes.grid], data: whole(Int32Array, lines.map(({ own }) => own.tokens)) },
    actions: { kind: "U8", shape: [frames], data: whole(Uint8Array, lines.map(({ own }) => own.actions)) },
    prompts: { kind: "U8", shape: [roots.length, ...sizes.frame, 3], data: whole(Uint8Array, roots.map(({ prompt }) => prompt)) },
    lines: { kind: "I32", shape: [lines.length, FIELDS], data: Int32Array.from(places) },
    kept: { kind: "I32", shape: [moments.length, 2], data: Int32Array.from(moments.flatMap(({ line, index }) => [numbers.get(line), index])) },
    ...(sizes.reference ? anchorTensors(lines.flatMap(ownAnchors)) : {}),
  };
}

/** The kept pictures of a line's own frames, packed, in their order. */
function ownAnchors({ anchors }) {
  return [...anchors.keys()].sort((one, other) => one - other).map((index) => anchors.get(index));
}

/**
 * The inverse: {lines: [Line], moments: [{line, index, picture}]}. `seeds` are those of the prompts. Throws Told with the
 * sentence `damaged` if the branches do not fit together, or have tokens or actions that the world has not.
 */
export function branchesOf(tensors, { seeds, temperature }, sizes, damaged) {
  const { tokens, actions, prompts, kept } = tensors;
  checkShapes(tensors, seeds, sizes, damaged);
  require(tokens.data.every((token) => token >= 0 && token < sizes.tokenIds), damaged);
  require(actions.data.every((action) => action < sizes.actions), damaged);
  const size = sizes.frame[0] * sizes.frame[1] * 3;
  const width = sizes.tokens;
  const lines = [];
  let [end, roots] = [0, 0];
  for (let at = 0; at < tensors.lines.data.length; at += FIELDS) {
    const [number, start, count] = tensors.lines.data.subarray(at, at + FIELDS);
    const parent = number < 0 ? null : lines[number];
    const sound = number < 0 ? start === 0 && count >= 1 : parent && count >= 0 && start >= 1 && start <= parent.frames;
    require(sound && end + count <= actions.data.length, damaged);
    const begun = parent ?? { prompt: prompts.data.slice(roots * size, (roots + 1) * size), seed: seeds[roots++] };
    const line = new Line({ prompt: begun.prompt, seed: begun.seed, temperature, width, parent: parent?.owner(start - 1) ?? null, start });
    for (const last = end + count; end < last; end++) line.append(tokens.data.subarray(end * width, (end + 1) * width), actions.data[end]);
    lines.push(line);
  }
  require(end === actions.data.length, damaged);
  if (sizes.reference) giveAnchors(lines, tensors, damaged);
  return { lines, moments: momentsOf(kept.data, lines, damaged) };
}

function checkShapes({ tokens, actions, prompts, lines, kept }, seeds, { grid, frame }, damaged) {
  const shaped = (tensor, shape) => JSON.stringify(tensor.shape) === JSON.stringify(shape);
  const [n, m, frames] = [lines.shape[0], kept.shape[0], actions.data.length];
  require(n >= 1 && n <= MOST_BRANCHES && shaped(lines, [n, FIELDS]) && m <= MOST_KEPT && shaped(kept, [m, 2]), damaged);
  const roots = Array.from({ length: n }, (_, i) => lines.data[i * FIELDS]).filter((parent) => parent < 0).length;
  require(shaped(actions, [frames]) && shaped(tokens, [frames, ...grid]), damaged);
  require(shaped(prompts, [roots, ...frame, 3]) && seeds.length === roots, damaged);
}

function giveAnchors(lines, tensors, damaged) {
  const wanted = lines.map(({ start, frames }) => {
    const first = Math.ceil(start / ANCHORED) * ANCHORED;
    return Array.from({ length: Math.max(0, Math.ceil((frames - first) / ANCHORED)) }, (_, i) => first + i * ANCHORED);
  });
  const parts = splitAnchors(tensors, damaged);
  require(parts.length === wanted.flat().length, damaged);
  lines.forEach((line, i) => (line.anchors = new Map(wanted[i].map((index) => [index, parts.shift()]))));
}

function momentsOf(places, lines, damaged) {
  const moments = [];
  for (let at = 0; at < places.length; at += 2) {
    const line = lines[places[at]];
    const index = places[at + 1];
    require(line && index >= 0 && index <= line.tip, damaged);
    moments.push({ line: line.owner(index), index, picture: line.prompt });
  }
  return moments;
}

function joined(Kind, parts) {
  const all = new Kind(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
