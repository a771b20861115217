// Keys and values of the last frames, as genie_core/key_ring.py keeps them: frame f lives in slot f mod slots.

export class Ring {
  constructor({ layers, context, tokens, heads, width }) {
    const share = width / heads; // of a head
    Object.assign(this, { layers, slots: context, share, rows: tokens * heads });
    this.shape = [1, tokens, heads, context, share];
    this.layer = tokens * width * context; // numbers of a layer
    this.keys = new Float32Array(layers * this.layer);
    this.values = new Float32Array(layers * this.layer);
  }

  /** The graph's inputs: one of each kind for each layer, {keys_0: [numbers, shape], …}. */
  get feeds() {
    const feeds = {};
    for (let i = 0; i < this.layers; i++) {
      for (const kind of ["keys", "values"]) {
        feeds[`${kind}_${i}`] = [this[kind].subarray(i * this.layer, (i + 1) * this.layer), this.shape];
      }
    }
    return feeds;
  }

  /** Writes `key` and `value` (layers, tokens, width) of frame `index`. */
  put(index, { key, value }) {
    this.write(this.keys, key, index % this.slots);
    this.write(this.values, value, index % this.slots);
  }

  write(ring, frame, slot) {
    const { layers, rows, slots, share } = this;
    for (let row = 0; row < layers * rows; row++) {
      ring.set(frame.subarray(row * share, (row + 1) * share), (row * slots + slot) * share);
    }
  }

  /** (2, slots + 2): how many frames before `newest` - 1, and before `newest`, each slot's lies, and these two. */
  ages(newest) {
    const { slots } = this;
    const unseen = slots + 1;
    const ages = Int32Array.from([...Array(slots), 0, unseen, ...Array(slots), 1, 0]);
    for (let slot = 0; slot < slots; slot++) {
      const age = ((((newest - 2 - slot) % slots) + slots) % slots) + 1; // before the last
      ages[slot] = age < newest ? age : unseen;
      ages[slots + 2 + slot] = age < newest ? age + 1 : unseen;
    }
    return ages;
  }
}
