// The page's door to the engine, which runs in a worker: every call is a request, answered in order.
//
//   const client = await Client.open();
//   const { config, backend, threads, bytes } = await client.load("name", ({ loaded, total }) => …);
//   const { picture, index } = await client.reset(imageData, seed);    // RGBA, of the world's frame_size
//   const { picture, index, tip, ms, guesses } = await client.step(action);
//   const { picture, index, tip } = await client.goto(index);          // stepping on from there branches
//   const bytes = await client.session();                              // a .genie file
//   const { picture, index, tip, actions, seed } = await client.loadSession(bytes);
//
// A call that fails throws an Error whose message is one sentence to show.

import { atHome } from "./home.js";
import { Told } from "./told.js";

export class Client {
  /** Starts the worker, once the service worker is in place where there can be one. */
  static async open({ worker = new URL("./worker.js", import.meta.url), home = true } = {}) {
    const { update } = home ? await atHome() : { update: new Promise(() => {}) };
    return new Client(worker, update);
  }

  constructor(url, update) {
    this.actions = []; // ids of the line, from the prompt to its tip; those before `index` led to the frame shown
    this.seed = 0;
    this.made = null; // RGBA: what the world makes of the prompt
    this.index = 0;
    this.update = update; // resolves when a new version of the page is ready, which a reload shows
    this.waiting = new Map();
    this.asked = 0;
    this.worker = new Worker(url, { type: "module" });
    this.worker.onmessage = ({ data }) => this.hear(data);
    this.worker.onerror = (event) => {
      event.preventDefault?.();
      this.fail("The part of the page that plays could not start or broke down; reload the page.");
    };
  }

  /**
   * `backend` is "auto", "webgpu" or "wasm", `threads` 0 for what suits the device; the first world settles both.
   * Returns {config, backend, threads, bytes, told}: `told` is what worlds.json says of the world.
   */
  async load(name, onProgress = () => {}, { backend = "auto", threads = 0 } = {}) {
    return this.ask("load", { name, backend, threads }, onProgress);
  }

  async reset({ width, height, data }, seed = 0) {
    const shown = await this.ask("reset", { picture: { width, height, data }, seed });
    Object.assign(this, { actions: [], made: shown.made });
    return this.show(shown);
  }

  async step(action) {
    const shown = await this.ask("step", { action });
    this.actions.length = shown.index - 1; // a step from an earlier frame forgets what followed
    this.actions.push(action);
    return this.show(shown);
  }

  async goto(index) {
    return this.show(await this.ask("goto", { index }));
  }

  async session() {
    return (await this.ask("session")).bytes;
  }

  async loadSession(bytes) {
    const shown = await this.ask("loadSession", { bytes: new Uint8Array(bytes) });
    Object.assign(this, { actions: Array.from(shown.actions), opened: shown.prompt, made: shown.made });
    return { ...this.show(shown), actions: [...this.actions] };
  }

  /** {bytes}: what the worker keeps of the line played. */
  memory() {
    return this.ask("memory");
  }

  close() {
    this.fail("The world was closed; reload the page.");
    this.worker.terminate();
  }

  show({ picture, index, tip, seed, ms, guesses }) {
    Object.assign(this, { index, seed });
    return { picture, index, tip, seed, ms, guesses };
  }

  ask(ask, told = {}, onProgress = () => {}) {
    return new Promise((resolve, reject) => {
      this.waiting.set(++this.asked, { resolve, reject, onProgress });
      this.worker.postMessage({ id: this.asked, ask, told });
    });
  }

  hear({ id, answer, error, progress }) {
    const { resolve, reject, onProgress } = this.waiting.get(id);
    if (progress) {
      onProgress(progress);
      return;
    }
    this.waiting.delete(id);
    if (error) reject(new Told(error));
    else resolve(answer);
  }

  fail(sentence) {
    for (const { reject } of this.waiting.values()) reject(new Told(sentence));
    this.waiting.clear();
  }
}
