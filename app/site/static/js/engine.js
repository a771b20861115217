// One playthrough of a world, as genie_core/engine.py plays it: all state of play, no network and no browser.
//
// `model` runs the world's two graphs: encode(feeds) and step(feeds) map named typed arrays to named typed arrays.
// A world by reference remembers its last picture and nothing else; the pictures of anchors.js are kept for ever.

import { ANCHORED, packPicture, unpackPicture } from "./anchors.js";
import { uniform } from "./noise.js";
import { Kept, Line } from "./line.js";
import { Ring } from "./ring.js";
import { memoryNames } from "./sizes.js";
import { require } from "./told.js";

const DECODER_REACH = 4; // earlier frames that a decoded picture depends on
const ROOM = 64_000_000; // bytes of keys and decoder states, whose frames can be played on from at once
const ROOM_PICTURES = 16_000_000; // pictures to go back over at once
const REFRESHED = 8; // pictures painted with an old one, for the steps back that follow

/** `lines` are the branches, `line` the one shown, `moments` those kept: {line, index, picture}. */
export class Engine {
  constructor(model, config, sizes) {
    Object.assign(this, { model, config, sizes, line: null, lines: [], moments: [], numbered: 0 });
  }

  /** Starts from `prompt` uint8 (H, W, 3) of the world's own size, `beside` the branches there are or instead of them;
   * the picture as it is shown. */
  async reset(prompt, seed, beside = false) {
    const first = await this.first(prompt);
    const { temperature } = this.config.sampling;
    const line = new Line({ prompt, seed: BigInt(seed), temperature, width: this.sizes.tokens });
    line.append(first.tokens, 0);
    if (!beside) this.forget();
    this.adopt([line]);
    this.take(line, first);
    await this.anchor(0, first.picture);
    return first.picture;
  }

  /** Begins anew at the prompt of the line shown, and forgets all that was played. */
  async again() {
    const { root } = this.line;
    const line = new Line({ ...root });
    line.append(root.tokens(0), 0);
    if (root.anchor(0)) line.anchors.set(0, root.anchor(0));
    this.forget();
    this.adopt([line]);
    await this.change(line);
    return this.goto(0);
  }

  /** Takes up a session of session.js at its frame `at`; the picture there. The branches that are here stay, unless
   * the session has them all. */
  async open({ lines, moments, shown, at }) {
    const opened = await this.first(shown.prompt);
    if (this.lines.every((line) => lines.some((other) => line.isIn(other)))) this.forget();
    this.adopt(lines);
    this.moments.push(...moments);
    this.take(shown, opened);
    const picture = await this.goto(at);
    if (this.ready !== at) await this.restore(at); // the first step is to come at once
    return picture;
  }

  forget() {
    Object.assign(this, { lines: [], moments: [] });
  }

  /** Takes in lines, and gives them numbers; a line on which nothing was played makes room. */
  adopt(lines) {
    const used = (line) => this.moments.some((moment) => moment.line === line) || this.lines.some((other) => other.parent === line);
    this.lines = this.lines.filter((line) => line.tip > 0 || used(line));
    for (const line of lines) line.number = this.numbered++;
    this.lines.push(...lines);
  }

  /** Shows another line; the one left keeps the picture of its tip. */
  async change(line) {
    this.take(line, await this.first(line.prompt));
  }

  keepTip() {
    if (this.line) this.line.picture = this.pictures.get(this.line.tip)?.picture ?? this.line.picture;
  }

  /** Keeps the frame shown; returns which it is. */
  keep() {
    const { line, index } = this;
    require(line, "Nothing has been played yet; choose a picture to start.");
    const known = this.moments.some((moment) => moment.line.owner(moment.index) === line.owner(index) && moment.index === index);
    if (!known) this.moments.push({ line: line.owner(index), index, picture: this.pictures.get(index).picture });
    return index;
  }

  /** Whether the model was so unsure of the frame shown that the world is known to err then, as app/play/session.py. */
  get guesses() {
    const { guessing_above: above } = this.config;
    return typeof above === "number" && this.line.doubt(this.index) > above;
  }

  /**
   * `prompt` as the first frame: its tokens, the picture to show and what the decoder remembers. `made` is what the
   * world makes of it, by which it is judged how well the world knows it.
   */
  async first(prompt) {
    const { frame: [height, width], tokens, reference } = this.sizes;
    const fits = prompt.length === 3 * height * width;
    require(fits, `A picture of ${width} × ${height} pixels was expected; choose it again.`);
    const shape = [1, height, width, 3];
    if (!reference) {
      const { tokens, picture, ...past } = await this.model.encode({ frames: [prompt, [1, ...shape]] });
      return { tokens, picture, past, made: picture };
    }
    const still = await this.model.encode({ reference: [prompt, shape], frame: [prompt, shape] });
    return { tokens: new Int32Array(tokens), picture: prompt, past: this.sees(prompt), made: still.picture };
  }

  /** What the decoder of a world by reference remembers after a picture, in the form of a graph's result. */
  sees(picture) {
    return { reference: Object.assign(picture, { shape: [1, ...this.sizes.frame, 3] }) };
  }

  take(line, { picture, past, made }) {
    this.keepTip();
    Object.assign(this, { line, past, made, ring: new Ring(this.sizes) });
    this.index = 0; // the frame shown
    this.ready = 0; // the frame that `ring` and `past` stand at
    this.keys = new Kept(ROOM); // of the line: index -> {key, value}
    this.pasts = new Kept(ROOM / 4); // index -> {stem, block}
    this.pictures = new Kept(ROOM_PICTURES); // index -> {picture}
    this.remember(0, past, picture);
  }

