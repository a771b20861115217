// Any picture to the frame that a world starts from, cropped as genie_core/pictures.py crops: the largest part in the
// middle that has the frame's shape, then resampled. `frame` is [height, width] as in config.json.

import { require, Told } from "./told.js";

const MOST_BYTES = 64_000_000;
const MOST_SIDE = 2048; // a larger picture is reduced by the browser before it is read
const MID_GREY = "rgb(128, 128, 128)"; // behind transparency: black ink and white ink both stay visible
const LOBES = 3; // of the Lanczos filter

/** A Blob of a picture file as ImageData of any size; throws Told for what is no picture. */
export async function readPicture(blob) {
  require(blob.size > 0, "This file is empty; choose a picture such as PNG, JPEG or WebP.");
  require(blob.size <= MOST_BYTES, `A picture has at most ${MOST_BYTES / 1e6} MB; choose a smaller one.`);
  const bitmap = await createImageBitmap(blob, { colorSpaceConversion: "none" }).catch(() => {
    throw new Told("This file is no picture that the browser can read; choose a PNG, JPEG or WebP file.");
  });
  try {
    return pixelsOf(bitmap);
  } finally {
    bitmap.close();
  }
}

/** The pixels of anything that a canvas can draw, over mid-grey, its longer side at most MOST_SIDE. */
export function pixelsOf(source, width = source.width, height = source.height) {
  const less = Math.min(1, MOST_SIDE / Math.max(width, height));
  const [w, h] = [width, height].map((side) => Math.max(1, Math.round(less * side)));
  const context = new OffscreenCanvas(w, h).getContext("2d", { willReadFrequently: true });
  context.fillStyle = MID_GREY;
  context.fillRect(0, 0, w, h);
  context.imageSmoothingQuality = "high";
  context.drawImage(source, 0, 0, w, h);
  return context.getImageData(0, 0, w, h);
}

/** ImageData of any size as ImageData of the world's frame. */
export function fit(picture, frame) {
  const [height, width] = frame;
  const part = crop(picture, frame);
  if (part.width === width && part.height === height) return new ImageData(part.data, width, height);
  const enlarged = width % part.width === 0 && width / part.width === height / part.height;
  const reduced = part.width % width === 0 && part.width / width === part.height / height;
  const weigh = enlarged || reduced ? box : lanczos; // pixel art keeps its edges
  const columns = weights(part.width, width, weigh);
  const rows = weights(part.height, height, weigh);
  return new ImageData(resample(part, columns, rows, width, height), width, height);
}

function crop({ data, width, height }, frame) {
  const w = Math.min(width, whole((height * frame[1]) / frame[0]));
  const h = Math.min(height, whole((width * frame[0]) / frame[1]));
  const [left, top] = [Math.floor((width - w) / 2), Math.floor((height - h) / 2)];
  const cut = new Uint8ClampedArray(4 * w * h);
  for (let y = 0; y < h; y++) {
    const from = 4 * ((top + y) * width + left);
    cut.set(data.subarray(from, from + 4 * w), 4 * y * w);
  }
  return { data: cut, width: w, height: h };
}

/** The nearest whole number, at least one; a half goes to the even one, as in Python. */
function whole(value) {
  const rounded = value % 1 === 0.5 ? 2 * Math.round(value / 2) : Math.round(value);
  return Math.max(1, rounded);
}

/** For each of `to` pixels of a row of `from`: where its sources begin and what each of them weighs. */
function weights(from, to, filter) {
  const scale = from / to;
  const stretch = Math.max(1, scale);
  return Array.from({ length: to }, (_, i) => {
    const centre = (i + 0.5) * scale;
    const reach = filter.reach * stretch;
    const first = Math.max(0, Math.floor(centre - reach + 0.5));
    const last = Math.min(from, Math.floor(centre + reach + 0.5));
    const shares = [];
    for (let at = first; at < last; at++) shares.push(filter((at + 0.5 - centre) / stretch));
    const sum = shares.reduce((total, share) => total + share, 0);
    return { first, shares: shares.map((share) => share / sum) };
  });
}

function box(x) {
  return x > -0.5 && x <= 0.5 ? 1 : 0;
}
box.reach = 0.5;

function lanczos(x) {
  const sinc = (value) => (value === 0 ? 1 : Math.sin(Math.PI * value) / (Math.PI * value));
  return Math.abs(x) < LOBES ? sinc(x) * sinc(x / LOBES) : 0;
}
lanczos.reach = LOBES;

/** Rows first, then columns, rounded to bytes after each, as Pillow does. */
function resample({ data, width, height }, columns, rows, newWidth, newHeight) {
  const across = new Uint8ClampedArray(4 * newWidth * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < newWidth; x++) blend(data, 4 * y * width, 4, columns[x], across, 4 * (y * newWidth + x));
  }
  const out = new Uint8ClampedArray(4 * newWidth * newHeight);
  for (let y = 0; y < newHeight; y++) {
    for (let x = 0; x < newWidth; x++) blend(across, 4 * x, 4 * newWidth, rows[y], out, 4 * (y * newWidth + x));
  }
  return out;
}

function blend(from, start, stride, { first, shares }, to, at) {
  const sums = [0, 0, 0];
  shares.forEach((share, i) => {
    const source = start + (first + i) * stride;
    for (let c = 0; c < 3; c++) sums[c] += share * from[source + c];
  });
  for (let c = 0; c < 3; c++) to[at + c] = sums[c]; // Uint8ClampedArray rounds and clamps
  to[at + 3] = 255;
}
