// From held keys to actions, by the same rules as app/play/keymap.py, which a test compares. Keys have its names.
//
// If several keys are held, a number key wins, then the largest combination, then the key pressed last.

const NAMES = { Space: "space", Enter: "return", Backspace: "backspace" };
for (const way of ["Left", "Right", "Up", "Down"]) NAMES[`Arrow${way}`] = way.toLowerCase();
const PAD_KEYS = { left: "pad left", right: "pad right", up: "pad up", down: "pad down", space: "pad a" };
const LABELS = { left: "←", right: "→", up: "↑", down: "↓", space: "Space", return: "Enter", backspace: "⌫" };
const IDLE_NAME = "stay";

/** The name of the key with a KeyboardEvent's code, or null. */
export function keyName(code) {
  if (/^Key[A-Z]$/.test(code)) return code[3].toLowerCase();
  if (/^Digit\d+$/.test(code)) return code.slice(5);
  if (/^Numpad\d$/.test(code)) return `[${code[6]}]`;
  return NAMES[code] ?? null;
}

/** The code of the key with a name; "" if there is none. */
export function keyCode(name) {
  const code = Object.keys(NAMES).find((known) => NAMES[known] === name);
  if (code) return code;
  if (/^\d+$/.test(name)) return `Digit${name}`;
  return name.length === 1 ? `Key${name.toUpperCase()}` : "";
}

/** A key combination to show on a button, as in "↑ →". */
export function keyLabel(combination) {
  return combination.split("+").map((key) => LABELS[key] ?? key.toUpperCase()).join(" ");
}

/** The codes that an action's button holds down: those of its first combination, or its number. */
export function codesOf(action) {
  return action.keys.length ? action.keys[0].split("+").map(keyCode).filter(Boolean) : [`Digit${action.id + 1}`];
}

/** The action that plays while nothing is held. */
export function idleAction(actions) {
  return actions.find((action) => action.name === IDLE_NAME)?.id ?? 0;
}

/** Bindings {keys: Set of names, action, raw} of `actions` [{id, name, keys}]; a claimed combination stays claimed. */
export function buildKeymap(actions) {
  const bindings = new Map();
  const bind = (keys, action, raw) => {
    const id = [...keys].sort().join("+");
    if (raw || !bindings.has(id)) bindings.set(id, { keys, action, raw });
  };
  for (const { id } of actions) {
    for (const name of [`${id + 1}`, `[${id + 1}]`]) bind(new Set([name]), id, true);
  }
  const spelled = new Map(actions.map((action) => [action.name, spell(action)]));
  for (const { id, name } of actions) {
    for (const keys of [...spelled.get(name), ...combined(name, spelled)]) bind(keys, id, false);
  }
  return [...bindings.values()];
}

function spell({ keys }) {
  const own = keys.map((combination) => new Set(combination.split("+")));
  const onPad = own.filter((names) => [...names].every((name) => name in PAD_KEYS));
  return [...own, ...onPad.map((names) => new Set([...names].map((name) => PAD_KEYS[name])))];
}

/** Any key of up with any of right, for up_right. */
function combined(name, spelled) {
  const cut = name.indexOf("_");
  if (cut < 0) return [];
  const [first, second] = [name.slice(0, cut), name.slice(cut + 1)].map((part) => spelled.get(part) ?? []);
  const isPad = (keys) => [...keys].some((key) => key.startsWith("pad "));
  return first.flatMap((one) =>
    second
      .filter((other) => isPad(one) === isPad(other) && ![...one].some((key) => other.has(key)))
      .map((other) => new Set([...one, ...other])),
  );
}

/** The id of the action that `held`, names in the order pressed, plays; null if it plays nothing. */
export function resolve(held, keymap) {
  const order = new Map(held.map((name, position) => [name, position]));
  const rank = ({ keys, raw }) => [raw ? 1 : 0, keys.size, Math.max(...[...keys].map((name) => order.get(name)))];
  let best = null;
  for (const binding of keymap) {
    if (![...binding.keys].every((name) => order.has(name))) continue;
    if (!best || higher(rank(binding), rank(best))) best = binding;
  }
  return best ? best.action : null;
}

function higher(one, other) {
  const at = one.findIndex((value, i) => value !== other[i]);
  return at >= 0 && one[at] > other[at];
}

/** The keys that are down, in the order pressed. A tap between two looks still counts in the next look. */
export class HeldKeys {
  constructor() {
    this.clear();
  }

  press(name) {
    this.down = [...this.down.filter((other) => other !== name), name];
    this.unseen.add(name);
    this.lifted.delete(name);
  }

  release(name) {
    if (this.unseen.has(name)) this.lifted.add(name);
    else this.down = this.down.filter((other) => other !== name);
  }

  clear() {
    Object.assign(this, { down: [], unseen: new Set(), lifted: new Set() });
  }

  look() {
    const held = this.down;
    this.down = held.filter((name) => !this.lifted.has(name));
    this.unseen.clear();
    this.lifted.clear();
    return held;
  }
}
