// Animated GIFs, written by hand: one palette for all frames, LZW, a whole enlargement. Knows pixels and bytes only.

import { nearestIn, paletteOf } from "./palette.js";

const COLOURS = 256;

/** `frames` are ImageData of one size; resolves to a Blob. Lets the page breathe between frames. */
export async function writeGif(frames, fps, times = 1) {
  const [width, height] = [times * frames[0].width, times * frames[0].height];
  const palette = paletteOf(frames, COLOURS);
  const index = nearestIn(palette);
  const delay = Math.max(2, Math.round(100 / fps)); // hundredths; browsers slow down what is faster than 2
  const parts = [header(width, height, palette)];
  for (const frame of frames) {
    parts.push(frameHead(width, height, delay), lzw(enlarge(frame, index, times)));
    if (parts.length % 8 === 1) await new Promise((resolve) => setTimeout(resolve));
  }
  return new Blob([...parts, Uint8Array.of(0x3b)], { type: "image/gif" });
}

function enlarge({ data, width, height }, index, times) {
  const out = new Uint8Array(width * height * times * times);
  const row = new Uint8Array(width * times);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) row.fill(index(data, 4 * (y * width + x)), x * times, (x + 1) * times);
    for (let i = 0; i < times; i++) out.set(row, (y * times + i) * row.length);
  }
  return out;
}

function header(width, height, palette) {
  const table = new Uint8Array(3 * COLOURS);
  palette.forEach((rgb, i) => table.set(rgb, 3 * i));
  const loop = [0x21, 0xff, 11, ...letters("NETSCAPE2.0"), 3, 1, 0, 0, 0];
  return Uint8Array.from([...letters("GIF89a"), ...short(width), ...short(height), 0xf7, 0, 0, ...table, ...loop]);
}

function frameHead(width, height, delay) {
  return Uint8Array.from([0x21, 0xf9, 4, 0, ...short(delay), 0, 0, 0x2c, 0, 0, 0, 0, ...short(width), ...short(height), 0]);
}

const letters = (text) => [...text].map((letter) => letter.charCodeAt(0));
const short = (value) => [value & 255, value >> 8];

/** The image data: bytes packed by LZW of 8-bit codes, in blocks of at most 255 bytes. */
function lzw(pixels) {
  const [CLEAR, END, FULL] = [256, 257, 4096];
  const bits = new Bits();
  let [codes, next, size] = [new Map(), END + 1, 9];
  bits.put(CLEAR, size);
  let prefix = pixels[0];
  for (let i = 1; i < pixels.length; i++) {
    const key = (prefix << 8) | pixels[i];
    const known = codes.get(key);
    if (known !== undefined) {
      prefix = known;
      continue;
    }
    bits.put(prefix, size);
    if (next === FULL) {
      bits.put(CLEAR, size);
      [codes, next, size] = [new Map(), END + 1, 9];
    } else {
      if (next >= 1 << size) size++;
      codes.set(key, next++);
    }
    prefix = pixels[i];
  }
  bits.put(prefix, size);
  bits.put(END, size);
  return bits.blocks();
}

class Bits {
  bytes = [];
  pending = 0;
  count = 0;

  put(code, size) {
    this.pending |= code << this.count;
    this.count += size;
    for (; this.count >= 8; this.count -= 8, this.pending >>>= 8) this.bytes.push(this.pending & 255);
  }

  blocks() {
    if (this.count > 0) this.bytes.push(this.pending & 255);
    const out = [8];
    for (let i = 0; i < this.bytes.length; i += 255) {
      const block = this.bytes.slice(i, i + 255);
      out.push(block.length, ...block);
    }
    return Uint8Array.from([...out, 0]);
  }
}
