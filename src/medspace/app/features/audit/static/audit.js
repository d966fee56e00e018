// Runs the checks of verify.js on what a page shows, on the whole log, or on a file, and says what each proved.
import { ENTRY_FORMAT, failed, fromBase64url, leavesOf, readFile, verifyEntry, verifyFile, verifyLog } from "./verify.js";

const PAGE = 1000; // entries that are asked for at once
const LARGEST_FILE = 256 * 1024 * 1024;

const filled = (sentence, facts) => sentence.replace(/\{(\w+)\}/g, (gap, name) => String(facts[name] ?? gap));
const key = (holds) => (holds === null ? "open" : holds ? "holds" : "fails");
const TONES = { holds: "ok", fails: "bad", open: "off" };

const fetched = async (address) => {
  const answer = await fetch(address, { headers: { accept: "application/json" }, redirect: "error" });
  if (!answer.ok) throw new Error(address);
  return answer.json();
};

const show = (place, checks, milliseconds) => {
  const steps = place.querySelector("[data-steps]");
  for (const old of steps.querySelectorAll("[data-more]")) old.remove();
  for (const line of steps.children) line.hidden = true;
  for (const check of checks) steps.append(line(steps, check));
  const bad = failed(checks);
  place.querySelector("[data-banner]").hidden = !bad;
  const summary = place.querySelector("[data-summary]");
  summary.textContent = filled(bad ? summary.dataset.fails : summary.dataset.holds, { milliseconds: milliseconds.toFixed(1) });
  summary.className = `note ${bad ? "bad" : "ok"}`;
  place.dataset.milliseconds = milliseconds;
  place.dataset.outcome = bad ? "failed" : "verified";
  if (bad) place.querySelector("[data-banner]").focus();
};

const line = (steps, check) => {
  const pattern = steps.querySelector(`[data-step="${CSS.escape(check.step)}"]`);
  const made = pattern.hidden ? pattern : pattern.cloneNode(true); // several witnesses have one pattern
  if (made !== pattern) made.dataset.more = "";
  const how = key(check.holds);
  made.hidden = false;
  const mark = made.querySelector("[data-mark]");
  mark.textContent = steps.dataset[how];
  mark.className = `state ${TONES[how]}`;
  made.querySelector("[data-said]").textContent = filled(made.dataset[how] ?? "", check.facts);
  made.querySelector("[data-code]").textContent = check.holds === false ? check.code : "";
  made.dataset.outcome = how;
  return made;
};

const unfinished = (place) => {
  const summary = place.querySelector("[data-summary]");
  summary.textContent = summary.dataset.unfinished;
  summary.className = "note bad";
  place.dataset.outcome = "unfinished";
};

const checking = async (place, work) => {
  place.hidden = false;
  try {
    await work();
  } catch {
    unfinished(place); // nothing that was not checked looks as if it were
  }
};

const timed = async (work) => {
  const began = performance.now();
  return [await work(), performance.now() - began];
};

// --- one entry: what is hashed is the text that the page shows

const verifyShown = async (place) => {
  const shown = document.querySelector("[data-entry]").textContent;
  const proof = { ...(await fetched(place.dataset.from)), entry: shown };
  const [checks, spent] = await timed(() => verifyEntry(proof, fromBase64url(place.dataset.authorityKey)));
  for (const note of document.querySelectorAll("[data-checkpoint]")) note.textContent = proof.checkpoint;
  show(place, checks, spent);
};

// --- the whole log, page by page

const verifyWhole = async (place) => {
  const progress = place.querySelector("progress");
  const began = performance.now();
  const log = await fetched(place.dataset.from);
  const leaves = [];
  progress.max = log.size || 1;
  progress.hidden = false;
  while (leaves.length < log.size) {
    const { texts } = await fetched(`${place.dataset.texts}?after=${leaves.length}&limit=${Math.min(PAGE, log.size - leaves.length)}`);
    if (!texts.length) break; // cut off: the count will not be that of the checkpoint
    leaves.push(...(await leavesOf(texts)));
    progress.value = leaves.length;
  }
  const checks = await verifyLog(log, leaves, fromBase64url(place.dataset.authorityKey));
  progress.hidden = true;
  show(place, checks, performance.now() - began);
};

// --- a file: it is read here and goes nowhere

const verifyChosen = async (form) => {
  const [file] = form.querySelector("input[type=file]").files;
  for (const place of document.querySelectorAll("[data-of]")) place.hidden = true;
  const problem = document.querySelector("[data-file-problem]");
  problem.hidden = true;
  let told;
  let authority;
  try {
    if (file.size > LARGEST_FILE) throw new Error("size");
    told = readFile(await file.text());
    authority = fromBase64url(form.querySelector("[name=authority_key]").value.trim());
  } catch {
    problem.hidden = false;
    problem.focus();
    return;
  }
  const place = document.querySelector(`[data-of="${told.format === ENTRY_FORMAT ? "entry" : "log"}"]`);
  await checking(place, async () => {
    const [checks, spent] = await timed(() => verifyFile(told, authority));
    place.querySelector("[data-file-name]").textContent = file.name;
    const entry = place.querySelector("[data-file-entry]");
    if (entry) entry.textContent = told.entry;
    show(place, checks, spent);
  });
};

for (const place of document.querySelectorAll('[data-verify="entry"]')) checking(place, () => verifyShown(place));
for (const place of document.querySelectorAll('[data-verify="log"]')) {
  const button = place.querySelector("button");
  const begin = () => checking(place, () => verifyWhole(place));
  button.hidden = false;
  button.addEventListener("click", begin);
  if ("atOnce" in place.dataset) begin();
}
for (const form of document.querySelectorAll("form[data-verify-file]")) {
  form.hidden = false;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    verifyChosen(form);
  });
}
