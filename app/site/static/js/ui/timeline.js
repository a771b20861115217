// Time: the slider, the buttons under the picture, and kept moments.

import { byId, make } from "./page.js";

/** `session()` resolves to the bytes of the line played so far; `say(text)` tells the player. */
export class Timeline {
  constructor(game, { session, say }) {
    Object.assign(this, { game, session, say, kept: [] });
    const slider = byId("timeline");
    slider.addEventListener("input", () => game.goTo(Number(slider.value)).catch(() => {}));
    byId("kept").addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (button) this.recall(this.kept[Number(button.dataset.kept)]).catch(() => {});
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

  /** Keeps the frame shown: its place, its picture, and the line that leads to it. */
  async keep() {
    const { index } = this.game;
    const picture = byId("picture");
    const small = make("canvas", { width: picture.width, height: picture.height });
    small.getContext("2d").drawImage(picture, 0, 0);
    const bytes = await this.game.loop.ask(this.session);
    this.kept.push({ index, small, bytes, here: true });
    this.strip();
    this.say(`Step ${index} is kept.`);
  }

  /** Goes to a kept moment: along the line if it is still there, else by its own session. */
  async recall(moment) {
    if (moment.here) return this.game.goTo(moment.index);
    for (const other of this.kept) other.here = false;
    await this.game.open(moment.bytes);
    await this.game.goTo(moment.index);
    moment.here = true;
    return undefined;
  }

  /** The frames after `index` are gone: the player went another way. */
  branch(index) {
    for (const moment of this.kept) moment.here &&= moment.index <= index;
  }

  /** Another line begins; kept moments of the same world stay. */
  newLine() {
    this.branch(-1);
  }

  newWorld() {
    this.kept = [];
    this.strip();
  }

  strip() {
    const buttons = this.kept.map(({ index, small }, i) =>
      make("button", { type: "button", ariaLabel: `kept step ${index}`, data: { kept: i } }, small, String(index)));
    byId("kept").replaceChildren(...buttons);
    byId("kept").hidden = buttons.length === 0;
  }
}
