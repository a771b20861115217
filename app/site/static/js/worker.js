// The worker: requests of client.js, one after the other, to the engine. Knows no page.

import { Engine } from "./engine.js";
import { packSession, parseSession } from "./session.js";
import { inWords, require } from "./told.js";
import { openWorld } from "./world.js";

let world = null;
let engine = null;

const requests = {
  async load({ name, ...asked }, progress) {
    const opened = await openWorld(name, asked, progress); // what is played in another goes on where this fails
    const left = world?.model;
    world = opened;
    engine = new Engine(world.model, world.config, world.sizes);
    await left?.close().catch(() => {}); // it then keeps its memory: the new one plays all the same
    const { config, backend, threads, bytes, told } = world;
    return { config, backend, threads, bytes, told };
  },

  async reset({ picture, seed, beside }) {
    return another(await playing().reset(fromRgba(picture), seed, beside));
  },

  async again() {
    return another(await playing().again());
  },

  async step({ action }) {
    const begun = performance.now();
    const picture = await playing().step(action);
    return { ...shown(picture), ms: performance.now() - begun };
  },

  async goto({ index, line }) {
    const { line: before } = playing();
    const picture = await engine.goto(index, line);
    return engine.line === before ? shown(picture) : another(picture);
  },

  async branches() {
    const { lines, moments } = playing();
    engine.keepTip();
    return {
      lines: lines.map(({ number, tip, picture }) => ({ number, tip, picture: toRgba(picture) })),
      kept: moments.map(({ line, index, picture }) => ({ line: line.number, index, picture: toRgba(picture) })),
    };
  },

  async keep() {
    return { index: playing().keep() };
  },

  async session() {
    return packSession(playing().saved, world);
  },

  async loadSession({ bytes }) {
    return another(await playing().open(await parseSession(bytes, world)));
  },

  async memory() {
    return { bytes: engine?.bytes ?? 0 };
  },
};

function playing() {
  require(engine, "No world is open; choose one.");
  return engine;
}

/** What the page shows, and what it knows of the line. */
function shown(rgb) {
  const { line, index, guesses } = engine;
  const seed = line.seed <= Number.MAX_SAFE_INTEGER ? Number(line.seed) : line.seed;
  return { picture: toRgba(rgb), index, tip: line.tip, seed, guesses, line: line.number, root: line.root.number };
}

/** The same of another line, and what the world makes of its prompt. */
function another(rgb) {
  const { line, made } = engine;
  return { ...shown(rgb), other: { actions: line.actions, prompt: line.prompt, made: toRgba(made) } };
}

function fromRgba({ width, height, data }) {
  const [expectedHeight, expectedWidth] = world.sizes.frame;
  const fits = width === expectedWidth && height === expectedHeight && data.length === 4 * width * height;
  const expected = `expected ${expectedWidth} × ${expectedHeight}`;
  require(fits, `The picture has ${width} × ${height} pixels, ${expected}; choose it again.`);
  return Uint8Array.from({ length: 3 * width * height }, (_, i) => data[4 * Math.floor(i / 3) + (i % 3)]);
}

function toRgba(rgb) {
  const data = new Uint8ClampedArray((4 * rgb.length) / 3).fill(255);
  for (let i = 0, at = 0; i < rgb.length; at++) for (let c = 0; c < 3; c++) data[4 * at + c] = rgb[i++];
  return data;
}

let queue = Promise.resolve();

self.onmessage = ({ data: { id, ask, told } }) => {
  const progress = (value) => self.postMessage({ id, progress: value });
  queue = queue.then(async () => {
    try {
      const answer = await requests[ask](told, progress);
      self.postMessage({ id, answer }, answer.picture ? [answer.picture.buffer] : []);
    } catch (error) {
      self.postMessage({ id, error: inWords(error) });
    }
  });
};
