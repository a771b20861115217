// Files of this site: fetched with progress, then checked for size and hash. Nothing is fetched from elsewhere.

import { sha256 } from "./hash.js";
import { require, Told } from "./told.js";

const MOST_BYTES = 2 ** 31;
const AGAIN = "reload the page, or export it again";

/** The site's file `path` as JSON. */
export async function fetchJson(path) {
  const response = await answer(path);
  try {
    return await response.json();
  } catch {
    throw new Told(`${path} is damaged; ${AGAIN}.`);
  }
}

/** The bytes of `path`, which must have the `size` and `sha256` promised; `onBytes(count)` is told of each piece. */
export async function fetchChecked(path, { size, sha256: hash }, onBytes = () => {}) {
  require(Number.isSafeInteger(size) && size >= 0 && size < MOST_BYTES, `${path} has no known size; ${AGAIN}.`);
  const bytes = await fetchBytes(path, size, onBytes);
  require((await sha256(bytes)) === hash, `${path} is not the file that was exported (its hash differs); ${AGAIN}.`);
  return bytes;
}

async function fetchBytes(path, size, onBytes) {
  const bytes = new Uint8Array(size);
  let at = 0;
  for await (const piece of pieces(await answer(path), path)) {
    require(at + piece.length <= size, `${path} has more than the ${size} bytes expected; ${AGAIN}.`);
    bytes.set(piece, at);
    at += piece.length;
    onBytes(piece.length);
  }
  require(at === size, `${path} has ${at} bytes, expected ${size}; ${AGAIN}.`);
  return bytes;
}

/** `packed` inflated, unless the server's answer came inflated. */
export async function inflated(packed) {
  if (packed[0] !== 0x1f || packed[1] !== 0x8b) return packed;
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

async function* pieces(response, path) {
  const reader = response.body.getReader();
  for (;;) {
    const { done, value } = await reader.read().catch(() => {
      throw new Told(`The download of ${path} broke off; reload the page when there is a connection.`);
    });
    if (done) return;
    yield value;
  }
}

async function answer(path) {
  const response = await fetch(new URL(`../${path}`, import.meta.url)).catch(() => {
    throw new Told(`${path} is not on this device yet and there is no connection; reload the page when there is one.`);
  });
  require(response.ok, `The server has no ${path} (it answered ${response.status}); ${AGAIN}.`);
  return response;
}
