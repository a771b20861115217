// Gamepads: the stick and the cross are directions, the first button is A. Looked at once a picture of the screen.

const TILT = 0.5; // of the stick, from which on it counts
const NAMES = { 0: "pad a", 1: "pad b", 12: "pad up", 13: "pad down", 14: "pad left", 15: "pad right" };
const COMMANDS = { 9: "pause", 8: "restart", 2: "step", 3: "keep" };
const HOLDS = { 4: "rewinding", 5: "forward" };

/** `on.key(name, down)`, `on.command(name)`, `on.hold(travel, down)`. */
export class Gamepads {
  constructor(on) {
    Object.assign(this, { on, down: new Set(), looking: false });
    window.addEventListener("gamepadconnected", () => this.look());
  }

  look() {
    if (this.looking) return;
    this.looking = true;
    const again = () => {
      const pads = navigator.getGamepads().filter(Boolean);
      this.compare(new Set(pads.flatMap(held)));
      this.looking = pads.length > 0;
      if (this.looking) requestAnimationFrame(again);
    };
    again();
  }

  compare(now) {
    for (const name of this.down) if (!now.has(name)) this.tell(name, false);
    for (const name of now) if (!this.down.has(name)) this.tell(name, true);
    this.down = now;
  }

  tell(name, down) {
    const [kind, value] = name.split(":");
    if (kind === "hold") this.on.hold(value, down);
    else if (kind === "do") down && this.on.command(value);
    else this.on.key(name, down);
  }
}

function held({ buttons, axes }) {
  const names = [];
  buttons.forEach(({ pressed }, i) => {
    if (!pressed) return;
    if (NAMES[i]) names.push(NAMES[i]);
    if (COMMANDS[i]) names.push(`do:${COMMANDS[i]}`);
    if (HOLDS[i]) names.push(`hold:${HOLDS[i]}`);
  });
  const [x = 0, y = 0] = axes;
  if (Math.abs(x) > TILT) names.push(x < 0 ? "pad left" : "pad right");
  if (Math.abs(y) > TILT) names.push(y < 0 ? "pad up" : "pad down");
  return names;
}
