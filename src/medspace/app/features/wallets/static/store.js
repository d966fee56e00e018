// What the wallet keeps, in IndexedDB: keys as CryptoKey objects that cannot be exported, cards, consents.

const NAME = "wallet";

const asked = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

async function database() {
  const request = indexedDB.open(NAME, 1);
  request.onupgradeneeded = () => request.result.createObjectStore("kept");
  return asked(request);
}

async function within(mode, work) {
  const opened = await database();
  try {
    return await asked(work(opened.transaction("kept", mode).objectStore("kept")));
  } finally {
    opened.close();
  }
}

export const get = (name) => within("readonly", (kept) => kept.get(name));
export const put = (name, value) => within("readwrite", (kept) => kept.put(value, name));
