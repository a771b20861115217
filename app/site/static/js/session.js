// Saved sessions, the same files as app/play/session_file.py reads and writes.

import { ANCHORED, unpackPicture } from "./anchors.js";
import { branchesOf, branchTensors, MOST_BRANCHES, MOST_KEPT } from "./branches.js";
import { sha256 } from "./hash.js";
import { Line } from "./line.js";
import { pack, unpack } from "./safetensors.js";
import { require, Told } from "./told.js";

const FORMAT = 2;
const KEY = "genie_session";
const MOST_STEPS = 200_000;
const MOST_TEMPERATURE = 100;
const MOST_BYTES = 64_000_000;
const HEADER_BYTES = 100_000; // of a file, about
const READS = [1, 2]; // 1 has one branch
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
 * `played`: {lines: [Line], moments: [{line, index}], shown: Line, at}; `world`: {config, sizes, backend, told: {name,
 * fingerprint}}. Returns {bytes, branches, kept}: the file, and how many it has. If all are too many for a file, it has
 * the branch shown alone.
 */
export async function packSession(played, world) {
  const { config, sizes } = world;
  const { lines, moments, shown, at } = fits(played, sizes) ? played : alone(played);
  const most = `A session file has at most ${MOST_STEPS} steps, you played ${shown.tip}; record a film.`;
  require(fits({ lines, moments }, sizes), most);
  const tensors = branchTensors(lines, moments, sizes);
  const told = {
    format: FORMAT,
    world: world.told.name,
    runtime: `web ${world.backend}`,
    sha256: world.told.fingerprint,
    line: lines.indexOf(shown),
    at,
    fps: config.fps,
    sampling: { unmask_steps: config.sampling.unmask_steps, temperature: shown.temperature },
    content: await digest(tensors, kindsOf(ALL, sizes)),
  };
  const seeds = lines.filter(({ parent }) => !parent).map(({ seed }) => seed);
  // Numbers of 63 bits, which JSON.stringify cannot write.
  const text = JSON.stringify(told).replace(/\}$/, `, "seeds": [${seeds.join(", ")}]}`);
  return { bytes: pack(tensors, { [KEY]: text }), branches: lines.length, kept: moments.length };
}

/** Whether so much fits into a file that is read again. */
function fits({ lines, moments }, sizes) {
  const frames = lines.reduce((sum, line) => sum + line.frames - line.start, 0);
  const prompts = lines.filter(({ parent }) => !parent).length * sizes.frame[0] * sizes.frame[1] * 3;
  const anchors = lines.flatMap((line) => [...line.anchors.values()]).reduce((sum, part) => sum + part.length + 4, 0);
  const bytes = HEADER_BYTES + frames * (4 * sizes.tokens + 1) + prompts + anchors + 12 * lines.length + 8 * moments.length;
  const counts = frames <= MOST_STEPS + 1 && lines.length <= MOST_BRANCHES && moments.length <= MOST_KEPT;
  return counts && bytes <= MOST_BYTES;
}

/** The branch shown without the others. */
function alone({ shown, at }) {
  const line = new Line({ ...shown, parent: null, start: 0 });
  for (let i = 0; i <= shown.tip; i++) {
    line.append(shown.tokens(i), shown.into(i, 0));
    if (i % ANCHORED === 0 && shown.anchor(i)) line.anchors.set(i, shown.anchor(i));
  }
  return { lines: [line], moments: [], shown: line, at };
}

/** The inverse of `packSession`: {lines, moments, shown, at}; throws Told if `file` is no session of `world`. */
export async function parseSession(file, world) {
  require(file.length <= MOST_BYTES, `A session file has at most ${MOST_BYTES / 1e6} MB; choose a .genie file.`);
  const { tensors, told: metadata } = unpack(file, BROKEN);
  const told = readTold(metadata[KEY]);
  checkWorld(told, world);
  const expected = kindsOf(told.format === 1 ? ONE : ALL, world.sizes);
  const kinds = Object.entries(expected).every(([name, [kind]]) => tensors[name]?.kind === kind);
  require(kinds && Object.keys(tensors).length === Object.keys(expected).length, DAMAGED);
  require(told.content === (await digest(tensors, expected)), DAMAGED);
  const all = told.format === 1 ? asFormat2(tensors) : tensors;
  require(all.actions.data.length <= MOST_STEPS + 1, DAMAGED);
  const { seeds, sampling, at } = told;
  const { lines, moments } = branchesOf(all, { seeds, temperature: sampling.temperature }, world.sizes, DAMAGED);
  const shown = lines[told.format === 1 ? 0 : told.line];
  require(shown && Number.isSafeInteger(at) && at >= 0 && at <= shown.tip, DAMAGED);
  if (world.sizes.reference) await checkPictures(lines, moments);
  return { lines, moments, shown, at };
}

/** The name of the one of `worlds`, as worlds.json tells of them, that a session was played in; null if it is of none. */
export function playedIn(file, worlds) {
  try {
    const theirs = readTold(unpack(file, BROKEN).told[KEY]).sha256 ?? {};
    const same = ({ fingerprint }) => fingerprint && Object.entries(fingerprint).every(([network, hash]) => theirs[network] === hash);
    return worlds.find(same)?.name ?? null;
  } catch {
    return null; // told when it is opened
  }
}

function asFormat2({ tokens, actions, prompt, ...anchors }) {
  const steps = actions.data.length;
  const led = new Uint8Array(steps + 1); // 0 at the prompt
  led.set(actions.data, 1);
  return {
    ...anchors,
    tokens,
    actions: { shape: [steps + 1], data: led },
    prompts: { shape: [1, ...prompt.shape], data: prompt.data },
    lines: { shape: [1, 3], data: Int32Array.of(-1, 0, steps + 1) },
    kept: { shape: [0, 2], data: new Int32Array() },
  };
}

/** The first picture kept is the prompt; what the others are is seen when they are needed. The last ones tell branches
 * apart until they are played. */
async function checkPictures(lines, moments) {
  for (const line of lines.filter(({ parent }) => !parent)) {
    const first = await unpackPicture(line.anchor(0), line.prompt.length);
    require(first.every((value, i) => value === line.prompt[i]), DAMAGED);
  }
  const near = (line, index) => unpackPicture(line.anchor(index - (index % ANCHORED)), line.prompt.length);
  for (const line of lines) line.picture = await near(line, line.tip).catch(() => line.prompt);
  for (const moment of moments) moment.picture = await near(moment.line, moment.index).catch(() => moment.line.prompt);
}

function kindsOf(kinds, sizes) {
  return sizes.reference ? { ...kinds, ...ANCHORS } : kinds;
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
  require(same, `This session was played in another world (${name}); choose that world, or ${PROGRAM}.`);
  const passes = told.sampling?.unmask_steps;
  const ours = world.config.sampling.unmask_steps;
  require(passes === ours, `This session was played with the setting “passes per frame” at ${passes}, and this page plays at ${ours}; ${PROGRAM}.`);
  const { temperature } = told.sampling;
  require(temperature >= 0 && temperature <= MOST_TEMPERATURE, DAMAGED);
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
