// What a player takes away: a link that replays the moment, a GIF, a film, a session file.
let taken = 0; // steps of this game that were taken away last

let making = Promise.resolve(); // one file at a time

function takeFile(button) {
  if (button.getAttribute("aria-busy") === "true") return;
  if (find("[data-file][aria-busy=true]")) say("This file follows the one that is being made …", true);
  button.setAttribute("aria-busy", true);
  making = making.then(() => fetchFile(button));
}

async function fetchFile(button) {
  const { file } = button.dataset, tip = +root.dataset.tip;
  if (file !== "genie") say("Making the film …", true);
  try {
    const answer = await fetch(`${transport.url}/play.${file}`);
    if (!answer.ok) throw new Error((await answer.json()).detail);
    const name = `${hello.world.replaceAll(/\W+/g, "-")}-${root.dataset.step}.${file}`;
    download(await answer.blob(), name);
    if (file !== "gif") taken = tip;
    say(`Saved to your downloads: ${name}`, all("[data-file][aria-busy=true]").length > 1);
  } catch (error) {
    say(error.message || "this file could not be fetched; try again");
  }
  button.removeAttribute("aria-busy");
}

/** `share` of the pictures of a film are there, from 0 to 1; then it is written. */
function tellOfFilm(share) {
  const busy = all("[data-file][aria-busy=true]");
  const then = busy.length > 1 ? "; the other file follows" : "";
  if (busy.length) say(`Making the film: ${share < 1 ? `${Math.round(100 * share)} %` : "writing the file"}${then} …`, true);
}

async function showLink(fragment, steps) {
  const box = find(".link");
  Object.assign(box, { value: `${location.origin}${location.pathname}#${fragment}`, hidden: false });
  box.select();
  const copied = await navigator.clipboard?.writeText(box.value).then(() => true, () => false);
  const does = steps ? `replays ${steps} ${steps === 1 ? "step" : "steps"}` : "opens this picture";
  say(copied ? `The link is copied. It ${does}` : "Here is the link: press Ctrl and C to copy it");
  taken = +root.dataset.tip;
}

root.addEventListener("click", (event) => {
  const button = event.target.closest("[data-file], [data-share]");
  if (!button || !live()) return;
  if (button.dataset.file) takeFile(button); else send({ do: "share" });
});
