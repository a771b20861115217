// What a world can do, as buttons, as a thumb pad and as the table of keys.
const LABELS = { left: "←", right: "→", up: "↑", down: "↓", space: "Space", return: "Enter" };
const COMMAND_KEYS = [
  ["Backspace", "hold to rewind"], ["P", "pause, and on again"], [".", "one step"], ["R", "restart"], ["K", "keep this moment"],
  ["F", "full screen"], ["?", "these keys"], ["Tab", "on to the buttons"],
];
const spell = (keys) => keys.split("+").map((key) => LABELS[key] ?? key.toUpperCase());

function offer(actions) {
  find(".pad").style.setProperty("--columns", Math.min(4, actions.length));
  const buttons = actionButtons(actions);
  buttons.forEach((button, id) => {
    const { name, keys } = actions[id];
    button.title = keys.length ? keys.map((each) => spell(each).join(" + ")).join(" or ") : `the key ${id + 1}`;
    if (!keys.length && /_\d+$/.test(name)) Object.assign(button, { textContent: id + 1, ariaLabel: `${name}, ${id + 1}` });
  });
  find(".pad").replaceChildren(...buttons);
  find(".pad").classList.toggle("alone", !offerThumbs(actions, (action) => action.codes));
  const moves = actions.filter(({ keys }) => keys.some((key) => !key.includes("+")));
  const keys = moves.map(({ name, keys }) => `${spell(keys[0])} ${name.replaceAll("_", " ")}`).join(", ");
  find(".keys").textContent = `Hold ${keys ? keys + ", or " : ""}a number from 1 to ${actions.length}. Press ? for all keys.`;
  table(actions);
}

function table(actions) {
  const row = (choices, what) => {
    const caps = choices.flatMap((keys, i) => [...(i ? [" or "] : []), ...keys.map((key) => make("kbd", { textContent: key }))]);
    return make("tr", {}, make("td", {}, ...caps), make("td", { textContent: what }));
  };
  const named = actions.filter(({ keys }) => keys.length).map(({ keys, name }) => row(keys.map(spell), name.replaceAll("_", " ")));
  const numbers = row([["1"], [`${actions.length}`]], "any action by its number");
  numbers.firstChild.childNodes[1].replaceWith(" to ");
  find(".help table").replaceChildren(...named, numbers, ...COMMAND_KEYS.map(([key, what]) => row([[key]], what)));
}
