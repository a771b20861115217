// The picture: one canvas pixel for each pixel of a frame, enlarged so that it stays crisp; and the frame rate.
// Shared: the Gradio demo embeds this file too, without its `export` words.

export class Canvas {
  /** `room()` is the space for the picture, {width, height} in CSS pixels. */
  constructor(find, room) {
    Object.assign(this, { find, room });
  }

  /** Draws an ImageData or an ImageBitmap, and takes its shape. */
  draw(picture) {
    this.shape(picture);
    const context = this.find().getContext("2d");
    if (picture instanceof ImageData) context.putImageData(picture, 0, 0);
    else context.drawImage(picture, 0, 0);
  }

  shape({ width, height }) {
    const canvas = this.find();
    if (canvas.width === width && canvas.height === height) return;
    Object.assign(canvas, { width, height });
    this.resize();
  }

  resize() {
    const canvas = this.find();
    const { width, height } = canvas;
    const room = this.room();
    const dots = window.devicePixelRatio || 1;
    const times = Math.min(room.width / width, room.height / height);
    const whole = times * dots < 1 ? times : Math.floor(times * dots) / dots; // whole dots of the screen stay crisp
    canvas.style.width = whole * width + "px";
    canvas.style.height = whole * height + "px";
  }
}

/** Frames a second over the last two seconds. */
export class FrameRate {
  constructor() {
    this.times = [];
  }

  /** Counts a frame; the rate, or null while it is not known. */
  count(now = performance.now()) {
    this.times.push(now);
    while (this.times[0] < now - 2000) this.times.shift();
    const last = this.times.length - 1;
    return last > 1 ? (last * 1000) / (now - this.times[0]) : null;
  }

  clear() {
    this.times = [];
  }
}
