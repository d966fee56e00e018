// The wallet's page. Elements are made one by one and texts are set as texts: nothing is ever parsed as HTML.

import { Hospitals, Refused } from "./hospital.js";
import { randomBytes } from "./jose.js";
import { kept, printed, seedOf } from "./recovery.js";
import { get, put } from "./store.js";
import { speaker, WORDS } from "./words.js";

const $ = (name) => document.getElementById(name);
const state = { places: [], root: null, language: "en", said: "", uses: {} };
let say = speaker("en");
let hospitals = new Hospitals("en");

/** An element with attributes and children; a text becomes a text node. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== false && value !== undefined) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

const text = (tag, words, attributes = {}) => make(tag, attributes, words);
const button = (words, onclick, attributes = {}) => text("button", words, { type: "button", onclick, ...attributes });
const time = (said) => new Date(said).toLocaleString(state.language === "zh" ? "zh-CN" : "en-GB", { dateStyle: "medium", timeStyle: "short" });

function field(name, words, attributes = {}) {
  const input = make("input", { type: "text", id: name, autocomplete: "off", spellcheck: "false", ...attributes });
  return [text("label", words, { for: name }), input];
}

function tell(words) {
  $("said").textContent = words;
}

/** Do something that takes a moment; what fails is told in the person's words. */
async function doing(work) {
  tell(`${say("working")} …`);
  const buttons = document.querySelectorAll("main button");
  for (const one of buttons) one.disabled = true;
  try {
    tell((await work()) ?? "");
  } catch (error) {
    tell(reason(error));
  } finally {
    for (const one of buttons) one.disabled = false;
  }
}

function reason(error) {
  if (!(error instanceof Refused)) return say("broken");
  return error.away ? say("away") : `${error.message} ${error.next}`;
}

const save = () => put("places", state.places);

function show(...children) {
  tell("");
  $("main").replaceChildren(...children.filter(Boolean));
  $("main").focus();
}

// --- first steps ---------------------------------------------------------------------------------------------

function welcome() {
  const asked = new URL(location.href).hash.slice(1);
  const offer = decodeURIComponent(asked).startsWith("openid-credential-offer:") ? decodeURIComponent(asked) : "";
  const form = make("form", { class: "card", onsubmit: (event) => (event.preventDefault(), doing(receive)) },
    ...field("link", say("link"), { required: true, value: offer }), ...field("pin", say("pin"), { required: true, inputmode: "numeric" }),
    text("button", say("fetch"), { class: "main" }));
  const back = make("details", { class: "card" }, text("summary", say("lost")),
    make("form", { onsubmit: (event) => (event.preventDefault(), doing(recover)) },
      ...field("code", say("code"), { required: true, autocapitalize: "characters" }), text("button", say("recover"))));
  show(text("h2", say("welcome")), text("p", say("welcome_text")), form, state.places.length ? null : back,
    state.places.length ? button(say("back"), home) : null);
}

async function receive() {
  const offer = Hospitals.offer($("link").value.trim());
  if (!offer) return say("no_offer");
  const seed = state.root ? null : randomBytes(16);
  const root = state.root ?? (await kept(seed));
  const place = await hospitals.receive(offer, $("pin").value.trim(), root);
  history.replaceState(null, "", "/");
  await taken(place, root);
  if (seed) code(await printed(seed));
  else home();
  return say("done_card", { hospital: place.name });
}

async function recover() {
  let root;
  try {
    root = await kept(await seedOf($("code").value));
  } catch {
    return say("no_code");
  }
  const place = await hospitals.recover(location.origin, root);
  await taken(place, root);
  home();
  return say("done_recover", { hospital: place.name });
}

async function taken(place, root) {
  state.root = root;
  state.places = [...state.places.filter((one) => one.origin !== place.origin), place];
  await put("root", root);
  await save();
}

/** The printed code, once. */
function code(words) {
  show(make("section", { class: "card" }, text("h2", say("print_title")), text("p", say("print_text")),
    text("code", words, { class: "code" }), button(say("print"), () => window.print()),
    button(say("written"), home, { class: "main" })));
}

