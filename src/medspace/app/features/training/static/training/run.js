// Follows a run. How far a hospital is within a round is written in place; a new round, state or standing loads the
// block anew, at most every two seconds: who is slow is shown the newest state, not each.
const live = document.querySelector("[data-live]");
const PAUSE = 2000;
let shown = "";
let waiting = 0;
let loaded = 0;
let version = "";

const load = () => {
  waiting = 0;
  loaded = Date.now();
  live.setAttribute("hx-vals", JSON.stringify({ version })); // all who watch ask for the same block
  live.dispatchEvent(new CustomEvent("changed"));
};

live?.addEventListener("live", ({ detail: run }) => {
  version = run.version;
  for (const site of run.sites) {
    const bar = document.querySelector(`progress[data-site="${CSS.escape(site.site)}"]`);
    if (bar) {
      bar.hidden = site.percent === null;
      bar.value = site.percent ?? 0;
    }
  }
  const stands = JSON.stringify([run.state, run.rounds, run.sites.map((site) => site.status)]);
  if (stands !== shown && (shown || run.version !== live.dataset.version) && !waiting) {
    waiting = setTimeout(load, Math.max(0, loaded + PAUSE - Date.now()));
  }
  shown = stands;
});

let open = false; // whether the table of all rounds is
document.addEventListener("htmx:beforeSwap", () => {
  open = document.querySelector("#stand details")?.open ?? false;
});

document.addEventListener("htmx:afterSwap", () => {
  const table = document.querySelector("#stand details");
  if (table && open) table.open = true;
  const said = document.getElementById("said");
  const now = document.getElementById("standing")?.textContent.trim();
  if (said && now && said.textContent !== now) said.textContent = now;
});
