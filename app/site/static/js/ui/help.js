// What a world can do, in words: nothing that it cannot do is offered.

import { keyLabel } from "./keymap.js";
import { byId, make } from "./page.js";
import { doubles } from "./pad.js";

/** The keys and the signs of the world of `config`, in the box of keys; and whether it has seeds. */
export function tellOfWorld({ actions, guessing_above: above, sampling }) {
  const chance = sampling.temperature > 0;
  const rows = keysOf(actions, chance).map(([keys, does]) => make("tr", {}, make("th", { scope: "row", textContent: keys }), make("td", { textContent: does })));
  byId("keys").replaceChildren(...rows);
  for (const id of ["guesses", "unsure"]) byId(id).hidden = above === undefined || above === null;
  for (const each of [document.querySelector("[data-do=seed]"), byId("seed").closest("label")]) each.hidden = !chance;
}

const SPOKEN = (name) => name.replaceAll("_", " ");

/** Rows of keys and what they do. A touch screen has no keys: there the pad and the buttons speak for themselves. */
function keysOf(actions, chance) {
  const moves = actions.filter(({ keys }) => keys.length);
  const twins = doubles(actions), names = new Map(actions.map(({ id, name }) => [id, SPOKEN(name)]));
  const alike = [...twins].map(([id, other]) => [`${id + 1}`, `much the same as ${names.get(other)}`]);
  return [
    ...moves.map(({ name, keys }) => [keys.map((key) => keyLabel(key).replaceAll(" ", " + ")).join(" or "), SPOKEN(name)]),
    [`1 to ${actions.length}`, "each action by its number"],
    ...alike,
    ["⌫", "rewind while held"],
    ["Enter", "forward again while held"],
    ["P", "pause, play on"],
    [".", "one step"],
    ["R", "restart"],
    ...(chance ? [["N", "restart with a new seed"]] : []),
    ["K", "keep this moment"],
    ["L", "return to a kept moment"],
    ["B", "next branch"],
    ["T", "autoplay, on and off"],
    ["V", "record a video, end it"],
    ["G", "save a GIF of ten seconds"],
    ["C", "save a picture"],
    ["− and =", "speed"],
    ["Esc", "stop a replay or autoplay"],
    ["Tab", "on to the buttons, as in every page"],
    ["? or H", "this list"],
  ];
}
