// What the page tells: the sentence over the picture, what plays and how fast, the download.

import { FrameRate } from "./canvas.js";
import { byId, make, touched } from "./page.js";
import { Word } from "./word.js";

const word = new Word(() => byId("word"));
const rate = new FrameRate();
const MEGABYTE = 1e6;
const SLOWER_THAN = 0.8; // of the frame rate asked for, as app/play/session.py
const LOOKED_MS = 6000; // of play, before its pace is judged
const GAP_MS = 10_000; // without a frame: the page slept

/** Whether play keeps its pace. `frame` returns the rate reached when it first falls behind that `wanted`, else null. */
export class Pace {
  constructor() {
    Object.assign(this, { slow: false, last: -Infinity });
  }

  frame(wanted, now = performance.now()) {
    if (now - this.last > GAP_MS) Object.assign(this, { since: now, frames: -1 });
    this.last = now;
    const elapsed = now - this.since;
    this.frames++;
    if (elapsed < LOOKED_MS) return null;
    const reached = (this.frames * 1000) / elapsed;
    const fell = reached < SLOWER_THAN * wanted && !this.slow;
    Object.assign(this, { slow: reached < SLOWER_THAN * wanted, since: now, frames: 0 });
    return fell ? reached : null;
  }

  rest() {
    this.last = -Infinity;
  }
}

const pace = new Pace();

export function say(text, stays = false) {
  byId("word").classList.remove("bad");
  word.say(text, stays);
}

/** Shows what went wrong in one sentence, which stays. */
export function fault(error) {
  say(error.message, true);
  byId("word").classList.add("bad");
}

export function loading(text, { loaded, total } = {}) {
  const share = total ? loaded / total : null;
  document.body.dataset.mode = "loading";
  byId("loading").hidden = false;
  byId("loading-word").textContent = total ? `${text}: ${megabytes(loaded)} of ${megabytes(total)} MB` : text;
  const bar = byId("progress");
  if (share === null) bar.removeAttribute("value");
  else bar.value = share;
}

export function loaded() {
  byId("loading").hidden = true;
}

const megabytes = (bytes) => (bytes / MEGABYTE).toFixed(1);

export function tellBackend({ backend, threads }) {
  byId("threads").hidden = backend === "webgpu" || threads > 1 || globalThis.crossOriginIsolated;
  const name = backend === "webgpu" ? "WebGPU" : "WASM";
  byId("backend").textContent = backend === "webgpu" ? name : `${name}, ${threads} ${threads === 1 ? "thread" : "threads"}`;
}

/** Counts a frame that was played, of `wanted` a second. */
export function countFrame(mode, wanted) {
  if (["resting", "paused", "rewinding", "forward", "replay"].includes(mode)) {
    rate.clear();
    pace.rest();
    return;
  }
  const reached = pace.frame(wanted);
  const number = (value) => Number(value.toPrecision(value < 10 ? 2 : 3));
  if (reached !== null) {
    say(`This ${touched() ? "device" : "computer"} is too busy for ${number(wanted)} frames a second; ${number(reached)} reached.`);
  }
  const fps = rate.count();
  if (fps) byId("fps").textContent = `${fps.toFixed(fps < 10 ? 1 : 0)} frames/s`;
}

/** What a newcomer can do now, over the picture: `shown` or not; `key` is a key to try, `moves` whether it plays by itself. */
export function invite(shown, key, moves) {
  const box = byId("invite");
  box.hidden = !shown;
  if (box.dataset.moves === String(moves)) return;
  box.dataset.moves = moves;
  const hold = touched() ? ["Touch to play"] : ["Hold ", make("kbd", { textContent: key }), " or click to play"];
  box.replaceChildren(...(moves ? [make("small", { textContent: "It plays by itself. " })] : []), ...hold);
}
