// Saved sessions, the same files as app/play/session_file.py reads and writes.

import { sha256 } from "./hash.js";
import { pack, unpack } from "./safetensors.js";
import { require, Told } from "./told.js";

const FORMAT = 1;
const KEY = "genie_session";
const MOST_STEPS = 200_000;
const MOST_TEMPERATURE = 100;
const MOST_BYTES = 64_000_000;
const KINDS = { actions: ["U8", "uint8"], prompt: ["U8", "uint8"], tokens: ["I32", "int32"] };
const BROKEN = "This file is no saved session, or it is damaged; choose a .genie file.";
const PROGRAM = "open it with python launch.py --continue";
const DAMAGED = "This session file is damaged; save the session again where it was played.";

/**
 * `line`: {prompt: Uint8Array (H, W, 3), tokens: Int32Array, actions: Uint8Array, seed: BigInt, at, temperature};
 * `world`: {config, sizes, backend, told: {name, fingerprint}}. Returns the file's bytes.
 */
export async function packSession(line, world) {
  const { prompt, tokens, actions, seed, at, temperature } = line;
  const { config, sizes } = world;
  const steps = actions.length;
  require(steps <= MOST_STEPS, `A session file has at most ${MOST_STEPS} steps, you played ${steps}; record a film.`);
  const tensors = {
    tokens: { kind: "I32", shape: [steps + 1, ...sizes.grid], data: tokens },
    actions: { kind: "U8", shape: [steps], data: actions },
    prompt: { kind: "U8", shape: [...sizes.frame, 3], data: prompt },
  };
  const told = {
    format: FORMAT,
    world: world.told.name,
    runtime: `web ${world.backend}`,
    sha256: world.told.fingerprint,
    at,
    fps: config.fps,
    sampling: { unmask_steps: config.sampling.unmask_steps, temperature },
    content: await digest(tensors),
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
  const kinds = Object.entries(KINDS).every(([name, [kind]]) => tensors[name]?.kind === kind);
  require(kinds && Object.keys(tensors).length === 3, DAMAGED);
  checkTensors(tensors, world);
  require(told.content === (await digest(tensors)), DAMAGED);
  const { tokens, actions, prompt } = tensors;
  require(Number.isSafeInteger(told.at) && told.at >= 0 && told.at <= actions.data.length, DAMAGED);
  const { seed, at, sampling } = told;
  return {
    tokens: tokens.data,
    actions: actions.data,
    prompt: prompt.data,
    seed,
    at,
    temperature: sampling.temperature,
  };
}

function readTold(text) {
  try {
    const told = JSON.parse(text);
    const { format } = told;
    require(format === FORMAT, `This session has format ${format}, this page reads ${FORMAT}; ${PROGRAM}.`);
    const seed = /"seed": ?(\d{1,19})\b/.exec(text); // JSON.parse would round a number of 63 bits
    require(seed !== null, DAMAGED);
    return { ...told, seed: BigInt(seed[1]) };
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
async function digest(tensors) {
  const parts = [];
  for (const name of Object.keys(KINDS)) {
    const { shape, data } = tensors[name];
    const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(", ")})`;
    parts.push(new TextEncoder().encode(`${name} ${KINDS[name][1]} ${tuple}\n`));
    parts.push(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  return sha256(new Uint8Array(await new Blob(parts).arrayBuffer()));
}
