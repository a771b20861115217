// The page: makes its parts and connects them.

import { Client } from "../client.js";
import { Told } from "../told.js";
import { ask } from "./ask.js";
import { Canvas } from "./canvas.js";
import { listenToCamera } from "./camera.js";
import { Controls } from "./controls.js";
import { Drawing } from "./draw.js";
import { Game } from "./game.js";
import { tellOfWorld } from "./help.js";
import { codesOf, keyLabel } from "./keymap.js";
import { listenToLink, tellOfLink } from "./linkbox.js";
import { actionButtons } from "./pad.js";
import { byId, make } from "./page.js";
import { Player } from "./player.js";
import { Saver } from "./saver.js";
import { readFragment } from "./share.js";
import { Starts } from "./starts.js";
import * as status from "./status.js";
import { Timeline } from "./timeline.js";
import { offerThumbs } from "./thumbs.js";
import { markWorld, offerWorlds } from "./worlds.js";

const LYING = window.matchMedia("(orientation: landscape) and (max-height: 500px)"); // these two as in css/page.css
const NARROW = window.matchMedia("(max-width: 820px)"); // one column
const SHARE_OF_HEIGHT = 0.5; // of a small screen, for the picture
const BESIDE_THUMBS = 2 * 176; // pixels of width that a lying phone's thumbs take

const canvas = new Canvas(() => byId("picture"), room);
let player = null;
let mode = "";
let image = null; // of the frame shown
let warned = false; // that a picture is far from what the world knows, and it waits

const FAR = "This picture is far from what the world knows, and soon turns into something that it knows";

function room() {
  const [wide, high] = [window.innerWidth, window.innerHeight];
  const thumbs = document.body.classList.contains("touch") && !byId("thumbs").hidden ? BESIDE_THUMBS : 0;
  if (LYING.matches) return { width: wide - thumbs, height: high - document.querySelector(".top").offsetHeight - document.querySelector(".bar").offsetHeight - 14 };
  if (NARROW.matches) return { width: wide, height: SHARE_OF_HEIGHT * high };
  const { width, height } = document.querySelector(".view").getBoundingClientRect();
  return { width: width - 16, height: height - 16 };
}

const shown = {
  frame({ picture, index, tip, action, guesses }) {
    const [height, width] = player.config.frame_size;
    image = new ImageData(picture, width, height);
    canvas.draw(image);
    saver.frame(image, player.config.fps);
    timeline.show({ index, tip, action: player.config.actions[action]?.name });
    for (const button of byId("pad").children) button.classList.toggle("on", idsOf(button).includes(action));
    status.countFrame(game.mode, player.config.fps * game.speed);
    byId("stage").classList.toggle("guesses", Boolean(guesses));
    byId("unsure").classList.toggle("on", Boolean(guesses));
    invite();
    Object.assign(document.body.dataset, { step: index, tip, action: action ?? "" });
  },
  state() {
    const attracted = mode === "attract" && game.mode === "playing";
    if (warned && game.mode !== "resting") status.say("");
    warned &&= game.mode === "resting";
    mode = game.config ? game.mode : "loading";
    document.body.dataset.mode = mode;
    controls.show(mode);
    invite();
    if (attracted && player.untouched) player.attractAgain().catch(status.fault);
  },
  word: (text) => status.say(text),
  line() {
    player.line();
    byId("seed").value = String(player.seed);
    timeline.refresh().catch(() => {});
  },
  fault: status.fault,
};

function invite() {
  const moves = mode === "attract" && game.index > 0;
  status.invite(Boolean(player?.untouched) && ["attract", "resting"].includes(mode), keyToTry(), moves);
}

const idsOf = (button) => button.dataset.ids.split(" ").map(Number);

function keyToTry() {
  const keys = player?.config?.actions.flatMap((action) => action.keys) ?? [];
  return keyLabel(keys.includes("right") ? "right" : (keys[0] ?? "1"));
}

