// Everything around the picture: buttons, settings, kept moments, downloads, and the sentence over it.
const show = (what, text) => { const at = find(`[data-hud=${what}]`); if (at) at.textContent = text; };

function command(name) {
  if (name === "pause") send({ do: "pause", on: !["paused", "resting"].includes(state.status) });
  else send({ do: name });
}

const pad = new Pad(root, "[data-codes], [data-hold]", (button) => {
  const codes = (button.dataset.codes ?? "").split(" ").filter(Boolean), way = button.dataset.hold;
  if (way) send({ do: way, held: true }); else codes.forEach(press);
  return () => { if (way) send({ do: way, held: false }); else codes.forEach(release); };
});
listenToKeys(root, {
  atWorld: (target) => target === find(".stage"),
  plays: (code) => hello.codes.includes(code),
  press,
  release,
  commands: { KeyP: () => command("pause"), Period: () => command("step"), KeyR: () => command("restart"), KeyK: () => command("keep") },
  holds: { Backspace: (held) => send({ do: "rewind", held }) },
  releaseAll: () => { pad.releaseAll(); down.clear(); send({ do: "release_all" }); },
});
root.addEventListener("pointerdown", (event) => { if (event.target.closest(".stage")) find(".stage").focus(); });
root.addEventListener("click", (event) => {
  const button = event.target.closest("[data-do], [data-kept], [data-line]");
  // After a click the keys play again; after Enter the focus stays on the button.
  if (event.detail > 0 && event.target.closest("button, a")) find(".stage").focus({ preventScroll: true });
  if (!button) return;
  const { kept, line } = button.dataset;
  if (kept !== undefined) send({ do: "recall", kept: +kept });
  else if (line !== undefined) send({ do: "line", line: +line });
  else command(button.dataset.do);
});
root.addEventListener("change", (event) => {
  const name = event.target.dataset?.set, value = (what) => find(`[data-set=${what}]`).value;
  if (name === "speed") send({ do: "speed", times: +value("speed") });
  else if (name === "unmask_steps" || name === "temperature")
    send({ do: "tune", unmask_steps: +value("unmask_steps"), temperature: +value("temperature") });
  else if (name === "seed") reseed(find("[data-set=seed]"));
  else if (name) {
    const how = value("autoplay");
    send({ do: "autoplay", script: how === "script" ? value("script") : how, mix: find("[data-set=mix]").checked });
  }
});
root.addEventListener("input", (event) => {
  if (event.target.type === "range") event.target.nextElementSibling.value = event.target.value;
});

function reseed(field) {
  const valid = field.value !== "" && field.checkValidity();
  if (valid) send({ do: "seed", seed: +field.value });
  else say(`A seed is a whole number from ${field.min} to ${field.max}.`);
}

function greet(told) {
  hello = told;
  const names = told.actions.map((action) => action.name);
  canvas.shape(told);
  show("raw", `1 to ${names.length}`);
  find("[data-set=script]").placeholder = `as in ${names[0]}*20,${names.at(-1)}*4`;
  root.dataset.world = told.world;
  find(".pad").style.setProperty("--columns", Math.min(4, names.length));
  find(".pad").replaceChildren(...actionButtons(told.actions));
  for (const file of all("[data-file]")) file.href = `${transport.url}/play.${file.dataset.file}`;
  say(told.word || `You are in ${told.world}. Hold keys to move.`);
  find(".stage").focus({ preventScroll: true });
}

function change(told) {
  state = { ...state, ...told };
  root.dataset.status = state.status;
  show("status", state.status === "playing" ? "" : state.status);
  find("[data-do=pause]").setAttribute("aria-pressed", ["paused", "resting"].includes(state.status));
  for (const name of ["speed", "unmask_steps", "temperature", "seed"]) {
    const at = find(`[data-set=${name}]`);
    if (told[name] === undefined || at === document.activeElement) continue;
    at.value = told[name];
    if (at.type === "range") at.nextElementSibling.value = told[name];
  }
  if (state.status !== "autoplay" && told.status) find("[data-set=autoplay]").value = "";
  if (told.kept || told.lines) strip(told.kept ?? [], told.lines ?? []);
}

function strip(kept, lines) {
  const tile = (data, label, picture) => {
    const button = document.createElement("button"), image = document.createElement("img");
    Object.assign(button, { type: "button", title: label, ariaLabel: label });
    Object.assign(button.dataset, data);
    Object.assign(image, { src: picture, alt: "" });
    button.append(image, label.replace(/^\D+/, ""));
    return button;
  };
  find(".strip").replaceChildren(
    ...kept.map((moment, i) => tile({ kept: i }, `kept step ${moment.step}`, moment.picture)),
    ...lines.map((end) => tile({ line: end.line }, `other branch, step ${end.step}`, end.picture)),
  );
}

function open() {
  const token = props.value?.token;
  if (!token || transport?.token === token) return;
  transport?.close();
  down.clear(); waiting = []; rate.clear(); newest = 0; state = {};
  show("link", "");
  say("Connecting …", true);
  transport = Object.assign(new Transport(token, {
    frame: draw,
    message: (told) => {
      if (told.hello) greet(told.hello);
      if (told.state) change(told.state);
      if (told.say) say(told.say);
      if (told.queue) { root.dataset.place = told.queue.place; say(`All seats are taken. You are number ${told.queue.place} in the queue.`, true); }
      else delete root.dataset.place;
    },
    slow: (text) => show("link", text),
    over: (why) => {
      if (transport?.token !== token) return;
      root.dataset.status = "over";
      say(why, true);
      for (const file of all("[data-file]")) file.removeAttribute("href");
    },
  }), { token });
}
window.addEventListener("pagehide", () => transport?.close());
watch("value", open);
open();
