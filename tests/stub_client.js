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
    Object.assign(this, { lines: [], kept: [], line: 0, index: 0, numbered: 0 });
    window.stub = { client: this, prompts: [], slow: 2, failing: "", working: 0 };
  }

  get shownLine() {
    return this.lines.find(({ number }) => number === this.line);
  }

  get actions() {
    return this.shownLine?.actions ?? [];
  }

  get root() {
    return this.shownLine.root;
  }

  get seed() {
    return this.shownLine?.seed ?? 0;
  }

  get made() {
    return this.shownLine.rgba;
  }

  get prompt() {
    const { rgba } = this.shownLine;
    return Uint8Array.from({ length: (3 * rgba.length) / 4 }, (_, i) => rgba[4 * Math.floor(i / 3) + (i % 3)]);
  }

  async load(name, onProgress) {
    onProgress({ loaded: 1e6, total: 2e6 });
    const response = await fetch(`worlds/${name}/config.json`);
    if (!response.ok) throw new Told(`The world ${name} is damaged; export the page again.`);
    this.config = await response.json();
    this.world = name;
    return { config: this.config, backend: "wasm", threads: 2, bytes: 2e6 };
  }

  async reset({ width, height, data }, seed, beside = false) {
    await this.work();
    const [rows, columns] = this.config.frame_size;
    if (rows !== height || columns !== width) throw new Told("not of the world's size");
    window.stub.prompts.push({ width, height, data: Array.from(data) });
    this.lines = beside ? this.lines.filter((line) => line.actions.length > 0) : [];
    if (!beside) this.kept = [];
    this.add({ rgba: data.slice(), seed: Number(seed), actions: [] });
    this.index = 0;
    return this.shown();
  }

  async again() {
    await this.work();
    const { rgba, seed } = this.shownLine;
    Object.assign(this, { lines: [], kept: [], index: 0 });
    this.add({ rgba, seed, actions: [] });
    return this.shown();
  }

  add(line) {
    this.line = this.numbered++;
    this.lines.push({ root: this.line, ...line, number: this.line });
  }

  async step(action) {
    await this.work();
    if (this.index < this.actions.length) this.add({ ...this.shownLine, actions: this.actions.slice(0, this.index) });
    this.actions.push(action);
    this.index++;
    return { ...this.shown(), ms: 1 };
  }

  async goto(index, number = this.line) {
    await this.work();
    const line = this.lines.find((each) => each.number === number);
    if (!(line && index >= 0 && index <= line.actions.length)) throw new Told(`There is no frame ${index} to go to.`);
    Object.assign(this, { index, line: number });
    return this.shown();
  }

  async branches() {
    const lines = this.lines.map(({ number, rgba, actions }) => ({ number, tip: actions.length, picture: rgba.slice() }));
    return { lines, kept: this.kept.map((moment) => ({ ...moment, picture: this.lines[0].rgba.slice() })) };
  }

  async keep() {
    this.kept.push({ line: this.line, index: this.index });
    return { index: this.index };
  }

  async session() {
    const { lines, kept, line, index } = this;
    const told = { format: 2, seeds: [0], sha256: { net: this.world }, kept, line, index, lines: lines.map((each) => ({ ...each, rgba: Array.from(each.rgba) })) };
    return { bytes: pack({}, { genie_session: JSON.stringify(told) }), branches: lines.length, kept: kept.length };
  }

  async loadSession(bytes) {
    await this.work();
    const { told } = unpack(bytes, "This file is no saved session, or it is damaged; choose a .genie file.");
    if (!told.genie_session) throw new Told("This file is no saved session, or it is damaged; choose a .genie file.");
    const { lines, kept, line, index, sha256 } = JSON.parse(told.genie_session);
    if (sha256.net !== this.world) throw new Told("of another world");
    const first = this.numbered; // lines get numbers of their own here
    const taken = ({ rgba, number, root, ...each }) => ({ ...each, rgba: Uint8ClampedArray.from(rgba), number: first + number, root: first + root });
    Object.assign(this, { index, line: first + line, lines: lines.map(taken), kept: kept.map((moment) => ({ ...moment, line: first + moment.line })) });
    this.numbered = Math.max(...this.lines.map(({ number }) => number)) + 1;
    return { ...this.shown(), actions: [...this.actions] };
  }

  shown() {
    const picture = this.shownLine.rgba.slice();
    picture.set([this.index % 256, this.index ? this.actions[this.index - 1] : NOTHING, this.seed % 256, 255]);
    const guesses = this.index > 0 && this.actions[this.index - 1] === this.config.guessed;
    return { picture, index: this.index, tip: this.actions.length, line: this.line, seed: this.seed, guesses };
  }

  async work() {
    window.stub.working++;
    await new Promise((resolve) => setTimeout(resolve, window.stub.slow));
    window.stub.working--;
    if (window.stub.failing) throw new Told(window.stub.failing);
  }
}
