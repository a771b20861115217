// The colours that stand for those of pictures.

const LEVELS = 32; // per channel, while colours are counted and looked up

/** At most `most` colours [r, g, b] that stand for those of `frames`, by median cut over 15-bit colours. */
export function paletteOf(frames, most) {
  const counts = new Uint32Array(LEVELS ** 3);
  for (const { data } of frames) for (let i = 0; i < data.length; i += 4) counts[bucket(data, i)]++;
  const colours = [];
  counts.forEach((count, b) => {
    if (count) colours.push({ count, rgb: [b >> 10, (b >> 5) & 31, b & 31] });
  });
  let boxes = [describe(colours)];
  while (boxes.length < most) {
    const widest = boxes.reduce((best, box) => (box.weight > best.weight ? box : best));
    if (widest.spread === 0) break;
    boxes = [...boxes.filter((box) => box !== widest), ...cut(widest)];
  }
  return boxes.map(mean);
}

/** `count` of `colours` [r, g, b], each as far as can be from those before it; the first is the first. */
export function apart(colours, count) {
  const chosen = colours.slice(0, 1);
  const away = (one, other) => one.reduce((sum, value, c) => sum + (value - other[c]) ** 2, 0);
  const nearest = (colour) => Math.min(...chosen.map((other) => away(colour, other)));
  while (chosen.length < Math.min(count, colours.length)) {
    chosen.push(colours.reduce((best, colour) => (nearest(colour) > nearest(best) ? colour : best)));
  }
  return chosen;
}

function bucket(data, i) {
  return ((data[i] >> 3) << 10) | ((data[i + 1] >> 3) << 5) | (data[i + 2] >> 3);
}

function describe(colours) {
  const spreads = [0, 1, 2].map((c) => {
    const values = colours.map(({ rgb }) => rgb[c]);
    return Math.max(...values) - Math.min(...values);
  });
  const spread = Math.max(...spreads);
  const total = colours.reduce((sum, { count }) => sum + count, 0);
  return { colours, spread, axis: spreads.indexOf(spread), total, weight: spread * Math.sqrt(total) };
}

function cut({ colours, axis, total }) {
  const sorted = [...colours].sort((one, other) => one.rgb[axis] - other.rgb[axis]);
  let seen = 0;
  let at = sorted.findIndex(({ count }) => (seen += count) * 2 >= total) + 1;
  at = Math.min(Math.max(at, 1), sorted.length - 1);
  return [describe(sorted.slice(0, at)), describe(sorted.slice(at))];
}

function mean({ colours, total }) {
  return [0, 1, 2].map((c) => {
    const sum = colours.reduce((part, { rgb, count }) => part + rgb[c] * count, 0);
    return Math.min(255, Math.round((sum / total) * 8 + 4));
  });
}

/** A function of RGBA bytes and an offset: the index of the nearest of `palette`, remembered by 15-bit colour. */
export function nearestIn(palette) {
  const known = new Int16Array(LEVELS ** 3).fill(-1);
  return (data, i) => {
    const b = bucket(data, i);
    if (known[b] < 0) {
      const away = palette.map((rgb) => rgb.reduce((sum, value, c) => sum + (value - data[i + c]) ** 2, 0));
      known[b] = away.indexOf(Math.min(...away));
    }
    return known[b];
  };
}
