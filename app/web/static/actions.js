// What a world can do, as buttons, as a thumb pad and as the table of keys.
const LABELS = { left: "←", right: "→", up: "↑", down: "↓", space: "Space", return: "Enter" };
const COMMAND_KEYS = [
  ["Backspace", "hold to rewind"], ["Enter", "hold to go forward again"], ["P", "pause, and on again"], [".", "one step"], ["R", "restart"],
  ["N", "restart with a new seed"], ["K", "keep this moment"], ["L", "return to a kept moment"], ["B", "next branch"], ["T", "autoplay, on and off"],
  ["G", "save a GIF of ten seconds"], ["−", "slower"], ["=", "faster"], ["F", "full screen"], ["H", "these keys"],
  ["Tab", "on to the buttons, as in every page"],
];
const spell = (keys) => keys.split("+").map((key) => LABELS[key] ?? key.toUpperCase());
const plain = (name) => name.replaceAll("_", " ");

function offer(actions) {
  const buttons = actionButtons(actions);
  for (const button of buttons) {
    const { keys } = actions[button.dataset.ids.split(" ")[0]], numbers = button.lastChild.textContent.split(" ");
    const spelt = keys.map((each) => spell(each).join(" + "));
    button.title = [...spelt, ...numbers].join(" or ");
    button.lastChild.textContent = [...spelt.slice(0, 1), ...numbers].join("  ");
  }
  find(".pad").style.setProperty("--columns", Math.ceil(buttons.length / Math.ceil(buttons.length / 8)));
  find(".pad").replaceChildren(...buttons);
  find(".pad").classList.toggle("alone", !offerThumbs(actions, (action) => action.codes));
  const moves = actions.filter(({ keys }) => keys.some((key) => !key.includes("+")));
  const keys = moves.map(({ name, keys }) => `${spell(keys[0])} ${plain(name)}`).join(", ");
  find(".keys").textContent = `Hold ${keys ? keys + ", or " : ""}a number from 1 to ${actions.length}. Press H for all keys.`;
  table(actions);
  find(".guessing").hidden = !hello.tells_guesses;
}

function table(actions) {
  const row = (choices, what) => {
    const caps = choices.flatMap((keys, i) => [...(i ? [" or "] : []), ...keys.flatMap((key, j) => [...(j ? ["+ "] : []), make("kbd", { textContent: key })])]);
    return make("tr", {}, make("td", {}, ...caps), make("td", { textContent: what }));
  };
  const named = actions.filter(({ keys }) => keys.length).map(({ keys, name }) => row(keys.map(spell), plain(name)));
  const twins = doubles(actions), alike = [...new Set(twins.values())].map((id) => {
    const numbers = [...twins.keys()].filter((twin) => twins.get(twin) === id).map((twin) => [`${twin + 1}`]);
    return row(numbers, `much the same as ${plain(actions[id].name)}`);
  });
  const numbers = row([["1"], [`${actions.length}`]], "any action by its number");
  numbers.firstChild.childNodes[1].replaceWith(" to ");
  find(".help table").replaceChildren(...named, numbers, ...alike, ...COMMAND_KEYS.map(([key, what]) => row([[key]], what)));
}
