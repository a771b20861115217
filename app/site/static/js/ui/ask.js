// A question with two answers, in a box.

import { byId } from "./page.js";

/** Asks the player in a box; resolves to whether the answer was the button `yes`. */
export function ask(text, yes) {
  const box = byId("ask-box");
  byId("ask-text").textContent = text;
  byId("ask-yes").textContent = yes;
  box.returnValue = "";
  box.showModal();
  return new Promise((resolve) => box.addEventListener("close", () => resolve(box.returnValue === "yes"), { once: true }));
}
