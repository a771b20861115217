// The keyboard: keys count where `atWorld` says so; when the focus moves, all keys are released.
// Shared: the Gradio demo embeds this file too, without its `export` words.

/**
 * Listens below `root`, which survives when the page draws anew what is inside it.
 *
 * `on.atWorld(target, code)` says whether a key typed there is for the world, `on.plays(code)` whether a key plays an action.
 * Those go to `on.press(code)` and `on.release(code)`. `on.commands` maps codes to what they run once, `on.holds` to
 * what is told true when the key goes down and false when it comes up. `on.releaseAll()` releases everything.
 */
export function listenToKeys(root, on) {
  const holding = new Set(), down = new Set(); // keys that hold something, and all that went down for the world
  const letGo = () => {
    down.clear();
    for (const code of holding) on.holds[code](false);
    holding.clear();
    on.releaseAll();
  };
  root.addEventListener("keydown", (event) => {
    if (!on.atWorld(event.target, event.code) || event.ctrlKey || event.metaKey || event.altKey) return;
    const { code } = event;
    const known = on.holds[code] || on.plays(code) || on.commands[code];
    if (!known) return;
    event.preventDefault();
    // A key that is held since before it counted, as while the page was loading, counts from its next repeat on.
    if (event.repeat && (down.has(code) || on.commands[code])) return;
    down.add(code);
    if (on.holds[code]) {
      holding.add(code);
      on.holds[code](true);
    } else if (on.plays(code)) on.press(code);
    else on.commands[code]();
  });
  root.addEventListener("keyup", ({ code }) => {
    down.delete(code);
    if (holding.delete(code)) on.holds[code](false);
    else on.release(code);
  });
  root.addEventListener("focusout", ({ relatedTarget }) => {
    if (relatedTarget?.getAttribute("role") !== "application") letGo(); // which is the world
  });
  window.addEventListener("blur", letGo);
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) letGo();
  });
}
