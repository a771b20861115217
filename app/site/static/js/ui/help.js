// What a world can do, in words: nothing that it cannot do is offered.

import { keyLabel } from "./keymap.js";
import { byId } from "./page.js";
import { doubles } from "./pad.js";

/** The keys and the signs of the world of `config`, in the section "Keys and settings"; and whether it has seeds. */
export function tellOfWorld({ actions, guessing_above: above, sampling }) {
  const chance = sampling.temperature > 0;
  byId("keys").textContent = keysOf(actions, chance);
  byId("guesses").hidden = above === undefined || above === null;
  for (const each of [document.querySelector("[data-do=seed]"), byId("seed").closest("label")]) each.hidden = !chance;
}

let told = false;

/** The first time that the world guesses, says what its border means, unless something else is being said. */
export function tellOfGuesses(say) {
  if (told || byId("word").textContent) return;
  told = true;
  say(byId("guesses").textContent);
}

function keysOf(actions, chance) {
  const moves = actions.filter(({ keys }) => keys.some((key) => !key.includes("+")));
  const held = moves.map(({ name, keys }) => `${keyLabel(keys[0])} ${name.replaceAll("_", " ")}`);
  const twins = doubles(actions), names = new Map(actions.map(({ id, name }) => [id, name.replaceAll("_", " ")]));
  const alike = [...twins].map(([id, other]) => ` ${id + 1} is much the same as ${names.get(other)}.`);
  return `Hold ${[...held, `a number from 1 to ${actions.length}`].join(", ")}.${alike.join("")}`
    + ` Backspace rewinds and Enter goes forward again, P pauses, full stop steps, R restarts,`
    + `${chance ? " N takes a new seed," : ""} K keeps the moment, − and = change the speed, H shows this. A gamepad works too.`;
}
