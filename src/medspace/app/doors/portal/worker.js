// Keeps what no person owns: the files that pages load, and one page that says that the connector cannot be reached.
// Before it stand two constants: VERSION, which changes whenever a file does, and FILES, their addresses.
const OFFLINE = "/portal/offline";
const PREFIX = "portal-";
const KEPT = PREFIX + VERSION;
const files = new Set(FILES);

self.addEventListener("install", (event) => {
  const asked = [...FILES, OFFLINE].map((path) => new Request(path, { credentials: "omit", cache: "reload" }));
  event.waitUntil(caches.open(KEPT).then((cache) => cache.addAll(asked)).then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => {
  event.waitUntil((async () => {
    for (const name of await caches.keys()) {
      if (name.startsWith(PREFIX) && name !== KEPT) await caches.delete(name);
    }
    await self.registration.navigationPreload?.enable();
    await self.clients.claim();
  })());
});

const kept = async (path) => (await caches.open(KEPT)).match(path);

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== self.location.origin) return;
  const path = url.pathname + url.search;
  if (files.has(path)) {
    event.respondWith(kept(path).then((found) => found ?? fetch(request)));
  } else if (request.mode === "navigate" && self.registration.navigationPreload) {
    // The browser asks by itself, as it would without a worker (cookies of SameSite=Strict too); nothing is kept of it.
    event.respondWith(event.preloadResponse.then((found) => found ?? fetch(request)).catch(() => kept(OFFLINE)));
  }
});
