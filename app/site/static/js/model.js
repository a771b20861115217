// A world's two graphs in ONNX Runtime Web: typed arrays in, typed arrays out.

import { require } from "./told.js";

const PLAYED = ["last", "into", "action", "forced", "keys_0", "values_0", "ages", "uniform", "temperature"];
const EXTERNAL = ["tokenizer/model.safetensors", "dynamics/model.safetensors"];
const KINDS = new Map([[Float32Array, "float32"], [Int32Array, "int32"], [Uint8Array, "uint8"]]);

export class Model {
  /**
   * `ort` is the runtime, `files` maps the world's paths to bytes, which are no longer needed afterwards. `memory` has
   * the names of what the decoder remembers.
   */
  static async open(ort, files, providers, memory) {
    const externalData = EXTERNAL.map((path) => ({ path, data: files.get(path) }));
    const options = { executionProviders: providers, graphOptimizationLevel: "all" };
    const open = (graph) => ort.InferenceSession.create(files.get(graph), { ...options, externalData });
    const encoder = await open("encode.onnx");
    const stepper = await open("step.onnx");
    const missing = [...PLAYED, ...memory].filter((name) => !stepper.inputNames.includes(name));
    require(missing.length === 0, `The world's step.onnx lacks ${missing.join(", ")}; export the page again.`);
    return new Model(ort, encoder, stepper);
  }

  constructor(ort, encoder, stepper) {
    Object.assign(this, { ort, encoder, stepper });
  }

  /** {frames} to {tokens, picture, stem, block}, or {reference, frame} to {tokens, picture}. */
  encode(feeds) {
    return this.run(this.encoder, feeds);
  }

  /**
   * Named inputs to {picture, tokens, key, value, stem_out, block_out, doubt}: without stem_out and block_out for a
   * world by reference, and without doubt for an old one.
   */
  step(feeds) {
    return this.run(this.stepper, feeds);
  }

  /** Each feed is [typed array, shape]; each result a typed array with its `shape`. */
  async run(session, feeds) {
    const tensors = {};
    for (const [name, [data, shape]] of Object.entries(feeds)) {
      tensors[name] = new this.ort.Tensor(KINDS.get(data.constructor), data, shape);
    }
    const out = await session.run(tensors);
    const results = {};
    for (const [name, tensor] of Object.entries(out)) {
      results[name] = Object.assign(await tensor.getData(), { shape: tensor.dims });
      tensor.dispose();
    }
    return results;
  }

  async close() {
    await this.stepper.release();
    await this.encoder.release();
  }
}
