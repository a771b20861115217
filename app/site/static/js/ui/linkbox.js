// The box with the link to what was played.

import { toFragment } from "./share.js";
import { byId } from "./page.js";
import { say } from "./status.js";

const LONG = 2000; // letters, which many programs cut

/** `played()` is {world, seed, actions, picture, pixels} of what is shown. */
export function listenToLink(played, fault) {
  const [box, field] = [byId("link-box"), byId("link")];
  byId("share").addEventListener("click", async () => {
    try {
      field.value = `${location.origin}${location.pathname}#${await toFragment(played())}`;
      const steps = played().actions.length;
      const replays = steps ? `, replays your ${steps} ${steps === 1 ? "step" : "steps"}, and then goes on` : "";
      byId("link-about").textContent = `It opens this picture${replays}. It has ${field.value.length.toLocaleString("en")} letters.`;
      byId("link-long").hidden = field.value.length <= LONG;
      byId("send").hidden = !navigator.share;
      byId("copy").textContent = "Copy link";
      box.showModal();
      field.select();
    } catch (error) {
      fault(error);
    }
  });
  byId("copy").addEventListener("click", async () => {
    field.select();
    const copied = await navigator.clipboard?.writeText(field.value).then(() => true, () => false);
    byId("copy").textContent = copied || document.execCommand("copy") ? "Copied" : "Press Ctrl and C";
  });
  byId("link-save").addEventListener("click", () => {
    box.close();
    byId("save").click();
  });
  byId("send").addEventListener("click", () => navigator.share({ title: document.title, url: field.value }).catch(() => {}));
}

export function tellOfLink(steps) {
  say(`A link: ${steps} ${steps === 1 ? "step" : "steps"} are replayed. Hold a key to take over.`, true);
}
