// The worlds of the page, each with its first picture.

import { byId, make } from "./page.js";

const SITE = new URL("../../", import.meta.url);

/** `choose(name)` opens a world. One world alone needs no choice. */
export function offerWorlds(worlds, choose) {
  byId("world").replaceChildren(...worlds.map(({ name, title }) => make("option", { value: name, textContent: title ?? name })));
  byId("world").disabled = false;
  byId("world").addEventListener("change", () => choose(byId("world").value));
  byId("worlds").replaceChildren(...worlds.map(({ name, title, pictures }) => {
    const image = pictures?.length ? [make("img", { src: new URL(pictures[0], SITE).href, alt: "", decoding: "async" })] : [];
    return make("button", { type: "button", data: { name } }, ...image, make("span", { textContent: title ?? name }));
  }));
  byId("worlds").addEventListener("click", ({ target }) => {
    const button = target.closest("button");
    if (button) choose(button.dataset.name);
  });
  byId("choose-world").hidden = worlds.length < 2;
}

/** Names the world that is played. */
export function markWorld(name) {
  byId("world").value = name;
  for (const button of byId("worlds").children) button.setAttribute("aria-pressed", button.dataset.name === name);
}
