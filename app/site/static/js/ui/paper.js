// A canvas to draw on, pixel by pixel: brush, pouring, undo. By mouse, finger or keyboard.

const BRUSH_SIDE = 64; // brushes are measured on a paper whose shorter side is this, and grow with it
const UNDOS = 40;

export class Paper {
  constructor(paper) {
    Object.assign(this, { paper, colour: "#808080", brush: 1, fill: false, past: [], at: null, pen: null });
    this.listenToPen();
    paper.addEventListener("keydown", (event) => this.key(event));
  }

  get context() {
    return this.paper.getContext("2d", { willReadFrequently: true });
  }

  /** An empty paper in this colour. */
  begin(width, height, colour) {
    Object.assign(this.paper, { width, height });
    Object.assign(this, { past: [], at: null, pen: null, colour });
    this.clear();
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

  copy(canvas) {
    this.remember();
    this.context.drawImage(canvas, 0, 0);
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
