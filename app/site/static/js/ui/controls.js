// Everything that a person presses: keys, buttons, thumbs, gamepads, fields.

import { Gamepads } from "./gamepad.js";
import { listenToKeys } from "./keys.js";
import { keyName } from "./keymap.js";
import { Pad } from "./pad.js";
import { byId, touched } from "./page.js";
import { byChance } from "./sources.js";
import { say } from "./status.js";
import { Stick } from "./thumbs.js";

const HALTED = ["paused", "resting", "loading"];
const FIELDS = "input, select, textarea";

/** Whether a key typed there is for the world: anywhere but in fields and boxes; buttons keep Space and Enter. */
function atWorld(target, code) {
  if (target.closest(FIELDS) || document.querySelector("dialog[open]")) return false;
  return !(target.closest("button, summary") && ["Space", "Enter"].includes(code));
}

/** Shows what the keys do. */
function tellKeys() {
  byId("keys-box").showModal();
}

export class Controls {
  constructor(player, timeline, orFault) {
    Object.assign(this, { player, game: player.game, timeline, orFault, holders: new Map(), bound: new Set() });
    this.pad = new Pad(document.body, "[data-codes], [data-hold]", (button) => this.hold(button));
    this.stick = new Stick({ press: (code) => this.press(code), release: (code) => this.release(code) });
    this.commands = this.listCommands();
    this.listenToKeyboard();
    this.listenToPage();
    new Gamepads({
      key: (name, down) => (down ? this.press(name) : this.release(name)),
      command: (name) => this.command(name),
      hold: (travel, down) => this.game.press(travel, down),
    });
    byId("seed").addEventListener("change", () => this.takeSeed());
    byId("speed").addEventListener("change", () => (this.game.speed = Number(byId("speed").value)));
    for (const select of document.querySelectorAll("select")) this.letGoOf(select);
    byId("smooth").addEventListener("change", (event) => document.body.classList.toggle("smooth", event.target.checked));
    byId("auto").addEventListener("click", () => this.autoplay());
    byId("replay").addEventListener("click", orFault(() => (this.game.mode === "replay" ? this.game.stop() : this.game.replay())));
    byId("tell-keys").addEventListener("click", tellKeys);
  }

  /** What was chosen with the mouse is chosen: the arrow keys play again, and choose no other. */
  letGoOf(select) {
    let mouse = false;
    select.addEventListener("pointerdown", () => (mouse = true));
    select.addEventListener("keydown", () => (mouse = false));
    select.addEventListener("change", () => mouse && byId("stage").focus({ preventScroll: true }));
  }

  /** The keys of a new world; until the first one is here, its buttons wait. */
  world() {
    this.bound = new Set(this.game.keymap.flatMap(({ keys }) => [...keys]));
    for (const each of document.querySelectorAll(":disabled:not(#timeline)")) each.disabled = false;
  }

  listCommands() {
    const { game, player, timeline, orFault } = this;
    return {
      pause: () => game.pause(),
      step: () => game.step(),
      restart: orFault(() => game.restart()),
      keep: orFault(() => timeline.keep()),
      seed: orFault(() => this.newSeed()),
      recall: orFault(() => timeline.recallKept()),
      branch: orFault(() => timeline.nextBranch()),
      autoplay: () => this.autoplay(),
      faster: () => this.changeSpeed(1),
      slower: () => this.changeSpeed(-1),
    };
  }

  command(name) {
    if (!this.player.pixels) return;
    this.player.touch();
    this.commands[name]();
  }

  listenToKeyboard() {
    const run = (name) => () => this.command(name);
    const press = (id) => () => byId(id).click();
    const travel = (way) => (down) => this.game.press(way, down);
    listenToKeys(document.body, {
      atWorld,
      plays: (code) => this.bound.has(keyName(code)),
      press: (code) => this.press(code),
      release: (code) => this.release(code),
      commands: {
        KeyP: run("pause"), Period: run("step"), KeyR: run("restart"), KeyN: run("seed"), KeyK: run("keep"), KeyL: run("recall"),
        KeyB: run("branch"), KeyT: run("autoplay"), KeyV: press("video"), KeyG: press("gif"), KeyC: press("photo"),
        Minus: run("slower"), Equal: run("faster"), KeyH: tellKeys, Slash: tellKeys, Escape: () => this.game.stop(),
      },
      holds: { Backspace: travel("rewinding"), Enter: travel("forward") },
      releaseAll: () => this.releaseAll(),
    });
  }

