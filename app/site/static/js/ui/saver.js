// Files to take home: video, GIF, picture, session.

import { byId, download } from "./page.js";
import { LastFrames, photo, Video } from "./record.js";
import { say } from "./status.js";

export class Saver {
  constructor(player, orFault) {
    Object.assign(this, { player, video: null, last: new LastFrames() });
    byId("video").addEventListener("click", orFault(() => this.record()));
    byId("gif").addEventListener("click", orFault(() => this.saveGif()));
    byId("photo").addEventListener("click", orFault(() => this.savePhoto()));
    byId("save").addEventListener("click", orFault(() => this.saveSession()));
    byId("open").addEventListener("click", () => byId("session").click());
    byId("session").addEventListener("change", orFault(async ({ target }) => {
      const [file] = target.files;
      target.value = "";
      if (file) await player.openSession(file);
    }));
  }

  name(suffix) {
    return `${this.player.world}-step-${this.player.game.index}.${suffix}`;
  }

  frame(image, fps) {
    const { line, index, acted } = this.player.game;
    const again = this.shown?.line === line && this.shown.index === index; // a start picture that a key begins from
    if (index === 0 && !again) this.last.clear(); // a step that was under way may have come after all was forgotten
    this.shown = { line, index };
    if (!again) this.last.add(image, fps, acted);
    this.video?.frame();
  }

  newLine() {
    this.last.clear();
    this.shown = null;
  }

  async record() {
    const button = byId("video");
    const running = this.video;
    this.video = running ? null : new Video(byId("picture"));
    button.setAttribute("aria-pressed", !running);
    button.querySelector("span").textContent = running ? "Video" : "Stop";
    if (!running) return;
    const { blob, suffix } = await running.stop();
    download(blob, this.name(suffix));
    say("The video is saved.");
  }

  async savePhoto() {
    download(await photo(byId("picture")), this.name("png"));
    say("The picture is saved.");
  }

  async saveSession() {
    const { bytes, branches, kept } = await this.player.session();
    download(new Blob([bytes]), this.name("genie"));
    this.player.game.unsaved = false;
    const all = [...(branches > 1 ? [`${branches} branches`] : []), ...(kept ? [`${kept} kept ${kept > 1 ? "moments" : "moment"}`] : [])];
    say(`The session is saved${all.length ? ", with " : ""}${all.join(" and ")}.`);
  }

  async saveGif() {
    say("Writing the last ten seconds …", true);
    const blob = await this.last.gif();
    download(blob, this.name("gif"));
    say("The GIF is saved.");
  }
}
