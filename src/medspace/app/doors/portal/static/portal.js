// What every page does beyond HTML: keys, focus on what is wrong, live pages, passkeys. Nothing here is needed to read.
const body = document.body;
const token = document.querySelector('meta[name="form-token"]')?.content ?? "";

// --- the worker that keeps files, and says so when the connector cannot be reached; it goes with the session
const WORKER = "/portal/worker.js";
const addressed = window.trustedTypes?.createPolicy("portal-worker", { createScriptURL: () => WORKER });
if (token) navigator.serviceWorker?.register(addressed?.createScriptURL("") ?? WORKER, { scope: "/portal/" }).catch(() => {});

// --- keys: / searches, ? shows the keys, g and a letter opens a page; WCAG 2.1.4: they can be switched off
let behindG = 0;
const writing = (element) => element.closest("input, textarea, select, [contenteditable]") !== null;
document.addEventListener("keydown", (event) => {
  if (body.dataset.shortcuts !== "on" || event.ctrlKey || event.metaKey || event.altKey || writing(event.target)) return;
  if (event.key === "/") {
    event.preventDefault();
    document.getElementById("search")?.focus();
  } else if (event.key === "?") {
    location.assign("/portal/keys");
  } else if (event.key === "g") {
    behindG = event.timeStamp;
  } else if (behindG && event.timeStamp - behindG < 1500) {
    behindG = 0;
    const entry = event.key === "h" ? "/portal/" : document.querySelector(`nav a[data-key="${CSS.escape(event.key)}"]`)?.href;
    if (entry) location.assign(entry);
  } else {
    const own = document.querySelector(`[data-shortcut="${CSS.escape(event.key)}"]`);
    if (own) { event.preventDefault(); own.click(); }
  }
});

// --- what is wrong comes first
document.getElementById("problem")?.focus();
if (matchMedia("(max-width: 52rem)").matches) document.querySelector("nav.menu details")?.removeAttribute("open");

// --- live pages: `data-live` names a stream; each event loads the parts that `data-part` names anew
for (const live of document.querySelectorAll("[data-live]")) {
  const source = new EventSource(live.dataset.live);
  source.addEventListener("message", (event) => {
    live.dispatchEvent(new CustomEvent("live", { bubbles: true, detail: JSON.parse(event.data) }));
  });
}

// --- passkeys (WebAuthn level 3)
const posted = async (path, content) => {
  const answer = await fetch(`/portal/passkeys/${path}`, {
    method: "POST",
    headers: { "content-type": "application/json", "x-form-token": token },
    body: JSON.stringify(content ?? {}),
  });
  const told = await answer.json();
  if (!answer.ok) throw Object.assign(new Error(told.sentence), { told });
  return told;
};

const bytes = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (one) => one.charCodeAt(0));
const text = (content) =>
  btoa(String.fromCharCode(...new Uint8Array(content))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
const named = (list) => (list ?? []).map((one) => ({ ...one, id: bytes(one.id) }));

const made = async (options) => {
  const publicKey = { ...options, challenge: bytes(options.challenge), user: { ...options.user, id: bytes(options.user.id) } };
  publicKey.excludeCredentials = named(options.excludeCredentials);
  const found = await navigator.credentials.create({ publicKey });
  return {
    id: found.id, rawId: found.id, type: found.type, clientExtensionResults: {},
    response: { attestationObject: text(found.response.attestationObject), clientDataJSON: text(found.response.clientDataJSON) },
  };
};

const proven = async (options) => {
  const publicKey = { ...options, challenge: bytes(options.challenge), allowCredentials: named(options.allowCredentials) };
  const found = await navigator.credentials.get({ publicKey });
  const { authenticatorData, clientDataJSON, signature, userHandle } = found.response;
  return {
    id: found.id, rawId: found.id, type: found.type, clientExtensionResults: {},
    response: {
      authenticatorData: text(authenticatorData), clientDataJSON: text(clientDataJSON), signature: text(signature),
      userHandle: userHandle ? text(userHandle) : null,
    },
  };
};

const ceremonies = {
  "sign-in": async () => posted("sign-in", { answer: await proven(await posted("sign-in/begin")), next: next() }),
  confirm: async () => posted("confirm", { answer: await proven(await posted("confirm/begin")), next: next() }),
  register: async (form) =>
    posted("register", { answer: await made(await posted("register/begin")), label: form?.label.value ?? "", next: next() }),
};
const next = () => new URLSearchParams(location.search).get("next") ?? "";

for (const button of document.querySelectorAll("button[data-passkey]")) {
  if (!window.PublicKeyCredential) continue;
  button.hidden = false;
  button.addEventListener("click", async (event) => {
    event.preventDefault();
    const problem = document.getElementById("passkey-problem");
    button.disabled = true;
    try {
      const told = await ceremonies[button.dataset.passkey](button.form);
      location.assign(told.next);
    } catch (error) {
      problem.querySelector("[data-sentence]").textContent = error.told?.sentence ?? problem.dataset.unfinished;
      problem.querySelector("[data-advice]").textContent = error.told?.next_step ?? "";
      problem.hidden = false;
      problem.focus();
    } finally {
      button.disabled = false;
    }
  });
}
