// client.js for tests of the page alone: no network, a world whose frames are the prompt with a note in the first pixel,
// (index % 256, action, seed % 256); under the action `guessed` of config.json it guesses. window.stub holds what was asked of it.

import { pack, unpack } from "./safetensors.js";
import { Told } from "./told.js";

const NOTHING = 255;

export class Client {
  static async open() {
    return new Client();
  }

  constructor() {
    Object.assign(this, { actions: [], seed: 0, index: 0 });
    window.stub = { client: this, prompts: [], slow: 2, failing: "" };
  }

  async load(name, onProgress) {
    onProgress({ loaded: 1e6, total: 2e6 });
    const response = await fetch(`worlds/${name}/config.json`);
    if (!response.ok) throw new Told(`The world ${name} is damaged; export the page again.`);
    this.config = await response.json();
    return { config: this.config, backend: "wasm", threads: 2, bytes: 2e6 };
  }

  async reset({ width, height, data }, seed) {
    await this.work();
    const [rows, columns] = this.config.frame_size;
    if (rows !== height || columns !== width) throw new Told("not of the world's size");
    window.stub.prompts.push({ width, height, data: Array.from(data) });
    Object.assign(this, { prompt: data.slice(), made: data.slice(), actions: [], seed: Number(seed), index: 0 });
    return this.shown();
  }

  async step(action) {
    await this.work();
    this.actions.length = this.index;
    this.actions.push(action);
    this.index++;
    return { ...this.shown(), ms: 1 };
  }

  async goto(index) {
    await this.work();
    if (!(index >= 0 && index <= this.actions.length)) throw new Told(`There is no frame ${index} to go to.`);
    this.index = index;
    return this.shown();
  }

  async session() {
    const [height, width] = this.config.frame_size;
    const rgb = Uint8Array.from({ length: 3 * width * height }, (_, i) => this.prompt[4 * Math.floor(i / 3) + (i % 3)]);
    const tensors = {
      actions: { kind: "U8", shape: [this.actions.length], data: Uint8Array.from(this.actions) },
      prompt: { kind: "U8", shape: [height, width, 3], data: rgb },
    };
    return pack(tensors, { genie_session: JSON.stringify({ seed: this.seed, at: this.index }) });
  }

  async loadSession(bytes) {
    const { tensors, told } = unpack(bytes, "This file is no saved session, or it is damaged; choose a .genie file.");
    const { seed, at } = JSON.parse(told.genie_session);
    const [height, width] = this.config.frame_size;
    const prompt = new Uint8ClampedArray(4 * width * height).fill(255);
    tensors.prompt.data.forEach((value, i) => (prompt[4 * Math.floor(i / 3) + (i % 3)] = value));
    Object.assign(this, { prompt, made: prompt, opened: tensors.prompt.data, actions: Array.from(tensors.actions.data), seed, index: at });
    return { ...this.shown(), actions: [...this.actions], seed };
  }

  shown() {
    const picture = this.prompt.slice();
    picture.set([this.index % 256, this.index ? this.actions[this.index - 1] : NOTHING, this.seed % 256, 255]);
    const guesses = this.index > 0 && this.actions[this.index - 1] === this.config.guessed;
    return { picture, index: this.index, guesses };
  }

  async work() {
    await new Promise((resolve) => setTimeout(resolve, window.stub.slow));
    if (window.stub.failing) throw new Told(window.stub.failing);
  }
}
