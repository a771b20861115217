// Keys, buttons, gamepads and thumbs, the strip of moments, and the sentence over the picture.
const HALTED = ["paused", "resting"];
const STATUS = { playing: "", resting: "waits for you" };
const FIELDS = "input:not([type=range]):not([type=checkbox]):not([readonly]), textarea, select, [contenteditable=true], dialog[open], .tune, video";
const BUTTONS = "button, a, summary, [role=tab], [role=button], [role=option], [role=radio], label, input:not([readonly])";
const FIRST_KEYS = /^(Arrow\w+|Key[WASD]|Digit[1-9]|Space)$/;

function command(name) {
  if (name === "pause") send({ do: "pause", on: !HALTED.includes(state.status) });
  else send({ do: name });
}
function changeSpeed(by) {
  const speed = field("speed");
  speed.selectedIndex = Math.min(Math.max(speed.selectedIndex + by, 0), speed.options.length - 1);
  send({ do: "speed", times: +speed.value });
}
function recall() {
  const kept = state.kept ?? [];
  if (!kept.length) return say("nothing is kept yet; K keeps this moment");
  const here = Math.max(0, kept.findIndex(({ step }) => step === +root.dataset.step));
  const wanted = (here + kept.length - 1) % kept.length;
  send({ do: "recall", kept: wanted });
  say(`back at step ${kept[wanted].step}, which you kept`);
}
function nextBranch() {
  const others = state.lines ?? [], next = others.find(({ line }) => line > state.line) ?? others[0];
  if (!next) return say("there is one branch only; rewind, then hold a key to play another");
  send({ do: "line", line: next.line });
  say(`branch ${next.line + 1}, at step ${next.step}`);
}
function newSeed() {
  if (state.temperature > 0) send({ do: "seed", seed: crypto.getRandomValues(new Uint32Array(1))[0] >>> 1 });
  else say("every seed plays alike at temperature 0; the settings have a temperature");
}
function switchAutoplay() {
  field("autoplay").value = state.status === "autoplay" ? "" : "random";
  autoplay();
}
const inPage = {
  full: () => (document.fullscreenElement ? document.exitFullscreen() : genie.requestFullscreen().catch(() => say("this browser shows nothing in full screen here"))),
  keys: () => find(".help").showModal(),
  script: () => playScript(),
};
if (!document.fullscreenEnabled) find("[data-page=full]").hidden = true;
document.addEventListener("fullscreenchange", () => {
  canvas.resize();
  if (!document.fullscreenElement && live()) requestAnimationFrame(toSight);
});

const pad = new Pad(root, "[data-codes], [data-hold]", (button) => {
  const codes = (button.dataset.codes ?? "").split(" ").filter(Boolean), way = button.dataset.hold;
  if (way) send({ do: way, held: true }); else codes.forEach(press);
  return () => { if (way) send({ do: way, held: false }); else codes.forEach(release); };
});
const stick = new Stick({ press, release });
new Gamepads({
  key: (name, isDown) => { if (visible()) (isDown ? press : release)(`Gamepad ${name}`); },
  command: (name) => { if (visible()) command(name); },
  hold: (way, held) => send({ do: way === "rewinding" ? "rewind" : way, held }),
});

/** Enter begins a game, and in one goes forward. */
function forward(held) {
  if (live()) send({ do: "forward", held });
  else if (held) begin();
}

/** Whether a key typed there is for the world: anywhere but in fields; buttons keep Space and Enter, tabs their arrows. */
function atWorld(target, code) {
  if (!visible() || target.closest?.(FIELDS)) return false;
  if (!target.closest?.(BUTTONS) || target.closest(".start")) return true;
  if (target.closest("[role=tab], [role=option], [role=radio], input") && code.startsWith("Arrow")) return false;
  return !["Space", "Enter"].includes(code) && live();
}
document.addEventListener("keydown", (event) => {
  if (event.key === "?" && atWorld(event.target, event.code)) { event.preventDefault(); inPage.keys(); }
}, { capture: true });
listenToKeys(document, {
  atWorld,
  plays: (code) => (live() ? hello.codes.includes(code) : FIRST_KEYS.test(code)),
  press,
  release,
  commands: {
    KeyP: () => command("pause"), Period: () => command("step"), KeyR: () => command("restart"), KeyK: () => command("keep"),
    KeyL: recall, KeyB: nextBranch, KeyN: newSeed, KeyT: switchAutoplay, KeyG: () => find("[data-file=gif]").click(),
    KeyF: inPage.full, KeyH: inPage.keys, Minus: () => changeSpeed(-1), Equal: () => changeSpeed(1), Space: () => {}, // which would scroll the page
  },
  holds: { Backspace: (held) => send({ do: "rewind", held }), Enter: forward },
  releaseAll: () => { pad.releaseAll(); stick.letGo(); if (down.size) send({ do: "release_all" }); down.clear(); },
});

