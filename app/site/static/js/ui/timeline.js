// Time: the slider, kept moments, and branches.

import { byId, make } from "./page.js";

/** `client` is the engine's; `say(text)` tells the player. */
export class Timeline {
  constructor(game, { client, say }) {
    Object.assign(this, { game, client, say });
    const slider = byId("timeline");
    slider.addEventListener("input", () => game.goTo(Number(slider.value)).catch(() => {}));
    byId("kept").addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (button) this.recall(button).catch(() => {});
    });
  }

  show({ index, tip, action }) {
    const slider = byId("timeline");
    slider.disabled = false;
    slider.max = tip;
    slider.value = index;
    slider.setAttribute("aria-valuetext", `step ${index} of ${tip}`);
    byId("step").textContent = tip > index ? `${index} of ${tip}` : `step ${index}`;
    byId("action").textContent = action?.replaceAll("_", " ") ?? "start";
  }

  async keep() {
    const { index } = await this.game.loop.ask(() => this.client.keep()); // a step may have come since the key
    await this.refresh();
    this.say(`Step ${index} is kept.`);
  }

  async recall({ dataset, ariaLabel }) {
    await this.game.goTo(Number(dataset.index), Number(dataset.line));
    this.say(`Back at ${ariaLabel}.`);
  }

  /** Goes to the kept moment before the one shown, or to the last one. */
  async recallKept() {
    const kept = this.buttons("[data-kept]");
    if (!kept.length) return this.say("Nothing is kept yet; K keeps this moment.");
    const here = Math.max(0, kept.findIndex(({ dataset }) => Number(dataset.index) === this.game.index));
    return this.recall(kept.at(here - 1));
  }

  async nextBranch() {
    const others = this.buttons("[data-branch]");
    const next = others.find(({ dataset }) => Number(dataset.branch) > this.branch) ?? others[0];
    return next ? this.recall(next) : this.say("There is one branch only; rewind, then hold a key to play another.");
  }

  buttons(which) {
    return [...byId("kept").querySelectorAll(which)];
  }

  /** Shows the kept moments, and the branches but for the one shown. */
  async refresh() {
    const { lines, kept } = await this.game.loop.ask(() => this.client.branches());
    const others = lines.map((line, i) => ({ ...line, i })).filter(({ number }) => number !== this.client.line);
    this.branch = lines.findIndex(({ number }) => number === this.client.line);
    const buttons = [
      ...kept.map(({ line, index, picture }) => this.button(`kept ${index}`, `step ${index}, which you kept`, picture, { kept: "", line, index })),
      ...others.map(({ number, tip, picture, i }) =>
        this.button(`branch ${i + 1}`, `step ${tip} of branch ${i + 1}`, picture, { branch: i, line: number, index: tip })),
    ];
    byId("kept").replaceChildren(...buttons);
    byId("kept").hidden = buttons.length === 0;
  }

  button(text, title, picture, data) {
    const { width, height } = byId("picture");
    const small = make("canvas", { width, height });
    small.getContext("2d").putImageData(new ImageData(picture, width, height), 0, 0);
    return make("button", { type: "button", title, ariaLabel: title, data }, small, text);
  }
}
