// The picture and the keys. A key counts while the world has the focus; when the focus leaves, all keys are released.
const root = element, find = (what) => root.querySelector(what), all = (what) => [...root.querySelectorAll(what)];
const COMMANDS = { KeyP: "pause", Period: "step", KeyR: "restart", KeyK: "keep" };
let transport = null, hello = { codes: [], actions: [] }, state = {}, down = new Set(), number = 0, waiting = [];
let times = [], newest = 0;

const send = (message) => transport?.send(message);
function press(code) {
  if (down.has(code)) return;
  down.add(code);
  number += 1;
  waiting.push({ number, at: performance.now() });
  if (waiting.length > 50) waiting.shift();
  send({ do: "key", code, down: true, number });
}
function release(code) {
  if (down.delete(code)) { number += 1; send({ do: "key", code, down: false, number }); }
}
function releaseAll() {
  down.clear();
  for (const button of all(".down")) button.classList.remove("down");
  held.clear();
  send({ do: "release_all" });
}

async function draw(data) {
  const view = new DataView(data), mine = transport;
  const [frame, inputs, step, tip] = [0, 4, 8, 12].map((at) => view.getUint32(at)), action = view.getUint8(16);
  const bitmap = await createImageBitmap(new Blob([data.slice(17)], { type: "image/png" }));
  if (transport !== mine) return;
  if (frame > newest) { // pictures may be decoded out of order
    newest = frame;
    shape(bitmap);
    find("canvas").getContext("2d").drawImage(bitmap, 0, 0);
    measure(inputs);
    Object.assign(root.dataset, { frame, step, tip, action, frames: +(root.dataset.frames ?? 0) + 1 });
    show("action", hello.actions[action]?.name ?? "the picture");
    show("step", tip > step ? `step ${step} of ${tip}` : `step ${step}`);
  }
  bitmap.close();
  send({ do: "shown", frame });
}

function measure(inputs) {
  const now = performance.now();
  times.push(now);
  while (times[0] < now - 2000) times.shift();
  if (times.length > 2) show("fps", `${(((times.length - 1) * 1000) / (now - times[0])).toFixed(1)} frames/s`);
  const known = waiting.filter((input) => input.number <= inputs);
  waiting = waiting.filter((input) => input.number > inputs);
  if (known.length) {
    root.dataset.latency = Math.round(now - known[known.length - 1].at);
    show("latency", `${root.dataset.latency} ms`);
  }
}

function shape({ width, height }) {
  const canvas = find("canvas");
  if (canvas.width === width && canvas.height === height) return;
  Object.assign(canvas, { width, height });
  resize();
}
function resize() {
  const canvas = find("canvas"), { width, height } = canvas, room = Math.max(256, window.innerHeight - 340);
  const times = Math.min(Math.min(root.clientWidth || 256, 640) / width, Math.min(room, 640) / height);
  const whole = times < 1 ? times : Math.floor(times); // whole pixels stay crisp
  canvas.style.width = whole * width + "px";
  canvas.style.height = whole * height + "px";
}

// Delegated to `element`, which survives what Gradio draws anew inside it.
root.addEventListener("keydown", (event) => {
  if (event.target !== find(".stage") || event.ctrlKey || event.metaKey || event.altKey) return;
  const code = event.code;
  if (code === "Backspace") { event.preventDefault(); if (!event.repeat) send({ do: "rewind", held: true }); }
  else if (hello.codes.includes(code)) { event.preventDefault(); if (!event.repeat) press(code); }
  else if (COMMANDS[code]) { event.preventDefault(); if (!event.repeat) command(COMMANDS[code]); }
});
root.addEventListener("keyup", (event) => {
  if (event.code === "Backspace" && event.target === find(".stage")) send({ do: "rewind", held: false });
  else release(event.code);
});
root.addEventListener("focusout", releaseAll);
window.addEventListener("blur", releaseAll);
document.addEventListener("visibilitychange", () => { if (document.hidden) releaseAll(); });
new ResizeObserver(resize).observe(root);