function openedWorld(name, config) {
  const actions = config.actions.map((action) => ({ ...action, codes: codesOf(action) }));
  const buttons = actionButtons(actions);
  for (const button of buttons) {
    const [text, numbers] = button.childNodes;
    const { keys } = actions.find(({ id }) => id === idsOf(button)[0]);
    button.title = [...keys.map(keyLabel), ...numbers.textContent.split(" ")].join(" or ");
    button.replaceChildren(text, make("kbd", { textContent: keys.length ? keyLabel(keys[0]) : numbers.textContent }));
  }
  byId("pad").replaceChildren(...buttons);
  byId("thumbs").hidden = !offerThumbs(actions, codesOf);
  markWorld(name);
  const [height, width] = config.frame_size;
  canvas.shape({ width, height });
  controls.world();
  tellOfWorld(config);
}

function startedLine() {
  timeline.refresh().catch(() => {});
  status.say("");
  if (game.index > 0 || game.source?.name === "attract" || player.knows) return;
  if (!player.path && !game.source) warnFirst();
  else status.say(`${FAR}.`);
}

/** A picture that a person brought waits: the world soon turns it into something else. */
function warnFirst() {
  game.rest();
  const play = document.body.classList.contains("touch") ? "Use the pad" : "Hold a key";
  status.say(`${FAR}. ${play} to play all the same, or choose another picture.`, true);
  warned = true;
}

/** Starts from a picture that a person chose. */
async function startFrom(picture, path = null) {
  if (!player) throw new Told("The page is still starting; try again in a moment.");
  player.touch();
  await player.start(picture, path);
  byId("stage").focus({ preventScroll: true });
}

async function openLink(link) {
  if (!(await player.openLink(link))) return;
  if (link.actions.length) tellOfLink(link.actions.length);
}

/** Opens what the address says. A damaged link is told, and the page plays what it has. */
async function openAddress() {
  try {
    const link = readFragment(location.hash);
    if (link) return await openLink(link);
  } catch (error) {
    if (!player.pixels) await changeWorld(player.world ?? site.worlds[0].name);
    throw error;
  }
  if (!player.pixels) await changeWorld(site.worlds[0].name);
}

async function changeWorld(name) {
  if (name === player.world && player.pixels) return; // it is open, perhaps because another could not be
  try {
    if (!(await player.mayLeaveFor(name))) return;
    if (name !== player.world) await player.open(name);
  } finally {
    markWorld(player.world); // the one that is open
  }
  player.untouched = true;
  await player.greet();
}

byId("more").open = !LYING.matches && !NARROW.matches;
const opening = Client.open(); // meanwhile there is something to see
const orFault = (job) => (...given) => Promise.resolve().then(() => job(...given)).catch(status.fault);
const starts = new Starts({
  picture: startFrom,
  session: (file) => player.openSession(file),
  fault: status.fault,
});
const site = await fetchSite();
starts.offer(site.worlds[0]?.pictures ?? []);
status.loading("Starting");
starts.preview((picture) => canvas.draw(picture));
const client = await opening;
const game = new Game(client, shown);
player = new Player(client, game, starts, site, {
  world: openedWorld,
  preview: (picture) => canvas.draw(picture),
  stay: () => image && canvas.draw(image), // over the preview of the one that could not be opened
  leave: () => saver.newLine(),
  ask,
  start: startedLine,
});
const timeline = new Timeline(game, { client, say: status.say });
const saver = new Saver(player, orFault);
const controls = new Controls(player, timeline, orFault);
listenToCamera({ picture: orFault(startFrom), fault: status.fault });
new Drawing({ frameShown: () => byId("picture"), play: orFault(startFrom) });
listenToLink(() => ({ world: player.world, seed: player.seed, actions: player.actions, picture: player.path, pixels: player.pixels }), status.fault);
new ResizeObserver(() => canvas.resize()).observe(document.querySelector(".view"));
window.addEventListener("resize", () => canvas.resize());

offerWorlds(site.worlds, orFault(changeWorld));
window.addEventListener("hashchange", orFault(openAddress));
window.addEventListener("beforeunload", (event) => { if (player.wouldLose) event.preventDefault(); });
client.update?.then(() => status.say("A new version of this page is here; reload it to see it.", true));

if (site.worlds.length) orFault(openAddress)();

async function fetchSite() {
  const answer = await fetch(new URL("../../worlds.json", import.meta.url)).catch(() => null);
  if (answer?.ok) return answer.json();
  status.fault(new Error("The list of worlds could not be had; reload the page when there is a connection."));
  return { worlds: [] };
}