  listenToPage() {
    const touch = () => this.player.touch();
    document.body.classList.toggle("touch", touched());
    document.addEventListener("pointerdown", ({ pointerType }) => {
      touch();
      if (pointerType === "touch") document.body.classList.add("touch");
    }, { capture: true });
    document.addEventListener("keydown", ({ key }) => {
      if (!["Tab", "Shift", "Control", "Alt", "Meta"].includes(key)) touch();
    }, { capture: true });
    document.addEventListener("click", (event) => {
      const button = event.target.closest("button, #stage");
      if (!button || button.closest("dialog")) return;
      // After a click the keys play again; after Enter the focus stays on the button.
      if (event.detail > 0) byId("stage").focus({ preventScroll: true });
      if (button.id === "stage") this.player.tap();
      if (button.dataset.do) this.command(button.dataset.do);
    });
    const sleep = () => this.game.sleep(document.hidden || document.querySelector("dialog[open]") !== null);
    document.addEventListener("visibilitychange", sleep);
    for (const box of document.querySelectorAll("dialog")) new MutationObserver(sleep).observe(box, { attributeFilter: ["open"] });
    window.addEventListener("beforeinstallprompt", (event) => {
      event.preventDefault();
      byId("install").hidden = false;
      byId("install").onclick = () => event.prompt();
    });
  }

  hold({ dataset }) {
    const { hold, codes = "" } = dataset;
    if (hold) {
      this.game.press(hold, true);
      return () => this.game.press(hold, false);
    }
    const held = codes.split(" ").filter(Boolean);
    for (const code of held) this.press(code);
    return () => held.forEach((code) => this.release(code));
  }

  /** A key may be held twice, by a thumb and a finger: it is down until both let go. */
  press(code) {
    const holders = (this.holders.get(code) ?? 0) + 1;
    this.holders.set(code, holders);
    this.player.touch();
    if (holders === 1) this.game.key(code, true);
  }

  release(code) {
    const holders = this.holders.get(code);
    if (!holders) return;
    this.holders.set(code, holders - 1);
    if (holders === 1) this.game.key(code, false);
  }

  releaseAll() {
    this.pad.releaseAll();
    this.stick.letGo();
    this.holders.clear();
    this.game.releaseAll();
  }

  show(mode) {
    const halted = HALTED.includes(mode);
    const pause = document.querySelector("[data-do=pause]");
    pause.setAttribute("aria-pressed", halted);
    pause.setAttribute("aria-label", halted ? "play" : "pause");
    pause.querySelector("small").textContent = halted ? "play" : "pause";
    pause.querySelector("use").setAttribute("href", halted ? "#i-play" : "#i-pause");
    for (const [id, word] of [["auto", "Autoplay"], ["replay", "Replay"]]) {
      const running = mode === word.toLowerCase();
      byId(id).setAttribute("aria-pressed", running);
      byId(id).lastChild.textContent = running ? "Stop" : word;
    }
  }

  changeSpeed(by) {
    const speed = byId("speed");
    speed.selectedIndex = Math.min(Math.max(speed.selectedIndex + by, 0), speed.options.length - 1);
    this.game.speed = Number(speed.value);
  }

  newSeed() {
    if (this.game.config.sampling.temperature > 0) return this.player.again(crypto.getRandomValues(new Uint32Array(1))[0] >>> 1);
    return say("Nothing is left to chance in this world: every seed plays alike.");
  }

  takeSeed() {
    const field = byId("seed");
    if (field.value !== "" && field.checkValidity()) this.orFault(() => this.player.again(Number(field.value)))();
    else say(`A seed is a whole number from ${field.min} to ${field.max}.`);
  }

  autoplay() {
    const { game } = this;
    if (!game.config) return;
    if (game.mode === "autoplay") game.stop();
    else game.play(byChance(game.config.actions));
  }
}
