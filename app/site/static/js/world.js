// A world of this site, downloaded, checked and opened on the best backend there is.

import { fetchChecked, fetchJson } from "./files.js";
import { Model } from "./model.js";
import { backends, bytesOf, checkBrowser, openRuntime } from "./runtime.js";
import { memoryNames, sizesOf } from "./sizes.js";
import { inWords, require, Told } from "./told.js";

const FORMAT = 2;
const NEEDED = ["step.onnx", "encode.onnx", "tokenizer/model.safetensors", "dynamics/model.safetensors"];
const runtimes = new Map(); // by backend: one each for all worlds

/** {model, config, sizes, told, backend, threads, bytes}; `onProgress({loaded, total})` counts bytes. */
export async function openWorld(name, asked, onProgress) {
  checkBrowser();
  const site = await fetchJson("worlds.json");
  const told = site.worlds.find((world) => world.name === name);
  require(told, `This page has no world ${name}; it has ${site.worlds.map((world) => world.name).join(", ")}.`);
  const config = await fetchJson(`${told.folder}/config.json`);
  const format = config.format_version;
  require(format === FORMAT, `The world ${name} has format ${format}, this page plays ${FORMAT}; export it again.`);
  const world = { told, config, sizes: sizesOf(config) };
  let failure;
  for (const backend of await backends(asked.backend)) {
    try {
      const opened = await openOn({ ...asked, backend }, world, site.ort, onProgress);
      return { ...world, ...opened };
    } catch (error) {
      if (backend === "wasm" || error instanceof Told) throw error;
      failure = error; // a GPU that cannot: the processor can
    }
  }
  throw new Told(inWords(failure ?? new Error("no backend")));
}

async function openOn({ backend, threads }, { told, config, sizes }, runtimeFiles, onProgress) {
  const wasm = runtimes.has(backend) ? 0 : bytesOf(backend, runtimeFiles);
  const total = NEEDED.reduce((sum, path) => sum + (config.files[path]?.size ?? 0), wasm);
  let loaded = 0;
  const onBytes = (count) => onProgress({ loaded: (loaded += count), total });
  if (!runtimes.has(backend)) runtimes.set(backend, await openRuntime(backend, threads, runtimeFiles, onBytes));
  const { ort, threads: used } = runtimes.get(backend);
  const files = await download(told, config, onBytes);
  const model = await openModel(ort, files, backend, told.name, memoryNames(sizes));
  return { model, backend, threads: used, bytes: total };
}

async function download(told, config, onBytes) {
  const fetched = NEEDED.map(async (path) => {
    require(config.files[path], `The world ${told.name} lacks ${path}; export the page again.`);
    return [path, await fetchChecked(`${told.folder}/${path}`, config.files[path], onBytes)];
  });
  return new Map(await Promise.all(fetched));
}

async function openModel(ort, files, backend, name, memory) {
  try {
    return await Model.open(ort, files, [backend], memory);
  } catch (error) {
    const words = inWords(error);
    if (backend !== "wasm" || error instanceof Told || /memory/.test(words)) throw error;
    const said = String(error.message).split("\n")[0].slice(0, 200);
    throw new Told(`The graphs of the world ${name} cannot be opened (${said}); export the page again.`);
  }
}
