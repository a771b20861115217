// What the page tells: the sentence over the picture, what plays and how fast, the download.

import { FrameRate } from "./canvas.js";
import { byId, make, touched } from "./page.js";
import { Word } from "./word.js";

const word = new Word(() => byId("word"));
const rate = new FrameRate();
const MEGABYTE = 1e6;

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
  const name = backend === "webgpu" ? "WebGPU" : "WASM";
  byId("backend").textContent = backend === "webgpu" ? name : `${name}, ${threads} ${threads === 1 ? "thread" : "threads"}`;
}

/** Counts a frame that was played. */
export function countFrame(mode) {
  if (["resting", "paused", "rewinding", "forward", "replay"].includes(mode)) rate.clear();
  const fps = rate.count();
  if (fps) byId("fps").textContent = `${fps.toFixed(fps < 10 ? 1 : 0)} frames/s`;
}

/** What a newcomer can do now, over the picture: `shown` or not; `key` is a key to try, `moves` whether it plays by itself. */
export function invite(shown, key, moves) {
  const box = byId("invite");
  if (box.hidden !== shown) return;
  box.hidden = !shown;
  const hold = touched() ? ["Touch to play"] : ["Hold ", make("kbd", { textContent: key }), " or click to play"];
  box.replaceChildren(...(moves ? [make("small", { textContent: "It plays by itself. " })] : []), ...hold);
}
