// Play: what a tick does, one request to the client at a time. The modes are those of app/play/session.py.
// Knows no element of the page.

import { buildKeymap, HeldKeys, idleAction, keyName, resolve } from "./keymap.js";
import { Loop } from "./loop.js";

const STRIDES = [[90, 4], [30, 2], [0, 1]]; // after so many ticks of rewinding, a tick goes back so many frames
const REPLAY = { name: "replay" };
const SIGN_MS = 500; // until a step that lasts is told

/**
 * `on.frame({picture, index, tip, action, ms, guesses})` shows a frame, `on.state(game)` tells of a new mode, `on.word(text)` is a
 * sentence for the player, `on.line()` tells that another branch is shown, `on.fault(error)` that a tick failed. A `source` has a `name`, `next()`, an action id or null at its end, and `over`, the sentence to say then.
 */
export class Game {
  constructor(client, on) {
    Object.assign(this, { client, on, config: null, keymap: [], held: new HeldKeys(), speed: 1, asleep: false });
    Object.assign(this, { index: 0, tip: 0, halt: "resting", travel: "", source: null, oneStep: false, travelled: 0 });
    Object.assign(this, { line: null, went: false, unsaved: false }); // unsaved: something was played that no file has
    this.loop = new Loop();
    this.loop.run(() => this.tryTick(), () => 1000 / ((this.config?.fps ?? Infinity) * this.speed));
  }

  /** Plays a world by the actions of `config`, from the next `start` on. */
  take(config) {
    Object.assign(this, { config, keymap: buildKeymap(config.actions) });
    this.held.clear();
  }

  get mode() {
    return this.travel || this.halt || this.source?.name || "playing";
  }

  /** The action that led to the frame shown, or null at the prompt. */
  get action() {
    return this.index > 0 ? this.client.actions[this.index - 1] : null;
  }

  /** Whether somebody acted in the step to the frame shown. */
  get acted() {
    return this.action !== null && this.action !== idleAction(this.config.actions);
  }

  /** Starts from a picture, `beside` what was played or instead of it. */
  start(picture, seed, { source = null, beside = false } = {}) {
    return this.begin(() => this.client.reset(picture, seed, beside), "", source);
  }

  /** Begins at the prompt of what plays by itself, which is forgotten. */
  anew() {
    Object.assign(this, { source: null, unsaved: false });
    this.on.state(this);
    return this.loop.ask(async () => {
      this.show({ ...(await this.client.again()), tip: 0 });
      this.unsaved = false; // a step that was under way says that something was played
    });
  }

  open(session) {
    return this.begin(() => this.client.loadSession(session), "resting", null);
  }

  begin(load, halt, source) {
    return this.loop.ask(async () => {
      const shown = await load();
      Object.assign(this, { halt, travel: "", source, oneStep: false, line: null });
      this.show({ ...shown, tip: this.client.actions.length });
      this.change();
    });
  }

  /** Shows frame `index` of the branch shown, or of that of number `line`. */
  goTo(index, line) {
    this.wanted = [index, line]; // a slider asks faster than frames are found
    this.going ??= this.loop.ask(() => {
      this.going = null;
      if (this.source) this.end("");
      return this.move(...this.wanted);
    });
    return this.going;
  }

  /** Plays anew from the prompt; what was played stays a branch. */
  restart() {
    return this.loop.ask(async () => {
      await this.move(0);
      this.play(null);
    });
  }

  /** Shows the line again from its start; nothing is played anew. */
  replay() {
    return this.loop.ask(async () => {
      await this.move(0);
      this.play(REPLAY);
    });
  }

  play(source) {
    Object.assign(this, { source, halt: "" });
    this.change();
  }

  /** Ends what plays by itself, and stands still there. */
  stop() {
    if (!this.source) return;
    this.halt = "resting";
    this.end("Stopped. Play goes on from here.");
  }

  pause(on = !this.halt) {
    this.halt = on ? "paused" : "";
    this.change();
  }

