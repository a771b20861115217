// The picture and the keys of the demo. The modules of the static page that it shares come before it, in one script.
const root = element, find = (what) => root.querySelector(what), all = (what) => [...root.querySelectorAll(what)];
let transport = null, hello = { codes: [], actions: [] }, state = {}, down = new Set(), number = 0, waiting = [], newest = 0;

const send = (message) => transport?.send(message);
const canvas = new Canvas(() => find("canvas"), () => ({
  width: Math.min(root.clientWidth || 256, 640),
  height: Math.min(640, Math.max(256, window.innerHeight - 340)),
}));
const rate = new FrameRate();
const word = new Word(() => find(".word"));
const say = (text, stays) => word.say(text, stays);

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

async function draw(data) {
  const view = new DataView(data), mine = transport;
  const [frame, inputs, step, tip] = [0, 4, 8, 12].map((at) => view.getUint32(at)), action = view.getUint8(16);
  const bitmap = await createImageBitmap(new Blob([data.slice(17)], { type: "image/png" }));
  if (transport !== mine) return;
  if (frame > newest) { // pictures may be decoded out of order
    newest = frame;
    canvas.draw(bitmap);
    measure(inputs);
    Object.assign(root.dataset, { frame, step, tip, action, frames: +(root.dataset.frames ?? 0) + 1 });
    show("action", hello.actions[action]?.name ?? "the picture");
    show("step", tip > step ? `step ${step} of ${tip}` : `step ${step}`);
  }
  bitmap.close();
  send({ do: "shown", frame });
}

function measure(inputs) {
  const now = performance.now(), fps = rate.count(now);
  if (fps) show("fps", `${fps.toFixed(1)} frames/s`);
  const known = waiting.filter((input) => input.number <= inputs);
  waiting = waiting.filter((input) => input.number > inputs);
  if (known.length) {
    root.dataset.latency = Math.round(now - known[known.length - 1].at);
    show("latency", `${root.dataset.latency} ms`);
  }
}
new ResizeObserver(() => canvas.resize()).observe(root);
