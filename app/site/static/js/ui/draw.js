// A start picture drawn pixel by pixel, in colours of the world's own pictures.

import { arrows, byId, choose, make } from "./page.js";
import { apart, paletteOf } from "./palette.js";

const BRUSHES = [1, 3, 6, 12]; // diameters in pixels of a frame whose shorter side is BRUSH_SIDE
const BRUSH_SIDE = 64; // no size of a world: brushes grow with it
const COLOURS = 11;
const AMONG = 64; // colours of the picture, of which the most different are offered
const UNDOS = 40;
const SHARE_OF_HEIGHT = 52; // percent of the screen, at most, for the paper

export class Drawing {
  /** `frameShown()` is the canvas of the world, `play(ImageData)` starts from the drawing. */
  constructor({ frameShown, play }) {
    Object.assign(this, { frameShown, colour: "#808080", brush: BRUSHES[1], fill: false, past: [], at: null });
    this.box = byId("draw-box");
    this.paper = byId("paper");
    byId("draw").addEventListener("click", () => this.open());
    byId("undo").addEventListener("click", () => this.undo());
    byId("clear").addEventListener("click", () => this.clear());
    byId("over").addEventListener("click", () => this.drawOver());
    byId("draw-play").addEventListener("click", () => {
      this.box.close();
      play(this.pixels());
    });
    this.offerBrushes();
    this.listenToPen();
    this.paper.addEventListener("keydown", (event) => this.key(event));
    for (const id of ["swatches", "brushes"]) arrows(byId(id));
  }

  get context() {
    return this.paper.getContext("2d", { willReadFrequently: true });
  }

  open() {
    const { width, height } = this.frameShown();
    if (this.paper.width !== width || this.paper.height !== height || this.past.length === 0) {
      Object.assign(this.paper, { width, height });
      this.paper.style.width = `min(100%, calc(${SHARE_OF_HEIGHT}dvh * ${width / height}))`;
      this.past = [];
      this.offerColours();
    }
    this.box.showModal();
  }

  pixels() {
    return this.context.getImageData(0, 0, this.paper.width, this.paper.height);
  }

  remember() {
    this.past.push(this.pixels());
    if (this.past.length > UNDOS) this.past.shift();
  }

  undo() {
    if (this.past.length > 1) this.context.putImageData(this.past.pop(), 0, 0);
  }

  clear() {
    this.remember();
    this.context.fillStyle = this.colour;
    this.context.fillRect(0, 0, this.paper.width, this.paper.height);
  }

  drawOver() {
    this.remember();
    this.context.drawImage(this.frameShown(), 0, 0);
  }

  offerColours() {
    const { width, height } = this.paper;
    const shown = this.frameShown().getContext("2d").getImageData(0, 0, width, height);
    const hex = (rgb) => "#" + rgb.map((value) => value.toString(16).padStart(2, "0")).join("");
    const colours = [...new Set([...apart(paletteOf([shown], AMONG), COLOURS).map(hex), "#ffffff"])];
    const buttons = colours.map((colour) => {
      const button = make("button", { type: "button", role: "radio", ariaLabel: `colour ${colour}` });
      button.style.background = colour;
      button.addEventListener("click", () => this.take(colour, button));
      return button;
    });
    const own = make("input", { type: "color", ariaLabel: "another colour", title: "Another colour" });
    own.addEventListener("input", () => this.take(own.value, null));
    byId("swatches").replaceChildren(...buttons, own);
    this.take(colours[0], buttons[0]);
    this.clear();
    this.take(colours[1], buttons[1]);
  }

  take(colour, button) {
    this.colour = colour;
    choose(byId("swatches"), button);
  }

  offerBrushes() {
    const sizes = BRUSHES.map((size) => {
      const dot = make("i");
      Object.assign(dot.style, { width: `${4 + 1.5 * size}px`, height: `${4 + 1.5 * size}px` });
      return { button: make("button", { type: "button", role: "radio", ariaLabel: `brush of ${size}` }, dot), size };
    });
    const fill = { button: make("button", { type: "button", role: "radio", ariaLabel: "fill an area", textContent: "Fill" }), size: 0 };
    for (const { button, size } of [...sizes, fill]) {
      button.addEventListener("click", () => {
        Object.assign(this, { brush: size || this.brush, fill: size === 0 });
        choose(byId("brushes"), button);
      });
      byId("brushes").append(button);
    }
    choose(byId("brushes"), sizes[1].button);
  }

  listenToPen() {
    const { paper } = this;
    paper.addEventListener("pointerdown", (event) => {
      paper.setPointerCapture(event.pointerId);
      this.remember();
      this.dab(this.place(event));
    });
    paper.addEventListener("pointermove", (event) => {
      if (!paper.hasPointerCapture(event.pointerId)) return;
      for (const each of event.getCoalescedEvents?.() ?? [event]) this.dab(this.place(each), !this.fill);
    });
    paper.addEventListener("pointerup", () => (this.at = null));
  }

  place({ offsetX, offsetY }) {
    const { width, height, clientWidth, clientHeight } = this.paper;
    return [Math.floor((offsetX * width) / clientWidth), Math.floor((offsetY * height) / clientHeight)];
  }

  /** Paints at a place, from the last place on if `on`. */
  dab([x, y], on = false) {
    const [fromX, fromY] = (on && this.at) || [x, y];
    this.at = [x, y];
    if (this.fill && !on) return this.pour(x, y);
    const steps = Math.max(Math.abs(x - fromX), Math.abs(y - fromY), 1);
    for (let i = 0; i <= steps; i++) this.dot(fromX + ((x - fromX) * i) / steps, fromY + ((y - fromY) * i) / steps);
    return undefined;
  }

  dot(x, y) {
    const { width, height } = this.paper;
    const size = Math.max(1, Math.round((this.brush * Math.min(width, height)) / BRUSH_SIDE));
    this.context.fillStyle = this.colour;
    for (let row = 0; row < size; row++) {
      const across = Math.round(Math.sqrt(size ** 2 - (2 * row + 1 - size) ** 2));
      this.context.fillRect(Math.round(x - across / 2), Math.round(y - size / 2) + row, Math.max(1, across), 1);
    }
  }

  /** Fills the area of one colour around a place. */
  pour(x, y) {
    const { width, height } = this.paper;
    const colours = new Uint32Array(this.pixels().data.buffer);
    const wanted = colours[y * width + x];
    const seen = new Uint8Array(colours.length);
    const open = [[x, y]];
    this.context.fillStyle = this.colour;
    while (open.length) {
      const [px, py] = open.pop();
      const i = py * width + px;
      if (px < 0 || py < 0 || px >= width || py >= height || seen[i] || colours[i] !== wanted) continue;
      seen[i] = 1;
      this.context.fillRect(px, py, 1, 1);
      open.push([px + 1, py], [px - 1, py], [px, py + 1], [px, py - 1]);
    }
  }

  /** The keyboard moves a brush by its own size, and paints with Space. */
  key(event) {
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.code];
    if (!way && event.code !== "Space") return;
    event.preventDefault();
    const { width, height } = this.paper;
    const [x, y] = this.pen ?? [width / 2, height / 2].map(Math.floor);
    const move = (value, by, most) => Math.min(Math.max(value + by * this.brush, 0), most - 1);
    if (way) this.pen = [move(x, way[0], width), move(y, way[1], height)];
    else this.remember();
    if (!way || event.shiftKey) this.dab([x, y]);
    this.paper.setAttribute("aria-label", `drawing. The brush is at ${(this.pen ?? [x, y]).join(", ")}. Space paints.`);
  }
}
