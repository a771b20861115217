// Saved sessions, the same files as app/play/session_file.py reads and writes.

import { anchorsOf, anchorTensors, unpackPicture } from "./anchors.js";
import { branchShown } from "./branches.js";
import { sha256 } from "./hash.js";
import { pack, unpack } from "./safetensors.js";
import { require, Told } from "./told.js";

const FORMAT = 1;
const KEY = "genie_session";
const MOST_STEPS = 200_000;
const MOST_TEMPERATURE = 100;
const MOST_BYTES = 64_000_000;
const READS = [1, 2]; // 2 has all branches and kept moments: the branch shown is taken, the page holds no other
const ONE = { actions: ["U8", "uint8"], prompt: ["U8", "uint8"], tokens: ["I32", "int32"] };
const ALL = {
  actions: ["U8", "uint8"],
  kept: ["I32", "int32"],
  lines: ["I32", "int32"],
  prompts: ["U8", "uint8"],
  tokens: ["I32", "int32"],
};
const ANCHORS = { anchors: ["U8", "uint8"], anchor_lengths: ["I32", "int32"] }; // of worlds by reference, in addition
const BROKEN = "This file is no saved session, or it is damaged; choose a .genie file.";
const PROGRAM = "open it with python launch.py --continue";
const DAMAGED = "This session file is damaged; save the session again where it was played.";

/**
 * `line`: {prompt: Uint8Array (H, W, 3), tokens: Int32Array, actions: Uint8Array, seed: BigInt, at, temperature, kept};
 * `world`: {config, sizes, backend, told: {name, fingerprint}}. Returns the file's bytes.
 */
export async function packSession(line, world) {
  const { prompt, tokens, actions, seed, at, temperature, kept } = line;
  const { config, sizes } = world;
  const steps = actions.length;
  require(steps <= MOST_STEPS, `A session file has at most ${MOST_STEPS} steps, you played ${steps}; record a film.`);
  const tensors = {
    tokens: { kind: "I32", shape: [steps + 1, ...sizes.grid], data: tokens },
    actions: { kind: "U8", shape: [steps], data: actions },
    prompt: { kind: "U8", shape: [...sizes.frame, 3], data: prompt },
    ...(sizes.reference ? anchorTensors(kept) : {}),
  };
  const told = {
    format: FORMAT,
    world: world.told.name,
    runtime: `web ${world.backend}`,
    sha256: world.told.fingerprint,
    at,
    fps: config.fps,
    sampling: { unmask_steps: config.sampling.unmask_steps, temperature },
    content: await digest(tensors, kindsOf(ONE, sizes)),
  };
  // A number of 63 bits, which JSON.stringify cannot write.
  const text = JSON.stringify(told).replace(/\}$/, `, "seed": ${seed}}`);
  return pack(tensors, { [KEY]: text });
}

/** The inverse of `packSession`; throws Told if `file` is no session of `world`. */
export async function parseSession(file, world) {
  require(file.length <= MOST_BYTES, `A session file has at most ${MOST_BYTES / 1e6} MB; choose a .genie file.`);
  const { tensors, told: metadata } = unpack(file, BROKEN);
  const told = readTold(metadata[KEY]);
  checkWorld(told, world);
  const expected = kindsOf(told.format === 1 ? ONE : ALL, world.sizes);
  const kinds = Object.entries(expected).every(([name, [kind]]) => tensors[name]?.kind === kind);
  require(kinds && Object.keys(tensors).length === Object.keys(expected).length, DAMAGED);
  require(told.content === (await digest(tensors, expected)), DAMAGED);
  const shown = told.format === 1 ? oneBranch(tensors, world) : branchShown(tensors, told.line, world.sizes, DAMAGED);
  checkTensors(shown, world);
  await checkStart(shown, world);
  const { tokens, actions, prompt } = shown;
  require(Number.isSafeInteger(told.at) && told.at >= 0 && told.at <= actions.data.length, DAMAGED);
  const { at, sampling } = told;
  const seed = told.seeds[shown.root ?? 0];
  require(seed !== undefined, DAMAGED);
  return {
    tokens: tokens.data,
    actions: actions.data,
    prompt: prompt.data,
    seed,
    at,
    temperature: sampling.temperature,
    kept: shown.kept,
  };
}

function kindsOf(kinds, sizes) {
  return sizes.reference ? { ...kinds, ...ANCHORS } : kinds;
}

function oneBranch(tensors, { sizes }) {
  const [frames] = tensors.tokens.shape;
  const kept = sizes.reference ? anchorsOf(tensors, frames, [[0, frames]], [[0, frames]], DAMAGED) : new Map();
  return { ...tensors, kept };
}

/** The first picture kept is the prompt; what the others are is seen when they are needed. */
async function checkStart({ prompt, kept }, { sizes }) {
  if (!sizes.reference) return;
  const first = await unpackPicture(kept.get(0), prompt.data.length);
  require(first.every((value, i) => value === prompt.data[i]), DAMAGED);
}

function readTold(text) {
  try {
    const told = JSON.parse(text);
    const { format } = told;
    require(READS.includes(format), `This session has format ${format}, this page reads ${READS.at(-1)}; ${PROGRAM}.`);
    const seeds = /"seeds?": ?\[?([\d, ]{1,20000})/.exec(text); // JSON.parse would round a number of 63 bits
    require(seeds !== null, DAMAGED);
    return { ...told, seeds: seeds[1].split(",").filter((seed) => seed.trim()).map(BigInt) };
  } catch (error) {
    throw error instanceof Told ? error : new Told(BROKEN);
  }
}

function checkWorld(told, world) {
  const theirs = told.sha256 ?? {};
  const same = Object.entries(world.told.fingerprint).every(([network, hash]) => theirs[network] === hash);
  const name = String(told.world).slice(0, 100);
  require(same, `This session was played in another world (${name}); choose that world first.`);
  const passes = told.sampling?.unmask_steps;
  const ours = world.config.sampling.unmask_steps;
  require(passes === ours, `This session was played with ${passes} passes a frame, this page has ${ours}; ${PROGRAM}.`);
  const { temperature } = told.sampling;
  require(temperature >= 0 && temperature <= MOST_TEMPERATURE, DAMAGED);
}

function checkTensors({ tokens, actions, prompt }, { sizes }) {
  const steps = actions.data.length;
  const shaped = (tensor, shape) => JSON.stringify(tensor.shape) === JSON.stringify(shape);
  require(steps <= MOST_STEPS && shaped(actions, [steps]), DAMAGED);
  require(shaped(tokens, [steps + 1, ...sizes.grid]) && shaped(prompt, [...sizes.frame, 3]), DAMAGED);
  require(tokens.data.every((token) => token >= 0 && token < sizes.tokenIds), DAMAGED);
  require(actions.data.every((action) => action < sizes.actions), DAMAGED);
}

/** A hash of the tensors as Python's, which writes a shape as a tuple. */
async function digest(tensors, kinds) {
  const parts = [];
  for (const name of Object.keys(kinds).sort()) {
    const { shape, data } = tensors[name];
    const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(", ")})`;
    parts.push(new TextEncoder().encode(`${name} ${kinds[name][1]} ${tuple}\n`));
    parts.push(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  return sha256(new Uint8Array(await new Blob(parts).arrayBuffer()));
}
