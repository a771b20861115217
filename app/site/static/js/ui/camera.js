// A picture from the camera.

import { pixelsOf } from "../fit.js";
import { Told } from "../told.js";
import { byId } from "./page.js";

/** `on.picture(ImageData)`, `on.fault(Error)`. */
export function listenToCamera(on) {
  const [box, lens] = [byId("camera-box"), byId("lens")];
  byId("camera").addEventListener("click", async () => {
    try {
      lens.srcObject = await openCamera();
      box.showModal();
    } catch (error) {
      on.fault(error);
    }
  });
  byId("snap").addEventListener("click", () => {
    if (!lens.videoWidth) return;
    const picture = pixelsOf(lens, lens.videoWidth, lens.videoHeight);
    box.close();
    on.picture(picture);
  });
  box.addEventListener("close", () => {
    for (const track of lens.srcObject?.getTracks() ?? []) track.stop();
    lens.srcObject = null;
  });
}

async function openCamera() {
  if (!navigator.mediaDevices) throw new Told("The camera needs a page served by HTTPS or from this computer.");
  try {
    return await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" }, audio: false });
  } catch (error) {
    const refused = error.name === "NotAllowedError";
    throw new Told(refused ? "The camera is not allowed here; allow it in the browser's settings for this page." : "No camera was found.");
  }
}
