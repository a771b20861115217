// The thumb pad of a touch screen: a stick for directions on the left, a button for each other key on the right.
// Both press the world's own keys, so that stick and button together play what the two keys together play.

import { byId, make } from "./page.js";

const DEAD = 0.28; // of the stick's radius: no direction
const OCTANT = Math.tan(Math.PI / 8); // a direction counts from a share of the other on: eight ways, equally wide
const WAYS = { left: "ArrowLeft", right: "ArrowRight", up: "ArrowUp", down: "ArrowDown" };

/** The codes of the directions that lie at (x, y), from -1 to 1, x right and y down. */
export function directions(x, y) {
  if (Math.hypot(x, y) < DEAD) return [];
  const [across, along] = [Math.abs(x), Math.abs(y)];
  const codes = [];
  if (across > OCTANT * along) codes.push(x < 0 ? WAYS.left : WAYS.right);
  if (along > OCTANT * across) codes.push(y < 0 ? WAYS.up : WAYS.down);
  return codes;
}

/** {stick, buttons: [action]}: what a thumb pad for these actions needs. What only goes up, as a leap, has a button too. */
export function layout(actions) {
  const single = actions.filter(({ keys }) => keys.some((key) => !key.includes("+")));
  const stick = single.some(({ keys }) => keys.some((key) => key in WAYS));
  const onStick = ({ name, keys }) => name in WAYS || ["left", "right", "down"].some((way) => keys.includes(way));
  return { stick, buttons: single.filter((action) => !onStick(action)) };
}

/** `press(code)` and `release(code)` are told of the stick; the buttons are the Pad's. */
export class Stick {
  constructor({ press, release }) {
    Object.assign(this, { press, release, pointer: null, held: [] });
    this.element = byId("stick");
    this.element.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      this.element.setPointerCapture(event.pointerId);
      this.pointer = event.pointerId;
      this.follow(event);
    });
    this.element.addEventListener("pointermove", (event) => {
      if (event.pointerId === this.pointer) this.follow(event);
    });
    for (const kind of ["pointerup", "pointercancel", "lostpointercapture"]) {
      this.element.addEventListener(kind, (event) => {
        if (event.pointerId === this.pointer) this.letGo();
      });
    }
    this.element.addEventListener("contextmenu", (event) => event.preventDefault());
  }

  follow({ clientX, clientY }) {
    const box = this.element.getBoundingClientRect();
    const radius = box.width / 2;
    let [x, y] = [(clientX - box.left) / radius - 1, (clientY - box.top) / radius - 1];
    const length = Math.max(1, Math.hypot(x, y));
    [x, y] = [x / length, y / length];
    this.lean(x * radius * 0.6, y * radius * 0.6);
    this.hold(directions(x, y));
  }

  hold(codes) {
    for (const code of this.held) if (!codes.includes(code)) this.release(code);
    for (const code of codes) if (!this.held.includes(code)) this.press(code);
    this.held = codes;
  }

  letGo() {
    this.pointer = null;
    this.lean(0, 0);
    this.hold([]);
  }

  lean(x, y) {
    this.element.style.setProperty("--x", `${x}px`);
    this.element.style.setProperty("--y", `${y}px`);
  }
}

/** Shows the thumb pad that fits a world; `codesOf(action)` are the keys that its button holds. */
export function offerThumbs(actions, codesOf) {
  const { stick, buttons } = layout(actions);
  byId("stick").hidden = !stick;
  byId("buttons").replaceChildren(...buttons.map((action) =>
    make("button", { type: "button", textContent: action.name.replaceAll("_", " "), data: { codes: codesOf(action).join(" ") } })));
  return stick || buttons.length > 0;
}
