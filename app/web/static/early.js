// In the page's head, which comes before the script of the view: the keys that are held until that runs.
window.heldEarly = new Set();
addEventListener("keydown", ({ code }) => heldEarly.add(code), { capture: true });
addEventListener("keyup", ({ code }) => heldEarly.delete(code), { capture: true });
addEventListener("blur", () => heldEarly.clear());
