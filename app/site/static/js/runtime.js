// ONNX Runtime Web, from this site's ort/ folder: WebGPU where there is one, else WASM, with threads where allowed.

import { fetchChecked, inflated } from "./files.js";
import { require } from "./told.js";

const MOST_THREADS = 4; // a step is too small to share between more
const UPDATE = "open this page in an up-to-date browser";
// The smallest module with a vector instruction: (func (result v128) i32.const 0, i8x16.splat, i8x16.popcnt).
const SIMD = Uint8Array.of(
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11,
);

/** Throws Told if this browser cannot play at all. */
export function checkBrowser() {
  require(typeof WebAssembly === "object", `This browser has no WebAssembly, which plays the world; ${UPDATE}.`);
  require(WebAssembly.validate(SIMD), `This browser's WebAssembly lacks SIMD, which plays the world; ${UPDATE}.`);
  require(typeof DecompressionStream === "function", `This browser cannot unpack the runtime; ${UPDATE}.`);
}

/** The names of the backends to try, the best first. `asked` is "auto", "webgpu" or "wasm". */
export async function backends(asked) {
  if (asked !== "auto") return [asked];
  const possible = typeof WebAssembly.Suspending === "function" && navigator.gpu; // its build suspends WASM for the GPU
  const adapter = possible ? await navigator.gpu.requestAdapter().catch(() => null) : null;
  const real = adapter && !(adapter.info?.isFallbackAdapter ?? adapter.isFallbackAdapter);
  return real ? ["webgpu", "wasm"] : ["wasm"];
}

/** {ort, threads}; `files` says of each file below ort/ its size and hash, `asked` how many threads to take, or 0. */
export async function openRuntime(backend, asked, files, onBytes) {
  const { module, glue, wasm } = FILES[backend];
  const packed = await fetchChecked(`ort/${wasm}`, files[wasm], onBytes);
  const ort = await import(new URL(`../ort/${module}`, import.meta.url));
  const threads = threadsHere(asked);
  ort.env.logLevel = "error";
  ort.env.wasm.numThreads = threads;
  ort.env.wasm.wasmBinary = (await inflated(packed)).buffer;
  ort.env.wasm.wasmPaths = { mjs: new URL(`../ort/${glue}`, import.meta.url).href };
  return { ort, threads };
}

const FILES = {
  wasm: {
    module: "ort.wasm.min.mjs",
    glue: "ort-wasm-simd-threaded.mjs",
    wasm: "ort-wasm-simd-threaded.wasm.gz",
  },
  webgpu: {
    module: "ort.jspi.min.mjs",
    glue: "ort-wasm-simd-threaded.jspi.mjs",
    wasm: "ort-wasm-simd-threaded.jspi.wasm.gz",
  },
};

export function bytesOf(backend, files) {
  return files[FILES[backend].wasm].size;
}

/** Threads need memory that they share, which browsers give to isolated pages alone. */
function threadsHere(asked) {
  if (!globalThis.crossOriginIsolated) return 1;
  return asked || Math.min(MOST_THREADS, navigator.hardwareConcurrency || 1);
}
