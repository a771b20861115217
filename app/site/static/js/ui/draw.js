// The box to draw a start picture in, in colours of the world's own pictures.

import { arrows, byId, choose, make } from "./page.js";
import { apart, paletteOf } from "./palette.js";
import { Paper } from "./paper.js";

const BRUSHES = [1, 3, 6, 12];
const COLOURS = 10;
const AMONG = 64; // colours of the picture, of which the most different are offered
const SHARE_OF_HEIGHT = 52; // percent of the screen, at most, for the paper

export class Drawing {
  /** `frameShown()` is the canvas of the world, `play(ImageData)` starts from the drawing. */
  constructor({ frameShown, play }) {
    const box = byId("draw-box");
    Object.assign(this, { frameShown, box, paper: new Paper(byId("paper")) });
    byId("draw").addEventListener("click", () => this.open());
    byId("undo").addEventListener("click", () => this.paper.undo());
    byId("clear").addEventListener("click", () => this.paper.clear());
    byId("over").addEventListener("click", () => this.paper.copy(frameShown()));
    byId("draw-play").addEventListener("click", () => {
      box.close();
      play(this.paper.pixels());
    });
    this.offerBrushes();
    for (const id of ["swatches", "brushes"]) arrows(byId(id));
  }

  open() {
    const { width, height } = this.frameShown();
    const { paper } = this.paper;
    if (paper.width !== width || paper.height !== height || this.paper.past.length === 0) this.begin(width, height);
    this.box.showModal();
  }

  begin(width, height) {
    const shown = this.frameShown().getContext("2d").getImageData(0, 0, width, height);
    const hex = (rgb) => "#" + rgb.map((value) => value.toString(16).padStart(2, "0")).join("");
    const colours = [...new Set([...apart(paletteOf([shown], AMONG), COLOURS).map(hex), "#ffffff", "#000000"])];
    byId("paper").style.width = `min(100%, calc(${SHARE_OF_HEIGHT}dvh * ${width / height}))`;
    this.paper.begin(width, height, colours[0]);
    this.offerColours(colours);
  }

  /** The first of `colours` is the ground, so the second is in the brush. */
  offerColours(colours) {
    const buttons = colours.map((colour) => {
      const button = make("button", { type: "button", role: "radio", ariaLabel: `colour ${colour}` });
      button.style.background = colour;
      button.addEventListener("click", () => this.take(colour, button));
      return button;
    });
    const own = make("input", { type: "color", ariaLabel: "another colour", title: "Another colour" });
    own.addEventListener("input", () => this.take(own.value, null));
    byId("swatches").replaceChildren(...buttons, own);
    this.take(colours[1], buttons[1]);
  }

  take(colour, button) {
    this.paper.colour = colour;
    choose(byId("swatches"), button);
  }

  offerBrushes() {
    const sizes = BRUSHES.map((size) => {
      const dot = make("i");
      Object.assign(dot.style, { width: `${4 + 1.5 * size}px`, height: `${4 + 1.5 * size}px` });
      return [make("button", { type: "button", role: "radio", ariaLabel: `brush of ${size}` }, dot), { brush: size, fill: false }];
    });
    const fill = make("button", { type: "button", role: "radio", ariaLabel: "fill an area", textContent: "Fill" });
    for (const [button, tool] of [...sizes, [fill, { fill: true }]]) {
      button.addEventListener("click", () => {
        Object.assign(this.paper, tool);
        choose(byId("brushes"), button);
      });
      byId("brushes").append(button);
    }
    sizes[1][0].click();
  }
}
