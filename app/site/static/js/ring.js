// Keys and values of the last frames, as genie_core/layers/key_ring.py keeps them: frame f lives in slot f mod slots.

export class Ring {
  constructor({ layers, slots, context, tokens, width }) {
    Object.assign(this, { layers, slots, context, frame: tokens * width });
    this.shape = [1, layers, slots, tokens, width];
    this.keys = new Float32Array(layers * slots * this.frame);
    this.values = new Float32Array(layers * slots * this.frame);
  }

  /** Writes `key` and `value` (layers, tokens, width) of frame `index`. */
  put(index, { key, value }) {
    const { frame, layers, slots } = this;
    for (let layer = 0; layer < layers; layer++) {
      const at = (layer * slots + (index % slots)) * frame;
      this.keys.set(key.subarray(layer * frame, (layer + 1) * frame), at);
      this.values.set(value.subarray(layer * frame, (layer + 1) * frame), at);
    }
  }

  /** (2, slots): how many frames before `newest` - 1, and before `newest`, each slot's lies; context + 1 for none. */
  ages(newest) {
    const ages = new Int32Array(2 * this.slots);
    for (let row = 0; row < 2; row++) {
      const back = 1 - row;
      for (let slot = 0; slot < this.slots; slot++) {
        const age = ((((newest - slot) % this.slots) + this.slots) % this.slots) - back;
        ages[row * this.slots + slot] = age < 0 || age > newest - back ? this.context + 1 : age;
      }
    }
    return ages;
  }
}