  /** Stands still until the player acts. */
  rest() {
    Object.assign(this, { halt: "resting", source: null });
    this.change();
  }

  step() {
    Object.assign(this, { halt: "paused", oneStep: true });
    this.change();
  }

  /** Goes back ("rewinding") or on again ("forward") along the line for as long as it is held. */
  press(travel, held) {
    if (held) Object.assign(this, { travel, travelled: 0 });
    else if (this.travel === travel) this.travel = "";
    this.change();
  }

  key(code, down) {
    const name = keyName(code) ?? code;
    if (down) this.held.press(name);
    else this.held.release(name);
    this.loop.wakeUp();
  }

  releaseAll() {
    this.held.clear();
    this.travel = "";
    this.change();
  }

  sleep(asleep) {
    this.asleep = asleep;
    this.loop.wakeUp();
  }

  change() {
    this.on.state(this);
    this.loop.wakeUp();
  }

  async tryTick() {
    try {
      return Boolean(this.config) && !this.asleep && (await this.tick());
    } catch (error) {
      Object.assign(this, { halt: "paused", source: null });
      this.on.state(this);
      this.on.fault(error);
      return false;
    }
  }

  async tick() {
    if (this.travel) return this.goAlong();
    const held = resolve(this.held.look(), this.keymap);
    if (held !== null) this.takeOver();
    const { oneStep } = this;
    this.oneStep = false;
    if (this.halt && !oneStep) return false;
    if (this.source === REPLAY) return this.replayOne();
    if (oneStep && held === null && this.index < this.tip) return this.move(this.index + 1);
    const from = this.index;
    const branched = from < this.tip;
    const shown = await this.patiently(this.client.step(held ?? this.source?.next() ?? this.idle()));
    this.show({ ...shown, tip: shown.index });
    this.unsaved ||= this.acted;
    if (branched) this.on.word(`A new branch from ${from ? `step ${from}` : "the start"}; the one you left is kept.`);
    return true;
  }

  /** The first step after going elsewhere may have to play again what led there. */
  async patiently(step) {
    const waiting = this.went && setTimeout(() => this.on.word("One moment: the world is brought to this step."), SIGN_MS);
    try {
      return await step;
    } finally {
      clearTimeout(waiting);
      this.went = false;
    }
  }

  /** A key is held: the player plays. */
  takeOver() {
    const rested = this.halt === "resting";
    if (rested) this.halt = "";
    if (this.source) this.end("You play.");
    else if (rested) this.on.state(this);
  }

  /** Nothing is held, and no source has an action. */
  idle() {
    if (this.source) this.end(this.source.over);
    return idleAction(this.config.actions);
  }

  end(word) {
    this.source = null;
    if (word) this.on.word(word);
    this.on.state(this);
  }

  async goAlong() {
    const [, stride] = STRIDES.find(([ticks]) => this.travelled >= ticks);
    this.travelled++;
    this.source = null;
    return this.move(this.index + (this.travel === "rewinding" ? -stride : stride));
  }

  async replayOne() {
    const { index, tip } = this;
    if (index < tip) this.show({ ...(await this.client.goto(index + 1)), tip });
    if (this.index < tip) return true;
    this.halt = "resting";
    this.end("The replay has ended; hold a key to go on.");
    return true;
  }

  /** Shows a frame played before, the nearest there is, and rests there. */
  async move(index, line = this.line) {
    const wanted = Math.min(Math.max(index, 0), line === this.line ? this.tip : Infinity);
    this.halt ||= "resting";
    if (wanted !== this.index || line !== this.line) {
      this.show(await this.client.goto(wanted, line));
      this.went = true;
    }
    this.on.state(this);
    return true;
  }

  show({ picture, index, tip, ms, guesses }) {
    Object.assign(this, { index, tip });
    if (this.line !== this.client.line) {
      this.line = this.client.line;
      this.on.line();
    }
    this.on.frame({ picture, index, tip, action: this.action, ms, guesses });
  }
}
