// What is played: a world, the picture and the seed it started from, and the ways to start anew.

import { fit } from "../fit.js";
import { playedIn } from "../session.js";
import { Told } from "../told.js";
import { idleAction } from "./keymap.js";
import { calm } from "./page.js";
import { unpackPicture } from "./share.js";
import { byChance, listed } from "./sources.js";
import * as status from "./status.js";

const ATTRACT_SECONDS = 12; // from one picture
const ATTRACT_ROUNDS = 20; // then the page rests, kind to batteries
const [FOREIGN_DB, KNOWN_DB] = [15, 30]; // of what the world makes of the prompt, as in genie_core/familiarity.py
const MOST_SESSION_BYTES = 64_000_000;

export class Player {
  /**
   * `site` is worlds.json. `on.preview(ImageData)` is to be shown while a world is on its way, `on.world(name, config)`
   * tells that it is here, `on.stay()` that the one before goes on; `on.leave()` that a line is left, `on.start()` of a
   * new one. `on.ask(text, yes)` asks the player, and resolves to whether the answer was `yes`.
   */
  constructor(client, game, starts, site, on) {
    Object.assign(this, { client, game, starts, site, on });
    Object.assign(this, { world: null, config: null, path: null, pixels: null, seed: 0, untouched: true, round: 0 });
    this.paths = new Map(); // of the branches that begin at a picture of the site, by their numbers
  }

  /** Those that led to the frame shown, without the last ones in which nobody acted. */
  get actions() {
    const actions = this.client.actions.slice(0, this.game.index);
    const idle = idleAction(this.config.actions);
    return actions.slice(0, actions.findLastIndex((action) => action !== idle) + 1);
  }

  /** Downloads and opens a world; what was played in another is gone, or goes on if this one cannot be opened. */
  async open(name) {
    const world = this.site.worlds.find((each) => each.name === name);
    if (!world) throw new Told(`This page does not have the world ${name.slice(0, 60)}; choose one of its own.`);
    this.game.config = null;
    this.offer(world);
    status.loading("Getting the world");
    this.starts.preview((picture) => this.game.config || this.on.preview(picture));
    try {
      const opened = await this.game.loop.ask(() => this.client.load(name, tellProgress));
      Object.assign(this, { world: name, config: opened.config, path: null, pixels: null });
      this.game.take(opened.config);
      Object.assign(this.game, { tip: 0, index: 0, unsaved: false });
      this.paths.clear();
      status.tellBackend(opened);
      this.on.world(name, opened.config);
    } catch (error) {
      if (this.config && this.world !== name) this.stay();
      throw error;
    } finally {
      status.loaded();
    }
  }

  /** Goes on in the world that is open, with all that was played there. */
  stay() {
    this.game.config = this.config;
    this.offer(this.site.worlds.find(({ name }) => name === this.world));
    this.starts.mark(this.path);
    this.on.stay();
    this.game.change();
  }

  offer({ pictures }) {
    this.starts.offer(pictures ?? this.site.pictures ?? []);
  }

  /** Starts from ImageData of any size. `path` names the site's picture, if it is one. */
  async start(picture, path, { seed = this.seed, source = null } = {}) {
    if (!this.config) throw new Told("No world is open yet; wait until it is here, or choose another.");
    const pixels = fit(picture, this.config.frame_size);
    const prompt = new ImageData(pixels.data.slice(), pixels.width, pixels.height);
    this.on.leave();
    Object.assign(this, { path, pixels: prompt }); // at once: a new seed asked for meanwhile is one of this picture
    await this.game.start(pixels, seed, { source, beside: !this.untouched });
    this.begun(path);
    this.on.start();
  }

  /** A branch begins at the site's picture `path`, or at another for null. */
  begun(path) {
    this.paths.set(this.client.root, path);
    this.line();
  }

  /** Another branch is shown: what it began from. */
  line() {
    const { root, prompt, seed } = this.client;
    const [height, width] = this.config.frame_size;
    Object.assign(this, { path: this.paths.get(root) ?? null, pixels: opaque(prompt, width, height), seed });
    this.starts.mark(this.path);
  }

