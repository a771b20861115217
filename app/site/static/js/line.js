// What was played: tokens and actions of every frame, and, while there is room, what was computed of it.

const ROOM = 64_000_000; // bytes of keys and decoder states, whose frames can be played on from at once
const ROOM_PICTURES = 16_000_000; // pictures to go back over at once

/** A branch of play. Frame 0 is the prompt; action i leads from frame i to frame i + 1. */
export class Line {
  constructor(prompt, seed, temperature, tokensOfAFrame) {
    Object.assign(this, { prompt, seed, temperature, width: tokensOfAFrame });
    this.frames = 0;
    this.kept = new Kept(ROOM); // index -> {key, value}
    this.pasts = new Kept(ROOM / 4); // index -> {stem, block}
    this.pictures = new Kept(ROOM_PICTURES); // index -> {picture}
    this.anchors = new Map(); // index -> a picture that is kept for ever, packed: see anchors.js
    this.tokenStore = new Int32Array(256 * tokensOfAFrame);
    this.actionStore = new Uint8Array(256);
    this.doubtStore = new Float32Array(256);
  }

  get tip() {
    return this.frames - 1;
  }

  get actions() {
    return this.actionStore.slice(0, Math.max(0, this.tip));
  }

  tokens(index) {
    return this.tokenStore.subarray(index * this.width, (index + 1) * this.width);
  }

  get allTokens() {
    return this.tokenStore.slice(0, this.frames * this.width);
  }

  /** The action that led to frame `index`; `none` for the prompt. */
  into(index, none) {
    return index === 0 ? none : this.actionStore[index - 1];
  }

  /** How unsure the model was of frame `index`, in nats a token; NaN where nobody told. */
  doubt(index) {
    return this.doubtStore[index];
  }

  append(tokens, action, doubt = NaN) {
    if ((this.frames + 1) * this.width > this.tokenStore.length) {
      this.tokenStore = grown(this.tokenStore);
      this.actionStore = grown(this.actionStore);
      this.doubtStore = grown(this.doubtStore);
    }
    this.tokenStore.set(tokens, this.frames * this.width);
    this.doubtStore[this.frames] = doubt;
    if (this.frames > 0) this.actionStore[this.frames - 1] = action;
    this.frames++;
  }

  /** Forgets the frames after `index`. Its keys stay: they do not depend on what follows. */
  cut(index) {
    this.frames = index + 1;
    this.kept.cut(index);
    this.pasts.cut(index);
    this.pictures.cut(index);
    for (const later of [...this.anchors.keys()]) if (later > index) this.anchors.delete(later);
  }

  get bytes() {
    const anchors = [...this.anchors.values()].reduce((sum, packed) => sum + packed.length, 0);
    return this.kept.bytes + this.pasts.bytes + this.pictures.bytes + anchors + this.tokenStore.byteLength;
  }
}

function grown(store) {
  const larger = new store.constructor(2 * store.length);
  larger.set(store);
  return larger;
}

/** Values by frame, up to `room` bytes; those put in longest ago go first, the prompt's stay. */
class Kept {
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

  cut(index) {
    for (const later of [...this.entries.keys()]) if (later > index) this.drop(later);
  }
}

function bytesOf(value) {
  return Object.values(value).reduce((sum, part) => sum + part.byteLength, 0);
}
