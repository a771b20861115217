// One playthrough of a world, as genie_core/engine.py plays it: all state of play, no network and no browser.
//
// `model` runs the world's two graphs: encode({frames}) and step(feeds) map named typed arrays to named typed arrays.

import { uniform } from "./noise.js";
import { Line } from "./line.js";
import { Ring } from "./ring.js";
import { require } from "./told.js";

const DECODER_REACH = 4; // earlier frames that a decoded picture depends on
const REFRESHED = 8; // pictures painted with an old one, for the steps back that follow

export class Engine {
  constructor(model, config, sizes) {
    Object.assign(this, { model, config, sizes });
    this.line = null;
  }

  /** Starts from `prompt` uint8 (H, W, 3) of the world's own size; the picture as the world sees it. */
  async reset(prompt, seed) {
    const encoded = await this.encode(prompt);
    this.begin(prompt, BigInt(seed), this.config.sampling.temperature, encoded);
    this.line.append(encoded.tokens, 0);
    return encoded.picture;
  }

  /** Takes up a session of session.js at its frame `at`; the picture there. */
  async open(saved) {
    const encoded = await this.encode(saved.prompt);
    this.begin(saved.prompt, saved.seed, saved.temperature, encoded);
    const { width } = this.line;
    for (let i = 0; i <= saved.actions.length; i++) {
      this.line.append(saved.tokens.subarray(i * width, (i + 1) * width), saved.actions[i - 1]);
    }
    this.ready = saved.at === 0 ? 0 : -1;
    return this.goto(saved.at);
  }

  /** Whether the model was so unsure of the frame shown that the world is known to err then, as app/play/session.py. */
  get guesses() {
    const { guessing_above: above } = this.config;
    return typeof above === "number" && this.line.doubt(this.index) > above;
  }

  encode(prompt) {
    const [height, width] = this.sizes.frame;
    const fits = prompt.length === 3 * height * width;
    require(fits, `A picture of ${width} × ${height} pixels was expected; choose it again.`);
    return this.model.encode({ frames: [prompt, [1, 1, height, width, 3]] });
  }

  begin(prompt, seed, temperature, { picture, stem, block }) {
    this.line = new Line(prompt, seed, temperature, this.sizes.tokens);
    this.ring = new Ring(this.sizes);
    this.index = 0; // the frame shown
    this.ready = 0; // the frame that `ring` and `past` stand at
    this.past = { stem, block };
    this.line.pasts.put(0, this.past);
    this.line.pictures.put(0, { picture });
  }

  /** Goes on by one frame under `action`, from the frame shown; later frames are forgotten. Returns the picture. */
  async step(action) {
    const { line, sizes, index } = this;
    require(line, "There is no picture to go on from; choose one to start.");
    const known = Number.isInteger(action) && action >= 0 && action < sizes.actions;
    require(known, `Action ${action} is not one of 0 to ${sizes.actions - 1}.`);
    if (this.ready !== index) await this.restore(index);
    const out = await this.run(index, action, null);
    line.cut(index);
    line.append(out.tokens, action, out.doubt?.[0]);
    this.keep(index, out, true, true);
    this.index = index + 1;
    return out.picture;
  }

  /** Shows frame `index` of the line. What play needs to go on from there is computed by the next step. */
  async goto(index) {
    const { line } = this;
    const known = line && Number.isInteger(index) && index >= 0 && index <= line.tip;
    require(known, `There is no frame ${index} to go to.`);
    if (!line.pictures.get(index)) await this.repaint(index);
    this.index = index;
    return line.pictures.get(index).picture;
  }

  /** Brings ring and decoder to frame `index`; frames whose keys are no longer kept are played again as they were. */
  async restore(index) {
    const { line } = this;
    const { context, layers } = this.sizes;
    const first = Math.max(0, index - context);
    const kept = Array.from({ length: index - first }, (_, i) => line.kept.get(first + i));
    const past = line.pasts.get(index);
    if (past && kept.every(Boolean)) {
      kept.forEach((keys, i) => this.ring.put(first + i, keys));
      Object.assign(this, { past, ready: index });
    } else {
      // A frame's keys depend on frames before it through every layer: the first ones come out wrong, and fade.
      const start = Math.max(0, index - context * layers);
      await this.replay(start, index, start && start + context * (layers - 1));
    }
  }

  /** Paints frame `index` and a few before it from their tokens. */
  async repaint(index) {
    const start = Math.max(0, index - DECODER_REACH - 1 - REFRESHED);
    await this.replay(start, index, Infinity);
    this.ready = -1;
  }

  /** Plays frames `start` to `index` with their tokens given; keys are right and kept from frame `keysFrom` on. */
  async replay(start, index, keysFrom) {
    const { line } = this;
    const exact = line.pasts.get(start);
    const paintedFrom = exact ? start : start + DECODER_REACH + 1;
    Object.assign(this, { ring: new Ring(this.sizes), past: exact ?? line.pasts.get(0), ready: -1 });
    for (let i = start; i < index; i++) {
      const out = await this.run(i, line.into(i + 1), line.tokens(i + 1));
      this.keep(i, out, i >= keysFrom, i + 1 >= paintedFrom);
    }
    this.ready = index;
  }

  keep(index, { key, value, picture, stem_out: stem, block_out: block }, keys, painted) {
    const { line } = this;
    if (keys) line.kept.put(index, { key, value });
    if (!painted) return;
    line.pasts.put(index + 1, { stem, block });
    line.pictures.put(index + 1, { picture });
  }

  /** One step from frame `index`, where ring and decoder must stand; `forced` tokens (n) of the new frame, if known. */
  async run(index, action, forced) {
    const { line, ring, past, sizes } = this;
    const { tokens, passes, parts, vocabulary } = sizes;
    const drawn = line.temperature > 0 && forced === null; // else the noise has no weight, and one number will do
    const noise = drawn ? [1, passes, tokens, parts, vocabulary] : [1, passes, 1, parts, 1];
    const count = noise.reduce((product, side) => product * side, 1);
    const out = await this.model.step({
      last: [line.tokens(index), [1, tokens]],
      into: [Int32Array.of(line.into(index, sizes.actions)), [1]],
      action: [Int32Array.of(action), [1]],
      forced: [forced ?? new Int32Array(tokens).fill(-1), [1, tokens]],
      ...ring.feeds,
      ages: [ring.ages(index + 1), [1, 2, ring.slots + 2]],
      stem: [past.stem, past.stem.shape],
      block: [past.block, past.block.shape],
      uniform: [drawn ? uniform(line.seed, index + 1, count) : new Float32Array(count), noise],
      temperature: [Float32Array.of(drawn ? line.temperature : 0), [1]],
    });
    ring.put(index, out);
    Object.assign(this, { past: { stem: out.stem_out, block: out.block_out }, ready: index + 1 });
    return out;
  }

  /** The line as session.js packs it. */
  get saved() {
    const { line, index: at } = this;
    require(line, "Nothing has been played yet; choose a picture to start.");
    const { prompt, seed, temperature, actions, allTokens: tokens } = line;
    return { prompt, tokens, actions, seed, at, temperature };
  }
}
