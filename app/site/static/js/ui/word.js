// The sentence over the picture.
// Shared: the Gradio demo embeds this file too, without its `export` words.

const LEAST_MS = 4000;
const MS_PER_LETTER = 120;

export class Word {
  /** `find()` is the element, a live region. */
  constructor(find) {
    Object.assign(this, { find, fading: 0 });
  }

  /** Shows `text` for as long as it takes to read, or until the next sentence if it `stays`. */
  say(text, stays = false) {
    this.find().textContent = text;
    clearTimeout(this.fading);
    if (stays) return;
    const shown = Math.max(LEAST_MS, MS_PER_LETTER * text.length);
    this.fading = setTimeout(() => (this.find().textContent = ""), shown);
  }
}
