// In the page's head: the keys held before the page's own script runs.
window.heldEarly = new Set();
addEventListener("keydown", ({ code }) => heldEarly.add(code), { capture: true });
addEventListener("keyup", ({ code }) => heldEarly.delete(code), { capture: true });
addEventListener("blur", () => heldEarly.clear());
