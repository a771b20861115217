// The sizes that play needs, out of a world's config.json, checked before anything is allocated.

import { require } from "./told.js";

const MOST_NUMBERS = 2 ** 27; // kept of the past by temporal attention: half a gigabyte

/** `reference` says that pictures follow from the last one: see genie_core/state.py. */
export function sizesOf(config) {
  const { dynamics, tokenizer, frame_size: frame, sampling } = config;
  const parts = tokenizer.token_factors;
  const grid = frame.map((side) => Math.ceil(side / 2 ** tokenizer.channels.length));
  const sizes = {
    frame,
    grid,
    tokens: grid[0] * grid[1],
    layers: dynamics.layers,
    width: dynamics.width,
    context: config.context_frames,
    heads: dynamics.heads,
    passes: sampling.unmask_steps,
    parts,
    vocabulary: 2 ** (tokenizer.code_bits / parts),
    tokenIds: 2 ** tokenizer.code_bits,
    actions: config.actions.length,
  };
  const numbers = Object.values(sizes).flat();
  const kept = sizes.layers * sizes.context * sizes.tokens * sizes.width;
  require(numbers.every((n) => Number.isSafeInteger(n) && n > 0) && kept < MOST_NUMBERS,
    "The world's config.json does not fit this page; export the page again.");
  return { ...sizes, reference: tokenizer.reference === true };
}

/** What a graph calls the parts of what the decoder remembers, as genie_core/state.py. */
export function memoryNames({ reference }) {
  return reference ? ["reference"] : ["stem", "block"];
}
