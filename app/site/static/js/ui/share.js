// Share links: world, picture, seed and actions in the fragment of the address, which no server sees.
//
//   #w=WORLD&s=SEED&a=6x12.3x4&p=pictures/NAME     a start picture of the site
//   #w=WORLD&s=SEED&a=6x12.3x4&d=DATA              the picture itself: see `packPicture`
//
// A link comes from strangers: every part is checked before it is used.

import { through } from "../deflate.js";
import { require, Told } from "../told.js";

const MOST_LETTERS = 2_000_000;
const MOST_STEPS = 200_000; // as a session file
const BROKEN = "This link is damaged; copy it again, whole.";
const TUNED = "This link was made by other settings than the world's own, which this page does not have; open it in the demo.";

/** {world, seed, actions, picture} or {…, pixels: ImageData} to a fragment without its #. */
export async function toFragment({ world, seed, actions, picture, pixels }) {
  const parts = { w: world, s: String(seed), a: runLengths(actions) };
  if (picture) parts.p = picture;
  else parts.d = await packPicture(pixels);
  return Object.entries(parts).map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join("&");
}

/** The parts of a fragment, or null if it is no share link; throws Told if it is a damaged one. */
export function readFragment(fragment) {
  const text = fragment.replace(/^#/, "");
  if (!/^w=/.test(text)) return null;
  require(text.length <= MOST_LETTERS, BROKEN);
  const parts = new URLSearchParams(text);
  const seed = parts.get("s") ?? "0";
  require(/^\d{1,19}$/.test(seed) && BigInt(seed) < 2n ** 63n, BROKEN);
  const told = { world: parts.get("w"), seed: BigInt(seed), actions: fromRunLengths(parts.get("a") ?? "") };
  require(parts.get("p") || parts.get("d"), BROKEN);
  require(!parts.has("k") && !parts.has("t"), TUNED);
  return { ...told, picture: parts.get("p"), data: parts.get("d") };
}

export function runLengths(actions) {
  const runs = [];
  for (const action of actions) {
    const last = runs.at(-1);
    if (last?.[0] === action) last[1]++;
    else runs.push([action, 1]);
  }
  return runs.map((run) => run.join("x")).join(".");
}

export function fromRunLengths(text) {
  const actions = [];
  for (const run of text ? text.split(".") : []) {
    const [, action, times] = /^(\d{1,3})x(\d{1,6})$/.exec(run) ?? [];
    require(times && actions.length + Number(times) <= MOST_STEPS, BROKEN);
    for (let i = 0; i < Number(times); i++) actions.push(Number(action));
  }
  return actions;
}

/** ImageData as letters: differences to the pixels around, green apart, deflated, in base64url. Nothing is lost. */
export async function packPicture({ data, width, height }) {
  const squeezed = await through(new CompressionStream("deflate-raw"), filtered(data, width, height), Infinity, BROKEN);
  const letters = btoa(Array.from(squeezed, (byte) => String.fromCharCode(byte)).join(""));
  return letters.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** The inverse, for a frame [height, width]; throws Told if `letters` are no such picture. */
export async function unpackPicture(letters, [height, width]) {
  const bytes = 3 * width * height;
  try {
    const squeezed = Uint8Array.from(atob(letters.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
    const differences = await through(new DecompressionStream("deflate-raw"), squeezed, bytes, BROKEN);
    require(differences.length === bytes, BROKEN);
    return new ImageData(unfiltered(differences, width, height), width, height);
  } catch {
    throw new Told(BROKEN);
  }
}

/** RGBA to a plane each of green, red - green and blue - green, each less what its neighbours promise. */
function filtered(rgba, width, height) {
  const out = new Uint8Array(3 * width * height);
  const planes = [(at) => rgba[at + 1], (at) => rgba[at] - rgba[at + 1], (at) => rgba[at + 2] - rgba[at + 1]];
  planes.forEach((value, plane) => {
    const values = Uint8Array.from({ length: width * height }, (_, i) => value(4 * i));
    for (let i = 0; i < values.length; i++) out[plane * values.length + i] = values[i] - promised(values, i, width);
  });
  return out;
}

function unfiltered(differences, width, height) {
  const size = width * height;
  const rgba = new Uint8ClampedArray(4 * size).fill(255);
  const planes = [0, 1, 2].map((plane) => {
    const values = new Uint8Array(size);
    for (let i = 0; i < size; i++) values[i] = differences[plane * size + i] + promised(values, i, width);
    return values;
  });
  for (let i = 0; i < size; i++) {
    const green = planes[0][i];
    rgba.set([(planes[1][i] + green) & 255, green, (planes[2][i] + green) & 255], 4 * i);
  }
  return rgba;
}

/** Of the pixels to the left, above and above left, the one nearest to their plane: PNG's Paeth filter. */
function promised(values, i, width) {
  const first = i % width === 0;
  const left = first ? 0 : values[i - 1];
  const above = i < width ? 0 : values[i - width];
  const corner = first || i < width ? 0 : values[i - width - 1];
  const [a, b, c] = [left, above, corner].map((value) => Math.abs(left + above - corner - value));
  if (a <= b && a <= c) return left;
  return b <= c ? above : corner;
}
