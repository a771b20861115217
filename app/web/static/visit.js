// One visit: the film before the game, the game's beginning, its return after a reload or an outage, its end.
const KEPT = "genie-game"; // in the storage of this tab
const UNSAVED = 75; // steps, five seconds: of a shorter game nobody is asked

const kept = {
  read() { try { return JSON.parse(sessionStorage.getItem(KEPT)) ?? null; } catch { return null; } },
  write(game) { try { game ? sessionStorage.setItem(KEPT, JSON.stringify(game)) : sessionStorage.removeItem(KEPT); } catch { /* a private window */ } },
};
let wanted = FIRST.world; // the world that a new game begins in
let offered = null; // what the start button does: a token to come back with, or null for a new game
let beginning = false;

function setStatus(status) {
  genie.dataset.status = root.dataset.status = status;
  find(".stage").classList.remove("guesses");
  find(".controls").disabled = !live();
}

function attract(label = "Play", why = "") {
  setStatus(why ? "over" : "attract");
  show("start", label === "Play" && wanted !== FIRST.world ? `Play ${wanted}` : label);
  show("how", genie.classList.contains("touch") ? "tap, then use the pad" : "click, or hold an arrow key");
  if (why) say(why, true);
}

/** The world plays by itself, from the picture that a game begins with: a film that the server made. */
function film() {
  const image = find(".attract"), moving = new Image();
  canvas.shape(hello);
  image.src = FIRST.still;
  image.hidden = false;
  if (calm()) return;
  moving.onload = () => { if (!live() && !beginning) image.src = moving.src; };
  moving.src = new URL("attract.webp", transportRoot()).href;
}
const transportRoot = () => location.origin + location.pathname.replace(/\/?$/, "/");

/** One click: comes back to the game that waits, or begins one from the first picture, or from what `asked` says. */
async function begin(asked = { picture: "" }) {
  if (offered && asked.picture === "") { const token = offered; offered = null; return open(token); }
  if (beginning) return;
  beginning = true;
  find(".stage").focus({ preventScroll: true });
  find(".attract").src = FIRST.still;
  say("Connecting …", true);
  try {
    const body = JSON.stringify(asked.link ? asked : { world: wanted, ...asked });
    const answer = await fetch(new URL("play", transportRoot()), { method: "POST", body });
    const told = await answer.json().catch(() => ({ detail: "this demo is busy; try again in a moment" }));
    if (!answer.ok) throw new Error(told.detail);
    newest = 0;
    open(told.token);
  } catch (error) {
    say(error instanceof TypeError ? "there is no connection to the demo; try again in a moment" : error.message, true);
  }
  beginning = false;
}

function open(token) {
  transport?.close();
  waiting = []; rate.clear(); state = {}; taken = 0; offered = null;
  show("link", "");
  say("Connecting …", true);
  transport = new Transport(token, () => newest, {
    frame: draw,
    message: hear,
    link: (text) => {
      const lost = text.endsWith("connecting …");
      show("link", lost ? "" : text);
      if (lost) say(text, true);
      else if (find(".word").textContent.includes("econnecting")) say("");
    },
    found: () => { send({ do: "release_all" }); for (const held of down.keys()) tell(held); },
    over: (why, then) => { if (transport?.token === token) ended(token, why, then); },
  });
  kept.write({ token, frame: newest });
  if (props.value?.token !== token) props.value = { token };
  find(".controls").disabled = false;
}

function hear(told) {
  if (told.hello) greet(told.hello);
  if (told.state) change(told.state);
  if (told.say) { greeting = ""; say(told.say, told.stays); }
  if (told.fault) for (const [name, text] of Object.entries(told.fault)) fault(name, text);
  if (told.share) showLink(told.share, told.steps);
  if (told.film) tellOfFilm(told.film);
  if (told.queue) queue(told.queue);
  else if (told.hello) delete root.dataset.place;
  if (told.watch !== undefined) watchGame(told.watch);
}

let inQueue = {}, watched = null; // where the page stands in the queue, and the world of the game that it sees meanwhile
const waits = () => root.dataset.place !== undefined;

