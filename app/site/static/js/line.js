// What was played: tokens and actions of every frame; and, while there is room, what was computed of it.

/** A branch of play, which owns its frames from `start` on; `parent` has those before. Frame 0 is the prompt; action i
 * leads from frame i to frame i + 1. */
export class Line {
  constructor({ prompt, seed, temperature, width, parent = null, start = 0 }) {
    Object.assign(this, { prompt, seed, temperature, width, parent, start, number: -1 });
    this.picture = prompt; // of its tip, or near it: to tell branches apart
    this.frames = start;
    this.anchors = new Map(); // index -> a picture that is kept for ever, packed: see anchors.js
    this.tokenStore = new Int32Array(64 * width);
    this.actionStore = new Uint8Array(64); // 0 at a prompt
    this.doubtStore = new Float32Array(64);
  }

  /** A branch that leaves after frame `index`, without a frame of its own yet. */
  fork(index) {
    return new Line({ ...this, parent: this.owner(index), start: index + 1 });
  }

  /** The line, this one or an ancestor, that frame `index` belongs to. */
  owner(index) {
    let line = this;
    while (index < line.start && line.parent) line = line.parent;
    return line;
  }

  get root() {
    return this.owner(0);
  }

  get tip() {
    return this.frames - 1;
  }

  get actions() {
    return Uint8Array.from({ length: Math.max(0, this.tip) }, (_, i) => this.into(i + 1));
  }

  tokens(index) {
    const { tokenStore, start, width } = this.owner(index);
    return tokenStore.subarray((index - start) * width, (index - start + 1) * width);
  }

  /** The action that led to frame `index`; `none` for the prompt. */
  into(index, none) {
    const { actionStore, start } = this.owner(index);
    return index === 0 ? none : actionStore[index - start];
  }

  /** How unsure the model was of frame `index`, in nats a token; NaN where nobody told. */
  doubt(index) {
    const { doubtStore, start } = this.owner(index);
    return doubtStore[index - start];
  }

  anchor(index) {
    return this.owner(index).anchors.get(index);
  }

  append(tokens, action, doubt = NaN) {
    const at = this.frames - this.start;
    if ((at + 1) * this.width > this.tokenStore.length) {
      this.tokenStore = grown(this.tokenStore);
      this.actionStore = grown(this.actionStore);
      this.doubtStore = grown(this.doubtStore);
    }
    this.tokenStore.set(tokens, at * this.width);
    this.doubtStore[at] = doubt;
    this.actionStore[at] = action;
    this.frames++;
  }

  /** Its own frames: {tokens, actions}. */
  get own() {
    const count = this.frames - this.start;
    return { tokens: this.tokenStore.subarray(0, count * this.width), actions: this.actionStore.subarray(0, count) };
  }

  /** Whether `other` has all frames of this one too. Branches mostly differ at their ends. */
  isIn(other) {
    const same = (ours, theirs) => ours.every((value, i) => value === theirs[i]);
    if (this.tip > other.tip || this.seed !== other.seed || !same(this.prompt, other.prompt)) return false;
    for (let index = this.tip; index >= 0; index--) {
      if (this.into(index, 0) !== other.into(index, 0) || !same(this.tokens(index), other.tokens(index))) return false;
    }
    return true;
  }

  get bytes() {
    const anchors = [...this.anchors.values()].reduce((sum, packed) => sum + packed.length, 0);
    return anchors + this.tokenStore.byteLength + this.picture.byteLength;
  }
}

function grown(store) {
  const larger = new store.constructor(2 * store.length);
  larger.set(store);
  return larger;
}

/** Values by frame, up to `room` bytes; those put in longest ago go first, the prompt's stay. */
export class Kept {
  constructor(room) {
    Object.assign(this, { room, bytes: 0, entries: new Map() });
  }

  get(index) {
    return this.entries.get(index);
  }

  put(index, value) {
    this.drop(index);
    this.entries.set(index, value);
    this.bytes += bytesOf(value);
    for (const old of this.entries.keys()) {
      if (this.bytes <= this.room) break;
      if (old !== 0 && old !== index) this.drop(old);
    }
  }

  drop(index) {
    const value = this.entries.get(index);
    if (value === undefined) return;
    this.entries.delete(index);
    this.bytes -= bytesOf(value);
  }

  /** Forgets the frames after `index`. */
  cut(index) {
    for (const later of [...this.entries.keys()]) if (later > index) this.drop(later);
  }
}

function bytesOf(value) {
  return Object.values(value).reduce((sum, part) => sum + part.byteLength, 0);
}