// --- cards by purpose ---------------------------------------------------------------------------------------------

function home() {
  if (!state.places.length) return welcome();
  show(...state.places.flatMap(hospital), button(say("more"), welcome));
}

function hospital(place) {
  const gone = place.consents.map((one) => one.form).filter((form) => !place.forms.some((one) => one.id === form.id));
  const forms = [...new Map([...place.forms, ...gone].map((form) => [form.id, form])).values()];
  return [
    text("h2", say("asks", { hospital: place.name })),
    place.role === "guardian" ? text("p", say("guardian"), { class: "bad" }) : null,
    forms.length ? null : text("p", say("nothing_asked")),
    ...forms.map((form) => purpose(place, form)),
    uses(place),
  ].filter(Boolean);
}

const last = (place, form) => place.consents.filter((one) => one.form.id === form.id).at(-1);
const words = (form) => form.words[state.language] ?? form.words.en;

function standing(consent) {
  if (!consent) return ["no", say("none")];
  if (!consent.withdrawal) return ["yes", say("given", { time: time(consent.time) })];
  return consent.withdrawal.told ? ["gone", say("withdrawn", { time: time(consent.withdrawal.said.time) })] : ["gone", say("waiting")];
}

function purpose(place, form) {
  const consent = last(place, form), [kind, said] = standing(consent), counts = consent && !consent.withdrawal;
  const offered = place.forms.some((one) => one.id === form.id);
  return make("article", { class: "card", "data-form": form.id },
    make("div", { class: "top" }, text("h3", words(form).title), text("span", said, { class: `state ${kind}` })),
    text("p", words(form).what),
    text("p", words(form).who, { class: "soft" }),
    counts ? button(say("withdraw"), () => withdrawing(place, consent), { class: "danger" }) : null,
    !counts && offered ? button(say(consent ? "again" : "read"), () => deciding(place, form), { class: "main" }) : null,
    consent ? receipt(place, consent) : null);
}

function receipt(place, consent) {
  const rows = [["r_id", consent.id], ["r_number", consent.number], ["r_time", time(consent.time)], ["r_digest", consent.digest]];
  const list = make("dl", {}, ...rows.flatMap(([name, value]) => [text("dt", say(name)), text("dd", String(value))]));
  const { told, stated } = consent.withdrawal ?? {};
  const facts = { hospital: say(told ? "signed" : "not_yet"), authority: say(stated ? "signed" : "not_yet") };
  return make("details", {}, text("summary", say("receipt")), list, consent.withdrawal ? text("p", say("proofs", facts)) : null);
}

function reach(title) {
  return make("div", { class: "reach" }, text("p", say(title), { class: "state" }),
    make("ul", {}, ...WORDS[state.language].reach.map((one) => text("li", one))));
}

// --- a yes ---------------------------------------------------------------------------------------------

function question(name) {
  const choice = (value) => make("label", {}, make("input", { type: "radio", name, value }), say(value));
  return make("fieldset", {}, text("legend", say(name)), choice("yes"), choice("no"));
}

function deciding(place, form) {
  const sign = (event) => {
    event.preventDefault();
    const given = new FormData(event.target);
    if (!given.get("q1") || !given.get("q2")) return tell(say("unanswered"));
    if (given.get("q1") !== "yes" || given.get("q2") !== "no") return tell(say("wrong"));
    return doing(() => consent(place, form));
  };
  show(make("section", { class: "card" }, text("h2", words(form).title),
    make("dl", {}, text("dt", say("what")), text("dd", words(form).what), text("dt", say("who")), text("dd", words(form).who)),
    reach("reach_title"), text("h3", say("two")),
    make("form", { onsubmit: sign }, question("q1"), question("q2"), text("button", say("sign"), { class: "main" }),
      button(say("cancel"), home))));
}

async function consent(place, form) {
  place.consents.push(await hospitals.consent(place, form));
  await save();
  home();
  return say("done_consent");
}