function queue(told) {
  if (!waits()) watched = null;
  inQueue = told;
  root.dataset.place = told.place;
  setStatus("queue");
  find(".controls").disabled = true;
  tellQueue();
}
function watchGame(world) {
  if (!waits()) return;
  watched = world;
  if (world) hello = { ...hello, ...world };
  canvas.shape(world ?? FIRST);
  tellQueue();
}
function tellQueue() {
  const { place, seconds } = inQueue, minutes = Math.max(1, Math.round(seconds / 60));
  find(".attract").hidden = Boolean(watched);
  const meanwhile = watched ? "Meanwhile you watch another player." : "Meanwhile a replay.";
  say(`All seats are taken. You are number ${place} in the queue, about ${minutes} ${minutes === 1 ? "minute" : "minutes"}. ${meanwhile}`, true);
}
let toldHere = 0;
for (const kind of ["pointermove", "pointerdown", "keydown"]) document.addEventListener(kind, () => {
  if (!waits() || performance.now() - toldHere < 10_000) return;
  toldHere = performance.now();
  send({ do: "here" });
});

function ended(token, why, then) {
  delete root.dataset.place;
  offered = then === "back" ? token : null;
  if (then !== "back") kept.write(null);
  attract(then === "back" ? "Come back to your game" : "Play", why);
}

function toStage(resumed) {
  find(".controls").disabled = false;
  if (!resumed) find(".stage").focus({ preventScroll: true });
  if (visible()) toSight();
}
/** Brings the world, the pad and the bar into sight where they are not; where they do not all fit, the world first. */
function toSight() {
  const { top } = find(".world").getBoundingClientRect(), hidden = find(".bar").getBoundingClientRect().bottom + 4 - window.innerHeight;
  window.scrollBy(0, top < 0 ? top : Math.min(top, Math.max(0, hidden)));
}

const unsaved = () => live() && !waits() && +root.dataset.tip - taken > UNSAVED && state.status !== "autoplay";
window.addEventListener("beforeunload", (event) => { if (unsaved()) event.preventDefault(); });
window.addEventListener("pagehide", () => { if (live()) { kept.write({ token: transport.token, frame: newest }); transport.close(); } });
window.addEventListener("pageshow", (event) => { if (event.persisted && transport?.over && kept.read()) open(kept.read().token); });
window.addEventListener("offline", () => { if (live()) transport.lose("there is no network"); });

// What the browser refuses is said beside the field that asked for it; Gradio would say nothing.
let asking = null;
document.addEventListener("click", ({ target }) => { asking = target.closest("#picture, #look-picture, #imitate-picture") ?? asking; }, { capture: true });
window.addEventListener("unhandledrejection", (event) => {
  if (!["NotAllowedError", "NotFoundError"].includes(event.reason?.name) || !asking) return;
  event.preventDefault();
  document.querySelector(".refused")?.remove();
  const pasted = /clipboard/i.test(event.reason.message);
  const told = pasted ? "This browser lets the page read nothing from the clipboard here. Save the picture to a file and upload it."
    : "This browser gives the page no camera here. Allow it in the address bar, or upload a file.";
  asking.after(make("p", { className: "refused", role: "alert", textContent: told }));
});

/** Gradio asks before a game is left for another world. */
window.genie = {
  chosen: null,
  agreesTo: (world) => {
    if (!live()) { wanted = world; attract(); }
    return !live() || waits() || world === hello.world || !(+root.dataset.tip > 0) ||
      confirm(`Play in ${world} instead? The game in ${hello.world} ends; save its session first if you want to keep it.`);
  },
};

watch("value", () => {
  const token = props.value?.token;
  if (!token || (transport?.token === token && live())) return;
  if (transport?.token !== token) newest = 0;
  open(token);
});
offer(FIRST.actions);
strip([], []);
attract();
film();
if (location.hash.startsWith("#w=")) {
  const link = location.hash.slice(1);
  history.replaceState(null, "", location.pathname + location.search);
  begin({ link });
} else if (kept.read()) {
  newest = kept.read().frame ?? 0;
  open(kept.read().token);
} else if (props.value?.token) open(props.value.token);
for (const code of window.heldEarly ?? []) if (FIRST_KEYS.test(code)) document.body.dispatchEvent(new KeyboardEvent("keydown", { code, bubbles: true }));
