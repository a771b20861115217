// The first of the page's scripts, see early.py: the keys that are held until the script of the view runs.
window.heldEarly = new Set();
addEventListener("keydown", ({ code }) => heldEarly.add(code), { capture: true });
addEventListener("keyup", ({ code }) => heldEarly.delete(code), { capture: true });
addEventListener("blur", () => heldEarly.clear());
