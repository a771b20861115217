// Pictures to start from: the site's own, uploads, the clipboard, and what is dropped on the page.

import { readPicture } from "../fit.js";
import { Told } from "../told.js";
import { byId, make } from "./page.js";

const SESSION = ".genie";
const SITE = new URL("../../", import.meta.url);

/** `on.picture(ImageData, path or null)`, `on.session(Blob)`, `on.fault(Error)`. */
export class Starts {
  constructor(on) {
    Object.assign(this, { on, paths: [] });
    const file = byId("file");
    byId("upload").addEventListener("click", () => file.click());
    file.addEventListener("change", () => {
      if (file.files[0]) this.take(file.files[0]);
      file.value = ""; // the same file can be chosen again
    });
    byId("paste").addEventListener("click", () => this.attempt(() => this.paste()));
    byId("gallery").addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (button) this.attempt(() => this.startFrom(button.dataset.path));
    });
    document.addEventListener("paste", (event) => {
      const [found] = event.clipboardData.files;
      if (found) this.take(found);
    });
    this.listenToDrops();
  }

  /** The pictures of a world, by their paths on the site. */
  offer(paths) {
    this.paths = paths;
    byId("gallery").replaceChildren(...paths.map((path) => {
      const image = make("img", { src: new URL(path, SITE).href, alt: "", loading: "lazy", decoding: "async" });
      const name = path.split("/").pop().replace(/\.\w+$/, "").replaceAll(/[-_]/g, " ");
      return make("button", { type: "button", title: name, ariaLabel: `start from ${name}`, data: { path } }, image);
    }));
  }

  /** Marks the picture that play began from. */
  mark(path) {
    for (const button of byId("gallery").children) button.setAttribute("aria-pressed", button.dataset.path === path);
  }

  /** The pixels of one of the site's pictures, of any size; throws Told for a path that the site does not offer. */
  async fetch(path) {
    if (!this.paths.includes(path)) throw new Told("This page does not have the picture of that link; choose another to start from.");
    const answer = await fetch(new URL(path, SITE)).catch(() => null);
    if (!answer?.ok) throw new Told("This picture is not on this device yet; choose another, or try again with a connection.");
    return readPicture(await answer.blob());
  }

  /** Something to see while a world is on its way: its first picture, given to `show` if there is one. */
  async preview(show) {
    const picture = this.paths.length && (await this.fetch(this.paths[0]).catch(() => null));
    if (picture) show(picture);
  }

  async startFrom(path) {
    await this.on.picture(await this.fetch(path), path);
  }

  take(file) {
    return this.attempt(async () => {
      if (file.name?.endsWith(SESSION)) await this.on.session(file);
      else await this.on.picture(await readPicture(file), null);
    });
  }

  async paste() {
    const items = await navigator.clipboard?.read?.().catch(() => null);
    if (!items) throw new Told("The browser lets this page read no pictures here; press Ctrl and V instead.");
    for (const item of items) {
      const kind = item.types.find((type) => type.startsWith("image/"));
      if (kind) return this.on.picture(await readPicture(await item.getType(kind)), null);
    }
    throw new Told("The clipboard holds no picture; copy one first.");
  }

  async attempt(job) {
    try {
      await job();
    } catch (error) {
      this.on.fault(error);
    }
  }

  listenToDrops() {
    const veil = byId("drop");
    const hide = () => (veil.hidden = true);
    document.addEventListener("dragover", (event) => {
      event.preventDefault();
      veil.hidden = !event.dataTransfer.types.includes("Files");
    });
    document.addEventListener("dragleave", (event) => {
      if (!event.relatedTarget) hide();
    });
    document.addEventListener("drop", (event) => {
      event.preventDefault();
      hide();
      const [file] = event.dataTransfer.files;
      if (file) this.take(file);
      else this.on.fault(new Told("Only a file can be dropped here; save the picture first, then drop it."));
    });
  }
}
