// Buttons that hold something down for as long as a finger, the mouse, Enter or Space is on them.
// Shared: the Gradio demo embeds this file too, without its `export` words.

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

/** A button for each action {name, codes}, which holds the keys `codes`; numbered as the number keys are. */
export function actionButtons(actions) {
  return actions.map((action, id) => {
    const button = document.createElement("button");
    const number = document.createElement("small");
    Object.assign(button, { type: "button", textContent: action.name + " " });
    button.dataset.codes = action.codes.join(" ");
    number.textContent = id + 1;
    button.append(number);
    return button;
  });
}
