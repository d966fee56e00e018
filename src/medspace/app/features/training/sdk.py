"""The SDK's methods to train models, and to see what came of it."""

from collections.abc import Callable, Iterable, Iterator
from math import inf

from medspace.app.doors.sdk import MOST, Client, SpaceError
from medspace.core.canonical import JsonObject
from medspace.core.errors import WaitingError
from medspace.core.paths import path

ENDED = frozenset({"finished", "failed", "cancelled"})
CANCELLED: JsonObject = {"code": "learning.cancelled", "next_step": "Begin a new run.", "exit_code": 1}


class TrainingClient(Client):
    """The SDK's methods to train models, and to see the results."""

    def train(
        self,
        task: JsonObject,
        agreements: Iterable[str],
        *,
        without_missing: bool = False,
        patience: float = 0.0,
        coordinator: str = "",
        progress: Callable[[JsonObject], None] | None = None,
        wait: float = 600.0,
    ) -> JsonObject:
        """Train a model under the given agreements and wait for it.

        The `sites` of the run say who took part, who did not and why. A hospital that refuses ends the run with its
        reason, and so does one that is away for `patience` seconds (0: 300), unless `without_missing` or the task's
        `site_faults = "exclude"` lets the run continue without them. `progress` is called with the run after each
        round, and whenever a hospital goes away or comes back. `coordinator` is the DID of another member that leads
        the run: it must have agreed to, and its connector sees what any leader of a run sees.

        Raises:
            SpaceError: the run failed or was cancelled; the problem says why, its `causes` with which sites.
            WaitingError: it has not ended within `wait` seconds; it continues in the connector.
        """
        run = self.begin_training(
            task, agreements, without_missing=without_missing, patience=patience, coordinator=coordinator
        )
        states = self._watch(path("runs", str(run["id"])), wait, str(run["version"]))
        for state in states if run["state"] not in ENDED else ():
            run = state
            if progress is not None:
                progress(run)
        if run["state"] not in ENDED:
            raise WaitingError(whom=_awaited(run))
        if run["state"] != "finished":
            problem = run["problem"] or CANCELLED | {"sentence": f"The run {run['id']} was cancelled."}
            raise SpaceError(problem | {"run": run["id"], "sites": run.get("sites", [])})
        return run

    def begin_training(
        self,
        task: JsonObject,
        agreements: Iterable[str],
        *,
        without_missing: bool = False,
        patience: float = 0.0,
        coordinator: str = "",
    ) -> JsonObject:
        """Begin a training as `train` does, and do not wait for it: `watch` follows it.

        Raises:
            SpaceError: it cannot begin.
        """
        wish = {"agreements": list(agreements), "without_missing": without_missing, "patience": patience}
        return self._post("/runs", {"task": task, **wish, "coordinator": coordinator})

    def forecast(self, task: JsonObject, agreements: Iterable[str]) -> JsonObject:
        """What training under these agreements would cost and find; no site is asked, nothing is spent.

        For a task with noise: `epsilon` at `delta` for each hospital, `mechanism`, and `expected` at usual epsilons,
        from the number of patients that the task states. `task` is the completed task, with the ranges that the
        hospitals publish.
        """
        return self._post("/forecasts", {"task": task, "agreements": list(agreements)})

    def agreements_to_train(self) -> list[JsonObject]:
        """The agreements in force to train under, the newest with each holder on each dataset."""
        return list(self._get("/forecasts/agreements")["agreements"])

    def columns_to_train(self, agreements: Iterable[str]) -> JsonObject:
        """The columns that all hospitals of these agreements have alike, the outcomes that all declare, purposes."""
        return self._post("/forecasts/columns", {"agreements": list(agreements)})

    def course(self, run: str) -> JsonObject:
        """A run round by round: what the answers said of the model, how many answered, from how many rows."""
        return self._get(path("runs", run, "course"))

    def run(self, run: str) -> JsonObject:
        """One training run as it stands, with its model once it is finished."""
        return self._get(path("runs", run))

    def watch(self, run: str, *, wait: float = inf) -> Iterator[JsonObject]:
        """Each state of a training run as it comes, including hospitals' progress within a round, up to its end.

        A slow reader gets the newest state, not each one. The iteration continues after an interrupted connection,
        and ends after `wait` seconds.
        """
        return self._watch(path("runs", run), wait)

    def cancel(self, run: str) -> JsonObject:
        """Cancel an unfinished training run."""
        return self._post(path("runs", run, "cancel"), {})

    def runs(self, *, most: int = MOST) -> list[JsonObject]:
        """The newest training runs; up to `most`."""
        return self._pages("runs", most)

    def model(self, model: str) -> JsonObject:
        """A trained model, by its id or that of its run: coefficients, quality per hospital, protections, lineage."""
        return self._get(path("models", model))

    def model_card(self, model: str) -> JsonObject:
        """The card of a model: `facts` with `signed`, and what they say (`said`) in this client's language."""
        return self._get(path("models", model, "card"))

    def check_model_card(self, card: JsonObject) -> JsonObject:
        """Check who has signed a card: `by`, `name`, `time`.

        Raises:
            SpaceError: nobody who is a member of the space has signed these facts.
        """
        return self._post("/cards/check", card)

    def model_card_page(self, model: str) -> str:
        """The card of a model as one HTML file that prints, in this client's language.

        Raises:
            SpaceError: there is no such model.
        """
        return self._page(path("models", model, "card.html"))

    def model_file(self, model: str, form: str = "safetensors") -> bytes:
        """A model with its card as a file, `form` being safetensors or onnx; `medspace.sdk.predict` uses it.

        Raises:
            SpaceError: there is no such model, or it has no such file.
        """
        return self._file(path("models", model, f"file.{form}"))


def _awaited(run: JsonObject) -> str:
    """What a run is waiting for: the hospitals that have not answered yet, or else the run itself."""
    absent = [str(site["name"]) for site in run.get("sites", ()) if site["status"] == "waited_for"]
    return f"run {run['id']}" + (f" ({', '.join(absent)})" if absent else "")