/** While the player uses other controls than those of time, the game waits. */
const PLAYED = ".world, .bar, .pad, .strip, dialog";
function rests({ target }) {
  if (state.status !== "playing" || (root.contains(target) && target.closest(PLAYED))) return;
  if (root.contains(target) || target.closest?.("button, input, label, summary, [role=tab]")) send({ do: "rest" });
}
document.addEventListener("pointerdown", rests);
document.addEventListener("focusin", ({ target }) => { if (target.closest(FIELDS)) rests({ target }); });

/** Says where keys go: to the world, or elsewhere, in a field or in another window. */
function tellKeys() {
  const active = document.activeElement;
  genie.dataset.keys = document.hasFocus() && !active?.closest(FIELDS) ? "world" : "elsewhere";
}
for (const kind of ["focusin", "focusout"]) document.addEventListener(kind, () => setTimeout(tellKeys));
for (const kind of ["focus", "blur"]) window.addEventListener(kind, tellKeys);
tellKeys();

const touches = () => { genie.classList.add("touch"); canvas.resize(); };
if (touched()) touches();
root.addEventListener("pointerdown", (event) => {
  if (event.pointerType === "touch" && !genie.classList.contains("touch")) touches();
  if (event.target.closest(".stage")) find(".stage").focus({ preventScroll: true });
});
root.addEventListener("click", (event) => {
  if (event.target.closest(".stage") && !live()) return void begin();
  const button = event.target.closest("[data-do], [data-kept], [data-line], [data-page]");
  // After a click the keys play again; after Enter the focus stays on the button.
  if (event.detail > 0 && event.target.closest("button") && !event.target.closest("dialog, .tune")) find(".stage").focus({ preventScroll: true });
  if (!button) return;
  const { kept, line, page } = button.dataset;
  if (kept !== undefined) send({ do: "recall", kept: +kept });
  else if (line !== undefined) send({ do: "line", line: +line });
  else if (page) inPage[page]();
  else command(button.dataset.do);
});

function greet(told) {
  hello = told;
  wanted = told.world;
  canvas.shape(told);
  Object.assign(root.dataset, { world: told.world });
  find(".link").hidden = true;
  const names = namesOf(told.actions);
  field("script").placeholder = `as in ${names[0]}*20,${names.at(-1)}*4`;
  offer(told.actions);
  const lost = told.resumed && root.dataset.token === transport.token;
  root.dataset.token = transport.token;
  greeted = false;
  greeting = (told.resumed && !newest ? "" : told.word) || `You are in ${told.world}. Hold a key to move.`;
  if (lost) greeting = greeting.replace("You are back at", "The connection was lost for a moment. You are at");
  toStage(told.resumed);
  for (const held of down.keys()) tell(held);
}

function change(told) {
  const begun = state.status === "resting" && (told.status ?? "resting") !== "resting";
  if (begun && find(".word").textContent.includes("all the same")) say("");
  state = { ...state, ...told };
  settle();
  genie.dataset.status = root.dataset.status = state.status;
  find(".stage").classList.toggle("guesses", Boolean(state.guesses));
  show("status", STATUS[state.status] ?? state.status);
  if (HALTED.includes(told.status)) { rate.clear(); show("fps", ""); show("latency", ""); }
  find("[data-do=pause]").setAttribute("aria-pressed", HALTED.includes(state.status));
  find("[data-do=pause]").textContent = HALTED.includes(state.status) ? "play on" : "pause";
  showSettings(told);
  if ("waiting" in told || "watched" in told || "watching" in told) showAudience(state);
  if (told.kept || told.lines) strip(told.kept ?? [], told.lines ?? [], state.earlier);
}

/** `earlier` branches are not shown. */
function strip(kept, lines, earlier = 0) {
  const tile = (data, label, picture) => {
    const image = make("img", { src: picture, alt: "" });
    return make("button", { type: "button", title: label, ariaLabel: label, data }, image, label.split(",")[0]);
  };
  const tiles = [
    ...kept.map((moment, i) => tile({ kept: i }, `kept ${moment.step}`, moment.picture)),
    ...lines.map((end) => tile({ line: end.line }, `branch ${end.line + 1}, up to step ${end.step}`, end.picture)),
  ];
  if (earlier) tiles.splice(kept.length, 0, make("span", { className: "earlier", textContent: `+${earlier}`, title: `${earlier} earlier branches; the session file has them all` }));
  find(".strip").replaceChildren(...(tiles.length ? tiles : ["Moments that you keep, and branches that you leave by rewinding, appear here."]));
}
