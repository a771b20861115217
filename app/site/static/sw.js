// Keeps the page on the device: its own files at once, a world and a runtime when they are first fetched.
//
// A file is kept under its path and hash, so that a new version fetches what changed and nothing else. --export-web
// writes the next line: of each file its hash, and whether the page cannot open without it.
const FILES = {};

const CACHE = `genie ${self.registration.scope}`;
const ISOLATED = {
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
  "cross-origin-resource-policy": "same-origin",
};

const pathOf = (url) => decodeURI(url.slice(self.registration.scope.length)).split(/[?#]/)[0] || "index.html";
const keyOf = (path) => `${self.registration.scope}${encodeURI(path)}?${FILES[path].sha256}`;

self.addEventListener("install", (event) => {
  const shell = Object.keys(FILES).filter((path) => FILES[path].shell);
  event.waitUntil(Promise.all(shell.map(bring)).then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => {
  event.waitUntil(tidy().then(() => self.clients.claim()));
});

self.addEventListener("fetch", (event) => {
  const { method, url } = event.request;
  if (method === "GET" && url.startsWith(self.registration.scope)) event.respondWith(serve(event));
});

async function serve(event) {
  const path = pathOf(event.request.url);
  if (!(path in FILES)) return isolated(await fetch(event.request));
  const cache = await caches.open(CACHE);
  const kept = await cache.match(keyOf(path));
  if (kept) return isolated(kept);
  const response = await fetch(event.request);
  // A full disk is no reason not to play.
  if (response.ok) event.waitUntil(keep(cache, path, response.clone()).catch(() => {}));
  return isolated(response);
}

/** Fetches a file that is not kept yet; fails if the server has another version of it. */
async function bring(path) {
  const cache = await caches.open(CACHE);
  if (await cache.match(keyOf(path))) return;
  const response = await fetch(self.registration.scope + encodeURI(path), { cache: "no-cache" });
  if (!response.ok || !(await keep(cache, path, response))) throw new Error(`${path} is of another version`);
}

async function keep(cache, path, response) {
  const content = await response.arrayBuffer();
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", content));
  const hash = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
  if (hash !== FILES[path].sha256) return false;
  const type = response.headers.get("content-type") ?? "application/octet-stream";
  await cache.put(keyOf(path), new Response(content, { headers: { "content-type": type } }));
  return true;
}

async function tidy() {
  const cache = await caches.open(CACHE);
  const current = new Set(Object.keys(FILES).map(keyOf));
  for (const { url } of await cache.keys()) if (!current.has(url)) await cache.delete(url);
}

function isolated(response) {
  if (response.type === "opaque" || response.type === "opaqueredirect" || response.type === "error") return response;
  const headers = new Headers(response.headers);
  for (const [name, value] of Object.entries(ISOLATED)) headers.set(name, value);
  const { status, statusText } = response;
  return new Response(response.body, { status, statusText, headers });
}