  /** The first picture, moving by itself where the visitor likes motion. */
  async greet() {
    const paths = this.starts.paths;
    if (paths.length === 0) {
      status.say("Upload, paste or draw a picture to start from.", true);
      return;
    }
    const path = paths[this.round % paths.length];
    const steps = Math.round(ATTRACT_SECONDS * this.config.fps);
    const source = calm() ? null : byChance(this.config.actions, { name: "attract", steps });
    await this.start(await this.starts.fetch(path), path, { seed: this.round, source });
    if (calm()) this.game.rest();
  }

  /** The world has moved by itself for a while: the next picture, until somebody touches the page. */
  async attractAgain() {
    this.round++;
    if (this.round >= ATTRACT_ROUNDS) this.game.rest();
    else await this.greet();
  }

  /** The first touch of a key, a finger or the mouse: from here on the person plays. */
  touch() {
    if (!this.untouched) return;
    this.untouched = false;
    this.rested = this.game.halt === "resting"; // it stood still from the start
    if (this.game.source?.name !== "attract") return this.game.change();
    this.on.leave();
    const { path } = this;
    this.game.anew().then(() => this.begun(path)).catch(status.fault);
  }

  /** The picture was clicked: the first time it begins to move, wherever it did not by itself. */
  tap() {
    if (this.rested && this.game.halt === "resting") this.game.play(null);
    this.rested = false;
  }

  again(seed = this.seed) {
    if (!this.pixels) return Promise.resolve();
    return this.start(this.pixels, this.path, { seed });
  }

  async openLink({ world, seed, actions, picture, data }) {
    if (!(await this.mayLeaveFor(world, `This link was played in the world ${world}.`))) return false;
    if (world !== this.world) await this.open(world);
    this.untouched = false;
    const most = this.config.actions.length;
    if (actions.some((action) => action >= most)) throw new Told(`This link holds actions that ${world} does not have; copy it again, whole.`);
    const pixels = data ? await unpackPicture(data, this.config.frame_size) : await this.starts.fetch(picture);
    const source = actions.length ? listed(actions, { over: "The link's play ends here; hold a key to go on." }) : null;
    await this.start(pixels, data ? null : picture, { seed, source });
    return true;
  }

  async openSession(blob) {
    if (!this.config) throw new Told("No world is open yet; wait until it is here, or choose another.");
    if (blob.size > MOST_SESSION_BYTES) throw new Told(`A session file has at most ${MOST_SESSION_BYTES / 1e6} MB; choose a .genie file.`);
    const bytes = new Uint8Array(await blob.arrayBuffer());
    const world = playedIn(bytes, this.site.worlds) ?? this.world;
    if (!(await this.mayLeaveFor(world, `This session was played in the world ${world}.`))) return;
    const switched = world !== this.world;
    if (switched) await this.open(world);
    this.untouched = false;
    status.loading("Opening the session");
    try {
      this.on.leave();
      await this.game.open(bytes);
      this.on.start();
    } catch (error) {
      if (switched) await this.greet();
      throw error;
    } finally {
      status.loaded();
      this.game.change();
    }
  }

  /** Asks before the page opens another world, if something would be lost; `why` is the sentence before the question. */
  mayLeaveFor(world, why = "") {
    if (world === this.world || !this.wouldLose) return true;
    return this.on.ask(`${why} If this page opens ${world}, what you played in ${this.world} is gone unless you save it.`.trim(), `Open ${world}`);
  }

  /** Whether something was played that no file has. */
  get wouldLose() {
    return !this.untouched && this.game.unsaved;
  }

  session() {
    return this.game.loop.ask(() => this.client.session());
  }

  /** Whether the world knows pictures like the prompt, by what it makes of it. */
  get knows() {
    let sum = 0;
    const { made } = this.client;
    const { data } = this.pixels;
    for (let i = 0; i < data.length; i++) if (i % 4 < 3) sum += (data[i] - made[i]) ** 2;
    const db = 10 * Math.log10(255 ** 2 / (sum / (0.75 * data.length)));
    return (db - FOREIGN_DB) / (KNOWN_DB - FOREIGN_DB) >= 0.5;
  }
}

function tellProgress({ loaded, total }) {
  if (loaded < total) status.loading("Getting the world", { loaded, total });
  else status.loading("Starting the networks");
}

function opaque(rgb, width, height) {
  const data = new Uint8ClampedArray(4 * width * height).fill(255);
  for (let i = 0; i < width * height; i++) data.set(rgb.subarray(3 * i, 3 * i + 3), 4 * i);
  return new ImageData(data, width, height);
}
