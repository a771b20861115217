// What was seen, as files: a video while it is recorded, the last seconds as a GIF, one picture as a PNG.

import { Told } from "../told.js";
import { enlarged, paint } from "./page.js";
import { writeGif } from "./gif.js";

const LEAST_SIDE = 480; // pixels of the shorter side of what is saved
const GIF_SIDE = 240;
const GIF_SECONDS = 10;
const MOST_GIF_BYTES = 48_000_000; // of frames kept for it
const KINDS = ["video/mp4;codecs=avc1.640028", "video/mp4", "video/webm;codecs=vp9", "video/webm;codecs=vp8", "video/webm"];
const BITS_PER_SECOND = 4_000_000;

/** The video of a canvas, from `start` to `stop`. */
export class Video {
  constructor(canvas) {
    const kind = globalThis.MediaRecorder && KINDS.find((each) => MediaRecorder.isTypeSupported(each));
    if (!kind) throw new Told("This browser cannot record a video; a GIF it can.");
    this.canvas = canvas;
    this.large = enlarged(canvas, LEAST_SIDE);
    this.parts = [];
    this.recorder = new MediaRecorder(this.large.captureStream(), { mimeType: kind, videoBitsPerSecond: BITS_PER_SECOND });
    this.recorder.addEventListener("dataavailable", ({ data }) => this.parts.push(data));
    this.recorder.start(1000);
  }

  frame() {
    paint(this.large, this.canvas);
  }

  /** Resolves to {blob, suffix}. */
  async stop() {
    this.frame();
    await new Promise((resolve) => {
      this.recorder.addEventListener("stop", resolve);
      this.recorder.stop();
    });
    const type = this.recorder.mimeType.split(";")[0];
    return { blob: new Blob(this.parts, { type }), suffix: type.split("/")[1] };
  }
}

/** The frames shown last, for a GIF. */
export class LastFrames {
  constructor() {
    this.frames = [];
  }

  /** `acted` says whether somebody did something in the step to this frame: a GIF ends with the last such one. */
  add(frame, fps, acted) {
    this.fps = fps;
    this.frames.push({ frame, acted });
    const most = Math.min(GIF_SECONDS * fps, Math.floor(MOST_GIF_BYTES / frame.data.length));
    while (this.frames.length > most) this.frames.shift();
  }

  clear() {
    this.frames = [];
  }

  async gif() {
    const frames = this.frames.slice(0, this.frames.findLastIndex(({ acted }) => acted) + 1).map(({ frame }) => frame);
    if (frames.length < 2) throw new Told("Nothing has moved yet; play a little first.");
    const { width, height } = frames[0];
    return writeGif(frames, this.fps, Math.max(1, Math.floor(GIF_SIDE / Math.min(width, height))));
  }
}

export function photo(canvas) {
  return new Promise((resolve) => enlarged(canvas, LEAST_SIDE).toBlob(resolve, "image/png"));
}
