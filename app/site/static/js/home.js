// The service worker: what the page fetched stays on the device, and the page may use threads.

const PATIENCE_MS = 5000;
const RELOADED = "genie-isolated";

/**
 * Waits until the service worker serves this page, so that downloads are kept, and reloads once for threads.
 * Returns {update}: a promise that resolves when a new version of the page is here, which a reload shows; it may never.
 */
export async function atHome() {
  const never = { update: new Promise(() => {}) };
  if (!globalThis.isSecureContext || !navigator.serviceWorker) return never; // then everything but these two works
  const before = navigator.serviceWorker.controller;
  const url = new URL("../sw.js", import.meta.url);
  const registration = await navigator.serviceWorker.register(url, { updateViaCache: "none" }).catch(() => null);
  if (registration === null) return never;
  if (!before && !registration.active) await controlled();
  await isolate();
  return { update: before ? newer(registration) : never.update };
}

function controlled() {
  return new Promise((resolve) => {
    navigator.serviceWorker.addEventListener("controllerchange", resolve, { once: true });
    setTimeout(resolve, PATIENCE_MS);
  });
}

/** A page is isolated when it comes with certain headers: if not from the server, then from the service worker. */
async function isolate() {
  const helps = navigator.serviceWorker.controller && !globalThis.crossOriginIsolated && window.top === window;
  if (!helps || (navigator.hardwareConcurrency || 1) < 2 || wasReloaded()) return;
  location.reload();
  await new Promise(() => {});
}

function wasReloaded() {
  try {
    const reloaded = sessionStorage.getItem(RELOADED) !== null;
    sessionStorage.setItem(RELOADED, "1");
    return reloaded;
  } catch {
    return true; // without a memory it could reload for ever
  }
}

function newer(registration) {
  return new Promise((resolve) => {
    registration.addEventListener("updatefound", () => {
      const { installing } = registration;
      installing?.addEventListener("statechange", () => installing.state === "activated" && resolve());
    });
  });
}