// --- a withdrawal ---------------------------------------------------------------------------------------------

function withdrawing(place, given) {
  const running = (state.uses[place.origin] ?? []).filter((one) => one.running).length;
  show(make("section", { class: "card" }, text("h2", say("withdraw_title", { title: words(given.form).title })), reach("reach_now"),
    running ? text("p", say("running", { count: running })) : null,
    button(say("withdraw_now"), () => doing(() => withdraw(place, given)), { class: "danger" }), button(say("cancel"), home)));
}

/** Kept first, so that what is sent can always be proved; then told to the authority and to the hospital. */
async function withdraw(place, given) {
  given.withdrawal = await Hospitals.withdrawal(given);
  await save();
  const done = await send(place, given.withdrawal);
  home();
  return say(done ? "done_withdraw" : "done_later");
}

async function send(place, withdrawal) {
  for (const step of ["commit", "tell"]) {
    try {
      await hospitals[step](place, withdrawal);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
    }
    await save();
  }
  return Boolean(withdrawal.told);
}

async function catchUp() {
  for (const place of state.places) {
    for (const one of place.consents) {
      if (one.withdrawal && !(one.withdrawal.told && one.withdrawal.stated)) await send(place, one.withdrawal);
    }
  }
}

// --- uses ---------------------------------------------------------------------------------------------

function uses(place) {
  const found = state.uses[place.origin];
  const line = (one) => {
    const facts = { time: time(one.time), user: one.name || one.user, purpose: one.words?.[state.language] ?? one.purpose };
    return text("li", say(one.running ? "use_running" : "use", facts));
  };
  const list = found?.length ? make("ul", { class: "uses" }, ...found.map(line)) : found ? text("p", say("uses_none")) : null;
  return make("section", { class: "card" }, text("h3", say("uses_title")), list,
    button(say("uses_show"), () => doing(async () => {
      state.uses[place.origin] = await hospitals.uses(place);
      home();
    })));
}

// --- start ---------------------------------------------------------------------------------------------

function choice(name, options, value, chosen) {
  const list = make("select", { "aria-label": say(name), onchange: (event) => chosen(event.target.value) },
    ...Object.entries(options).map(([key, label]) => text("option", label, { value: key, selected: key === value })));
  return list;
}

function speak(language) {
  state.language = language;
  say = speaker(language);
  hospitals = new Hospitals(language);
  document.documentElement.lang = language === "zh" ? "zh-Hans" : "en";
  document.title = $("title").textContent = say("title");
  const { theme } = state;
  const { themes } = WORDS[language];
  $("choices").replaceChildren(
    choice("language", { en: "English", zh: "中文" }, language, (value) => (put("language", value), speak(value), home())),
    choice("theme", themes, theme, (value) => (put("theme", value), colour(value))));
}

function colour(theme) {
  state.theme = theme;
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

async function refresh() {
  for (const place of state.places) {
    try {
      ({ forms: place.forms, name: place.name } = await hospitals.get(`${place.origin}/wallet/about`));
    } catch {
      return say("offline");
    }
  }
  await save();
  return "";
}

async function start() {
  colour((await get("theme")) ?? "auto");
  speak((await get("language")) ?? (navigator.language.startsWith("zh") ? "zh" : "en"));
  state.places = (await get("places")) ?? [];
  state.root = (await get("root")) ?? null;
  const invited = location.hash.length > 1;
  (invited ? welcome : home)();
  worker();
  await catchUp();
  const said = await refresh();
  if (!invited && state.places.length) home();
  if (said) tell(said);
  document.documentElement.dataset.ready = "yes";
}

function worker() {
  if (!("serviceWorker" in navigator)) return;
  const policy = window.trustedTypes?.createPolicy("wallet-worker", { createScriptURL: () => "/wallet-worker.js" });
  navigator.serviceWorker.register(policy ? policy.createScriptURL("") : "/wallet-worker.js");
}

addEventListener("online", () => catchUp().then(refresh).then(home));
start();
