// Buttons that hold something down for as long as a finger, the mouse, Enter or Space is on them.
// Shared: the Gradio demo embeds this file too, without its `export` words.

import { make } from "./page.js";

export class Pad {
  /** `hold(button)` starts what a button below `root` that matches `which` holds down, and returns what ends it. */
  constructor(root, which, hold) {
    Object.assign(this, { which, hold, held: new Map() }); // pointer or key -> what it holds down
    root.addEventListener("pointerdown", (event) => {
      const button = this.buttonAt(event.target);
      if (!button) return;
      event.preventDefault();
      this.down(button, event.pointerId);
    });
    for (const kind of ["pointerup", "pointercancel"]) {
      window.addEventListener(kind, (event) => this.up(event.pointerId));
    }
    root.addEventListener("contextmenu", (event) => {
      if (this.buttonAt(event.target)) event.preventDefault();
    });
    root.addEventListener("keydown", (event) => {
      const button = this.buttonAt(event.target);
      if (!button || !["Enter", "Space"].includes(event.code)) return;
      event.preventDefault();
      if (!event.repeat) this.down(button, event.code);
    });
    root.addEventListener("keyup", (event) => this.up(event.code));
  }

  buttonAt(target) {
    const button = target.closest?.(this.which);
    return button?.disabled ? null : button;
  }

  down(button, by) {
    this.up(by);
    button.classList.add("down");
    const end = this.hold(button);
    this.held.set(by, { button, end });
  }

  up(by) {
    const holding = this.held.get(by);
    if (!holding) return;
    this.held.delete(by);
    holding.button.classList.remove("down");
    holding.end();
  }

  releaseAll() {
    for (const by of [...this.held.keys()]) this.up(by);
  }
}

/** The ids of actions that do the same as another, stay_2 as stay, each with that other's id; as app/play/keymap.py says. */
export function doubles(actions) {
  const named = new Map(actions.map(({ id, name }) => [name, id]));
  const base = ({ name }) => named.get(/^(.*)_\d+$/.exec(name)?.[1]);
  return new Map(actions.filter((action) => base(action) !== undefined).map((action) => [action.id, base(action)]));
}

/** A button for each action {id, name, codes} that is no double. It holds the keys `codes`, and shows the number keys of
 * the action and its doubles; its data names their `ids`. */
export function actionButtons(actions) {
  const twins = doubles(actions);
  return actions.filter(({ id }) => !twins.has(id)).map(({ id, name, codes }) => {
    const ids = [id, ...[...twins.keys()].filter((twin) => twins.get(twin) === id)];
    const numbers = make("small", { textContent: ids.map((each) => each + 1).join(" ") });
    return make("button", { type: "button", data: { codes: codes.join(" "), ids: ids.join(" ") } }, `${name.replaceAll("_", " ")} `, numbers);
  });
}
