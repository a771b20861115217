// The picture and the keys of the demo. The modules of the static page that it shares come before it, in one script.
const root = element, find = (what) => root.querySelector(what), all = (what) => [...root.querySelectorAll(what)];
const genie = find(".genie");
let transport = null, hello = { codes: [], ...FIRST }, state = {}, down = new Map(), number = 0, waiting = [], newest = 0;

const send = (message) => transport?.send(message);
const live = () => transport !== null && !transport.over;
const visible = () => root.offsetParent !== null || document.fullscreenElement === genie;
const LANDSCAPE = window.matchMedia("(orientation: landscape) and (max-height: 500px)");

/** The room for the picture: all of a screen that is full, else what leaves its buttons in sight. */
function room() {
  const wide = root.clientWidth || 256, high = window.innerHeight, touch = genie.classList.contains("touch");
  const beside = touch && LANDSCAPE.matches; // the thumbs are beside the picture, else below
  if (document.fullscreenElement === genie) {
    const below = [".hud", ".bar", ...(beside ? [] : [".stick"])].reduce((sum, what) => sum + find(what).offsetHeight + 10, 24);
    return { width: window.innerWidth - (beside ? 364 : 24), height: high - below };
  }
  if (beside) return { width: wide - 340, height: high - Math.min(root.getBoundingClientRect().top + window.scrollY, 120) - 12 };
  return touch ? { width: wide, height: Math.max(192, high - 330) } : { width: Math.min(wide, 1024), height: Math.max(256, high - 330) };
}
const canvas = new Canvas(() => find("canvas"), room);
const rate = new FrameRate();
const word = new Word(() => find(".word"));
const say = (text, stays) => word.say(sentence(forFingers(text)), stays);
const sentence = (text) => text && text[0].toUpperCase() + text.slice(1) + (/[.!?…]$/.test(text) ? "" : ".");
const FOR_FINGERS = { "Hold a key": "Use the pad", "hold a key": "use the pad", "press a key": "use the pad", "Any key": "The pad" };

/** A sentence about keys as one about the pad, on a touch screen. */
function forFingers(text) {
  if (!genie.classList.contains("touch")) return text;
  return Object.entries(FOR_FINGERS).reduce((said, [keys, pad]) => said.replace(keys, pad), text);
}
const show = (what, text) => { const at = find(`[data-hud=${what}]`); if (at) at.textContent = text; };

/** A key may be held twice, by a thumb and a finger: it is down until both let go. */
function press(code) {
  if (!live()) begin();
  down.set(code, (down.get(code) ?? 0) + 1);
  if (down.get(code) === 1) tell(code);
}
function tell(code) {
  number += 1;
  waiting.push({ number, at: performance.now() });
  if (waiting.length > 50) waiting.shift();
  send({ do: "key", code, down: true, number });
}
function release(code) {
  const holders = down.get(code);
  if (!holders) return;
  if (holders > 1) return void down.set(code, holders - 1);
  down.delete(code);
  number += 1;
  send({ do: "key", code, down: false, number });
}

async function draw(data) {
  const view = new DataView(data), mine = transport;
  const [frame, inputs, step, tip] = [0, 4, 8, 12].map((at) => view.getUint32(at)), action = view.getUint8(16);
  const bitmap = await createImageBitmap(new Blob([data.slice(17)], { type: "image/png" }));
  if (transport !== mine || (waits() && !watched)) return; // the other player no longer wants to be seen
  if (frame > newest) { // pictures may be decoded out of order
    newest = frame;
    find(".attract").hidden = true;
    canvas.draw(bitmap);
    measure(inputs);
    Object.assign(root.dataset, { frame, step, tip, action, frames: +(root.dataset.frames ?? 0) + 1 });
    show("action", hello.actions[action] ? plain(hello.actions[action].name) : "start");
    if (greeting && !greeted) { greeted = true; say(greeting, true); settle(); }
    show("step", tip > step ? `step ${step} of ${tip}` : `step ${step}`);
  }
  bitmap.close();
  send({ do: "shown", frame });
}

let greeting = "", greeted = false; // what a game begins with, said once its picture is there

/** While the game waits the greeting stays; then it goes, at once if it spoke of waiting. */
function settle() {
  if (!greeting || !greeted || state.status === "resting" || state.status === "paused") return;
  if (find(".word").textContent === sentence(forFingers(greeting))) say(state.status === "playing" ? "" : greeting);
  greeting = "";
}

function measure(inputs) {
  const now = performance.now(), fps = rate.count(now);
  if (fps) show("fps", `${fps.toFixed(1)} frames/s`);
  const known = waiting.filter((input) => input.number <= inputs);
  waiting = waiting.filter((input) => input.number > inputs);
  if (known.length) {
    root.dataset.latency = Math.round(now - known[known.length - 1].at);
    show("latency", `${root.dataset.latency} ms from key to picture`);
  }
}
new ResizeObserver(() => canvas.resize()).observe(root);
window.addEventListener("resize", () => canvas.resize());