  /** Goes on by one frame under `action`, from the frame shown; on a new branch if frames follow. Returns the picture. */
  async step(action) {
    const { sizes, index } = this;
    require(this.line, "There is no picture to go on from; choose one to start.");
    const known = Number.isInteger(action) && action >= 0 && action < sizes.actions;
    require(known, `Action ${action} is not one of 0 to ${sizes.actions - 1}.`);
    if (this.ready !== index) await this.restore(index);
    const out = await this.run(index, action, null);
    if (index < this.line.tip) this.branch(index);
    this.line.append(out.tokens, action, out.doubt?.[0]);
    this.keys.put(index, { key: out.key, value: out.value });
    this.remember(index + 1, this.past, out.picture);
    await this.anchor(index + 1, out.picture);
    this.index = index + 1;
    return out.picture;
  }

  /** Leaves the line after frame `index`. What was computed up to there goes along: it does not depend on what follows. */
  branch(index) {
    this.keepTip();
    this.line = this.line.fork(index);
    for (const kept of [this.keys, this.pasts, this.pictures]) kept.cut(index);
    this.adopt([this.line]);
  }

  /** Shows frame `index` of the line, or of the line of a number. What play needs to go on from there is computed by the
   * next step. */
  async goto(index, number = this.line?.number) {
    const line = this.lines.find((each) => each.number === number);
    const known = line && Number.isInteger(index) && index >= 0 && index <= line.tip;
    require(known, `There is no frame ${index} to go to.`);
    if (line !== this.line) await this.change(line);
    if (!this.pictures.get(index)) await this.repaint(index);
    this.index = index;
    return this.pictures.get(index).picture;
  }

  /** Brings ring and decoder to frame `index`; frames whose keys are no longer kept are played again as they were. */
  async restore(index) {
    const { context, layers } = this.sizes;
    const first = Math.max(0, index - context);
    const kept = Array.from({ length: index - first }, (_, i) => this.keys.get(first + i));
    const past = await this.pastOf(index);
    if (past && kept.every(Boolean)) {
      kept.forEach((keys, i) => this.ring.put(first + i, keys));
      Object.assign(this, { past, ready: index });
    } else {
      // A frame's keys depend on frames before it through every layer: the first ones come out wrong, and fade.
      const start = this.from(Math.max(0, index - context * layers));
      await this.replay(start, index, start && start + context * (layers - 1));
    }
  }

  /** Paints frame `index` and a few before it from their tokens. */
  async repaint(index) {
    const few = Math.max(0, index - DECODER_REACH - 1 - REFRESHED);
    await this.replay(this.sizes.reference ? this.from(index) : few, index, Infinity);
    this.ready = -1;
  }

  /** The frame to begin at for frame `index` to come out right: in a world by reference one whose picture is kept. */
  from(index) {
    return this.sizes.reference ? index - (index % ANCHORED) : index;
  }

  /** Plays frames `start` to `index` with their tokens given; keys are right and kept from frame `keysFrom` on. */
  async replay(start, index, keysFrom) {
    const { line, sizes } = this;
    const exact = await this.pastOf(start);
    const paintedFrom = exact ? start : start + DECODER_REACH + 1;
    Object.assign(this, { ring: new Ring(sizes), past: exact ?? this.pasts.get(0), ready: -1 });
    if (sizes.reference) this.remember(start, exact, exact.reference);
    for (let i = start; i < index; i++) {
      const out = await this.run(i, line.into(i + 1), line.tokens(i + 1));
      if (i >= keysFrom) this.keys.put(i, { key: out.key, value: out.value });
      const kept = await this.anchored(i + 1);
      if (kept) this.past = this.sees(kept); // what was seen, where this device rounds otherwise
      if (i + 1 >= paintedFrom) this.remember(i + 1, this.past, kept ?? out.picture);
    }
    this.ready = index;
  }

  /** Keeps, while there is room, what frame `index` shows and what the decoder remembers after it. */
  remember(index, past, picture) {
    this.pictures.put(index, { picture });
    if (!this.sizes.reference) this.pasts.put(index, past);
  }

  /** What the decoder remembers after frame `index`, if that is kept. */
  async pastOf(index) {
    if (!this.sizes.reference) return this.pasts.get(index);
    const picture = this.pictures.get(index)?.picture ?? (await this.anchored(index));
    return picture && this.sees(picture);
  }

  /** Keeps the new picture of frame `index` for ever, if it is one of those. */
  async anchor(index, picture) {
    if (this.sizes.reference && index % ANCHORED === 0) this.line.anchors.set(index, await packPicture(picture));
  }

  /** The picture of frame `index` that is kept for ever, if there is one. */
  async anchored(index) {
    const packed = this.line.anchor(index);
    return packed && unpackPicture(packed, this.line.prompt.length);
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
      ...Object.fromEntries(Object.entries(past).map(([name, data]) => [name, [data, data.shape]])),
      uniform: [drawn ? uniform(line.seed, index + 1, count) : new Float32Array(count), noise],
      temperature: [Float32Array.of(drawn ? line.temperature : 0), [1]],
    });
    ring.put(index, out);
    const following = memoryNames(sizes).map((name) => [name, sizes.reference ? out.picture : out[`${name}_out`]]);
    Object.assign(this, { past: Object.fromEntries(following), ready: index + 1 });
    return out;
  }

  /** What session.js packs. */
  get saved() {
    const { line: shown, index: at, lines, moments } = this;
    require(shown, "Nothing has been played yet; choose a picture to start.");
    return { lines, moments, shown, at };
  }

  /** Of what the worker keeps. */
  get bytes() {
    const caches = [this.keys, this.pasts, this.pictures].filter(Boolean);
    return [...caches, ...this.lines].reduce((sum, { bytes }) => sum + bytes, 0);
  }
}
