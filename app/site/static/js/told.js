// Errors that are told to the player: one plain sentence of what happened and what to do next.

export class Told extends Error {}

const MEMORY = /memory|bad_alloc|\bOOM\b|allocat/i;
const LITTLE_MEMORY =
  "This device has too little memory for this world; close other tabs and reload the page, or choose a smaller world.";

/** Any error as one sentence: a Told one as it is, one of the browser or the runtime translated. */
export function inWords(error) {
  if (error instanceof Told) return error.message;
  const said = String(error?.message ?? error);
  if (error instanceof RangeError || MEMORY.test(said)) return LITTLE_MEMORY;
  return `The page met a fault (${said.split("\n")[0].slice(0, 200)}); reload the page.`;
}

export function require(condition, sentence) {
  if (!condition) throw new Told(sentence);
}
