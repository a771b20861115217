// The page's door to the engine, which runs in a worker: every call is a request, answered in order.
//
//   const client = await Client.open();
//   const { config, backend, threads, bytes } = await client.load("name", ({ loaded, total }) => …);
//   const { picture, index } = await client.reset(imageData, seed, beside); // RGBA, of the world's frame_size; beside the
//                                                                      // branches that there are, or instead of them
//   const { picture, index } = await client.again();                   // at the prompt, with all that was played forgotten
//   const { picture, index, tip, ms, guesses } = await client.step(action);
//   const { picture, index, tip } = await client.goto(index, line);    // stepping on from there begins a branch
//   const { lines, kept } = await client.branches();                   // [{number, tip, picture}], [{line, index, picture}]
//   const { index } = await client.keep();                             // the frame shown
//   const { bytes, branches, kept } = await client.session();          // a .genie file, and how many it has
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
    this.line = 0; // number of the branch shown
    this.root = 0; // number of the branch that its prompt begins
    this.prompt = null; // Uint8Array (H, W, 3) of the branch shown
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

  async reset({ width, height, data }, seed = 0, beside = false) {
    return this.show(await this.ask("reset", { picture: { width, height, data }, seed, beside }));
  }

  async again() {
    return this.show(await this.ask("again"));
  }

  async step(action) {
    const shown = await this.ask("step", { action });
    this.actions.length = shown.index - 1; // a step from an earlier frame begins a branch
    this.actions.push(action);
    return this.show(shown);
  }

  async goto(index, line = this.line) {
    return this.show(await this.ask("goto", { index, line }));
  }

  branches() {
    return this.ask("branches");
  }

  keep() {
    return this.ask("keep");
  }

  session() {
    return this.ask("session");
  }

  async loadSession(bytes) {
    const shown = await this.ask("loadSession", { bytes: new Uint8Array(bytes) });
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

  show({ picture, index, tip, seed, line, root, ms, guesses, other }) {
    Object.assign(this, { index, seed, line, root });
    if (other) Object.assign(this, { ...other, actions: Array.from(other.actions) });
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
