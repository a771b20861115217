// Settings: each field is checked as it is typed; what is wrong is said beside it, and its value stays.
const MOST_SEED = 2 ** 31 - 1;
const field = (name) => find(`[data-set=${name}]`);

function fault(name, text) {
  find(`#fault-${name}`).textContent = text && sentence(text);
  field(name).setAttribute("aria-invalid", Boolean(text));
  return !text;
}
function seedFault(text) {
  if (!text) return `a seed is a whole number from 0 to ${MOST_SEED}; this field is empty`;
  return /^\d+$/.test(text) && +text <= MOST_SEED ? "" : `“${text}” is not a whole number from 0 to ${MOST_SEED}`;
}
/** The names of the actions that are no doubles of others. */
function namesOf(actions) {
  const twins = doubles(actions);
  return actions.filter(({ id }) => !twins.has(id)).map(({ name }) => name);
}
function scriptFault(text) {
  const names = hello.actions.map(({ name }) => name);
  if (!text) return "";
  for (const piece of text.split(",").map((piece) => piece.trim())) {
    const [, name, count] = /^([^*]+?)\s*(?:\*\s*(\d+))?$/.exec(piece) ?? [];
    if (name === undefined) return `“${piece}” is no ACTION or ACTION*STEPS, as in ${names[0]}*20`;
    if (!names.includes(name) && !(/^\d+$/.test(name) && +name < names.length)) return `“${name}” is no action of this world; it has ${namesOf(hello.actions).join(", ")}`;
    if (count !== undefined && +count === 0) return `“${piece}” lasts no step`;
  }
  return "";
}

function playScript() {
  const script = field("script").value.trim();
  if (!script) return void fault("script", `enter a script, as in ${hello.actions[0].name}*20`);
  if (!fault("script", scriptFault(script))) return;
  field("autoplay").value = "script";
  send({ do: "autoplay", script, mix: field("mix").checked });
}
function takeSeed() {
  const text = field("seed").value.trim();
  if (fault("seed", seedFault(text)) && +text !== state.seed) send({ do: "seed", seed: +text });
}
function autoplay() {
  const how = field("autoplay").value;
  if (how === "script") playScript();
  else send({ do: "autoplay", script: how, mix: field("mix").checked });
}

root.addEventListener("change", ({ target }) => {
  const name = target.dataset?.set;
  if (name === "speed") send({ do: "speed", times: +target.value });
  else if (name === "unmask_steps" || name === "temperature")
    send({ do: "tune", unmask_steps: +field("unmask_steps").value, temperature: +field("temperature").value });
  else if (name === "seed") takeSeed();
  else if (name === "watched") send({ do: "watched", on: target.checked });
  else if (name === "autoplay" || (name === "mix" && field("autoplay").value)) autoplay();
});
root.addEventListener("input", ({ target }) => {
  const name = target.dataset?.set;
  if (target.type === "range") target.nextElementSibling.value = target.value;
  if (name === "seed") fault("seed", seedFault(target.value.trim()));
  if (name === "script") fault("script", scriptFault(target.value.trim()));
});
root.addEventListener("keydown", (event) => {
  if (event.code === "Enter" && event.target === field("script")) { event.preventDefault(); playScript(); }
});

/** How many wait for a seat, and whether they may watch; nothing where nobody does. */
function showAudience({ waiting = 0, watched = false, watching = 0 }) {
  find(".audience").hidden = !waiting;
  field("watched").checked = watched;
  const [who, s] = waiting === 1 ? ["One person", "s"] : [`${waiting} people`, ""];
  find(".audience span").textContent = `${who} wait${s} for a seat${watching ? ` and watch${s && "es"} your game` : ""}.`;
}

/** Shows the settings that the player has, but for a field that is being typed in. */
function showSettings(told) {
  for (const name of ["speed", "unmask_steps", "temperature", "seed"]) {
    const at = field(name);
    if (told[name] === undefined || at === document.activeElement) continue;
    at.value = told[name];
    if (at.type === "range") at.nextElementSibling.value = told[name];
  }
  if (told.seed !== undefined && field("seed") !== document.activeElement) fault("seed", "");
  if (told.temperature !== undefined) {
    field("seed").disabled = told.temperature === 0;
    find(".alike").hidden = told.temperature !== 0;
  }
  if (told.status && state.status !== "autoplay" && field("autoplay") !== document.activeElement) field("autoplay").value = "";
}
