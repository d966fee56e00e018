"""The verbs of medspace for Python programs: a client of one's own connector's management API.

    from medspace.sdk import connect

    space = connect("hospital/medspace.toml")
    for dataset in space.catalog():
        print(dataset["participant"], dataset["id"], dataset["title"])

Every method returns plain JSON values and raises `SpaceError` with the connector's code, sentence and next step.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from medspace.app.config import read_config
from medspace.core.canonical import Json, JsonObject
from medspace.core.errors import InvalidInputError, MedspaceError, RefusedError, WaitingError
from medspace.core.paths import path
from medspace.core.text import msgid

MOST = 1_000  # of a list, unless more are asked for
SHORT_WAIT = 10  # seconds that one question may hang at the connector before it is asked again
FINAL = frozenset({"FINALIZED", "TERMINATED", "COMPLETED"})
ENDED = frozenset({"finished", "failed", "cancelled"})
CANCELLED: JsonObject = {"code": "learning.cancelled", "next_step": "Begin a new run.", "exit_code": 1}


class UnansweredError(WaitingError):
    """The other side has not answered a negotiation within the time that somebody waited."""

    code = "negotiation.unanswered"
    sentence = msgid("{whom} has not answered yet; a person may have to decide there.")
    next_step = msgid(
        "The request stands: `medspace negotiations` shows how it is, `medspace agreements` what came of it."
    )


class SpaceError(MedspaceError):
    """What the connector answered instead of a result, with its own code, sentence and next step."""

    code = "space.error"
    sentence = msgid("{sentence}")
    next_step = msgid("{next_step}")

    def __init__(self, problem: Mapping[str, Json]) -> None:
        super().__init__(sentence=str(problem.get("sentence", "")), next_step=str(problem.get("next_step", "")))
        self.problem = dict(problem)
        self.code = str(problem.get("code", "space.error"))  # type: ignore[misc]  # the connector's own code
        self.exit_code = int(problem.get("exit_code", 1))  # type: ignore[misc]


class ProcessEndedError(RefusedError):
    """The other side ended a negotiation or a transfer and gave no reason."""

    code = "process.ended"
    sentence = msgid("{whom} ended this without a reason.")
    next_step = msgid("Ask its data office, or try again.")


class NotRunningError(MedspaceError):
    """Nothing answers at the management address."""

    code = "connector.unreachable"
    sentence = msgid("No connector answers at {url}.")
    next_step = msgid("Start it with `medspace up`, or name its configuration with --config.")


class ConnectorFailedError(MedspaceError):
    """What answers at the management address answers with something that is no JSON object."""

    code = "connector.failed"
    sentence = msgid("What answers at {url} failed at this (HTTP {status}).")
    next_step = msgid("Read the log of the connector; if something else listens there, fix the configuration.")


class TokenUnreadableError(InvalidInputError):
    """The file of the private token cannot be read."""

    code = "private.token_unreadable"
    sentence = msgid("The private token in {file} cannot be read: {reason}.")
    next_step = msgid("Run this as the user whose connector it is, or write a new one with `medspace init`.")


def connect(config: str | Path = "medspace.toml", *, language: str = "en") -> "Space":
    """The running connector that a configuration file describes.

    Raises:
        ConfigError: the file cannot be used.
        TokenUnreadableError: the file of the private token cannot be read.
        NotRunningError: on first use, if the connector is not running.
    """
    settings = read_config(Path(config))
    file = settings.path(settings.private.token)
    try:
        token = file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise TokenUnreadableError(file=str(file), reason=getattr(error, "strerror", "it is no token")) from error
    host = f"[{settings.private.host}]" if ":" in settings.private.host else settings.private.host
    return Space(f"http://{host}:{settings.private.port}", token, language=language)


class Space:
    """The data space as seen through one's own connector."""

    def __init__(self, url: str, token: str, *, language: str = "en", timeout: float = 60.0) -> None:
        self.url = url.rstrip("/")
        headers = {"Authorization": f"Bearer {token}", "Accept-Language": language}
        self._http = httpx.Client(base_url=self.url, headers=headers, timeout=timeout, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    # --- who is here -------------------------------------------------------------------------------------------
    def status(self) -> JsonObject:
        """Who this connector is, since when it runs, and what it can do."""
        return self._get("/status")

    def doctor(self) -> JsonObject:
        """What is in order and what is not: `{ok, checks: [{name, ok, sentence, next_step}]}`."""
        return self._get("/doctor")

    def asset_checks(self) -> list[JsonObject]:
        """How the datasets of this connector stand: checks as those of `doctor`."""
        return list(self._get("/doctor/assets")["checks"])

    def members(self) -> list[JsonObject]:
        """The members of the space, as the authority signed them."""
        return list(self._get("/members")["members"])

    def admit(
        self, did: str, *, name: str, region: str = "", roles: Iterable[str] = (), operator: str = ""
    ) -> JsonObject:
        """As the authority: put a participant on the members list; `operator` runs its connector, if not itself."""
        said = {"did": did, "name": name, "region": region, "roles": list(roles), "operator": operator}
        return self._post("/members", said)

    def remove(self, did: str) -> JsonObject:
        """As the authority: take a member off the list; the others hear of it within an hour."""
        return self._send("DELETE", path("members", did))

    def keys(self) -> list[JsonObject]:
        """One's own ML-DSA-65 keys, the oldest first, with their times and whether the others know them."""
        return list(self._get("/keys")["keys"])

    def rotate_key(self) -> JsonObject:
        """Make a new ML-DSA-65 key; the ones before count for a day more, until the authority has taken it up."""
        return self._post("/keys", {})

    def revoke_key(self, key: str) -> JsonObject:
        """From now on one of the ML-DSA-65 keys counts for nothing."""
        return self._send("DELETE", path("keys", key))

    def take_keys(self, did: str) -> JsonObject:
        """As the authority: take up the ML-DSA-65 keys that a member shows now."""
        return self._post("/members/keys", {"did": did})

    def refresh(self) -> list[JsonObject]:
        """Fetch the members list anew instead of waiting for the next refresh."""
        return list(self._post("/members/refresh", {})["members"])

    # --- find --------------------------------------------------------------------------------------------------
    def catalog(self, participant: str | None = None, *, search: str = "") -> list[JsonObject]:
        """Datasets on offer: of one participant, or of every member of the space."""
        return list(self.find(participant, search=search)["datasets"])

    def find(self, participant: str | None = None, *, search: str = "") -> JsonObject:
        """As `catalog`, with the `problems` of the members that did not answer beside the `datasets`."""
        query = {"search": search} | ({"participant": participant} if participant else {})
        return self._get("/catalog", **query)

    # --- agree -------------------------------------------------------------------------------------------------
    def negotiate(self, participant: str, dataset: str, *, offer: str = "", wait: float = 30.0) -> JsonObject:
        """Ask for an agreement on a dataset and wait for the outcome.

        Raises:
            SpaceError: the provider refused; the problem holds `clause`.
            UnansweredError: no outcome within `wait` seconds (a person decides, or a connector is away).
        """
        started = self._post("/negotiations", {"participant": participant, "dataset": dataset, "offer": offer})
        return self._wait(path("negotiations", str(started["id"])), wait, UnansweredError(whom=participant))

    def negotiations(self, *, most: int = MOST) -> list[JsonObject]:
        """The newest negotiations, the failed ones with their reason; up to `most`."""
        return self._pages("negotiations", most)

    def answer(self, negotiation: str, *, approve: bool, reason: str = "") -> JsonObject:
        """As the person whom a negotiation waits for: approve or refuse it."""
        return self._post(path("negotiations", negotiation, "answer"), {"approve": approve, "reason": reason})

    def agreements(self, *, most: int = MOST) -> list[JsonObject]:
        """The newest agreements, each with its contract in plain words; up to `most`."""
        return self._pages("agreements", most)

    # --- steps of others on one's own datasets -----------------------------------------------------------------
    def steps(self, state: str = "", *, most: int = MOST) -> list[JsonObject]:
        """The newest steps that were admitted; those in one state only, such as `held`, where one is named."""
        return self._pages("steps", most, state=state)

    def step(self, step: str) -> JsonObject:
        """One step: what was asked, how it stands, and the output that waits for a person."""
        return self._get(path("steps", step))

    def check(self, step: str, *, approve: bool) -> JsonObject:
        """As the person whom an output waits for: let it go, or keep it back."""
        return self._post(path("steps", step, "check"), {"approve": approve})

    # --- use ---------------------------------------------------------------------------------------------------
    def request(
        self, agreement: str, kind: str, *, address: JsonObject | None = None, wait: float = 30.0
    ) -> JsonObject:
        """Ask for a use under an agreement (a DSP transfer), such as `HttpData-PULL` for a download.

        Raises:
            SpaceError: the holder refused; the problem holds `clause`.
        """
        started = self._post("/transfers", {"agreement": agreement, "format": kind, "address": address})
        return self._wait(
            path("transfers", str(started["id"])), wait, WaitingError(whom=str(started.get("counterparty", "")))
        )

    def download(self, participant: str, dataset: str, *, wait: float = 30.0) -> JsonObject:
        """Ask for the rows themselves: under an agreement if there is one, else by negotiating one.

        Raises:
            SpaceError: the holder refused; the problem holds `clause`.
        """
        started = self._post("/downloads", {"participant": participant, "dataset": dataset})
        return self._wait(path(str(started["path"]), str(started["id"])), wait, WaitingError(whom=participant))

    def transfers(self, *, most: int = MOST) -> list[JsonObject]:
        """The newest transfer processes; up to `most`."""
        return self._pages("transfers", most)

    def steer(self, transfer: str, verb: str, *, reason: str = "") -> JsonObject:
        """Send `suspend`, `resume`, `complete` or `terminate` for a transfer process."""
        return self._post(path("transfers", transfer, verb), {"reason": reason})

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
        """Train a model under the agreements named and wait for it.

        The `sites` of the run say who took part, who did not and why. A hospital that refuses ends the run with its
        reason, and so does one that is away for `patience` seconds (0: 300), unless `without_missing` or the task's
        `site_faults = "exclude"` lets the run go on without them. `progress` sees the run after each round, and
        whenever a hospital goes away or comes back. `coordinator` is the DID of another member that leads the run for
        this one: it must have agreed to, and its connector sees what whoever leads sees.

        Raises:
            SpaceError: the run failed or was cancelled; the problem says why, its `causes` with which sites.
            WaitingError: it has not ended within `wait` seconds; it goes on in the connector.
        """
        wish = {"agreements": list(agreements), "without_missing": without_missing, "patience": patience}
        run = self._post("/runs", {"task": task, **wish, "coordinator": coordinator})
        deadline = time.monotonic() + wait
        while run["state"] not in ENDED:
            if time.monotonic() > deadline:
                raise WaitingError(whom=_awaited(run))
            run = self._get(path("runs", str(run["id"])), seen=run["version"], wait=SHORT_WAIT)
            if progress is not None:
                progress(run)
        if run["state"] != "finished":
            problem = run["problem"] or CANCELLED | {"sentence": f"The run {run['id']} was cancelled."}
            raise SpaceError(problem | {"run": run["id"], "sites": run.get("sites", [])})
        return run

    def forecast(self, task: JsonObject, agreements: Iterable[str]) -> JsonObject:
        """What training under these agreements would cost and find; nothing is asked, nothing is spent.

        For a task with noise: `epsilon` at `delta` for each hospital, `mechanism`, and `expected` at usual epsilons,
        from the number of patients that the task states. `task` is the task as it would be, with the ranges that the
        hospitals publish.
        """
        return self._post("/forecasts", {"task": task, "agreements": list(agreements)})

    def run(self, run: str) -> JsonObject:
        """One training run as it stands, with its model once it is finished."""
        return self._get(path("runs", run))

    def cancel(self, run: str) -> JsonObject:
        """Cancel a training run that is not over."""
        return self._post(path("runs", run, "cancel"), {})

    def runs(self, *, most: int = MOST) -> list[JsonObject]:
        """The newest training runs; up to `most`."""
        return self._pages("runs", most)

    def model(self, model: str) -> JsonObject:
        """A trained model, by its id or that of its run: coefficients, quality per hospital, protections, lineage."""
        return self._get(path("models", model))

    # --- prove -------------------------------------------------------------------------------------------------
    def audit_bundle(self) -> JsonObject:
        """This connector's whole signed log, to be verified offline by anyone."""
        return self._get("/audit/bundle")

    def checkpoints(self) -> list[JsonObject]:
        """What was signed of the log lately, the newest first, with the receipts of the anchors that keep it."""
        return list(self._get("/audit/checkpoints")["checkpoints"])

    def audit_questions(self, *, use: str = "", dataset: str = "") -> JsonObject:
        """The questions that were asked of one's own datasets, to be shown to an auditor: of one use, or all."""
        return self._get("/audit/questions", use=use, dataset=dataset)

    def audit_records(self, run: str) -> JsonObject:
        """What was recorded here of a masked run, to be shown to an auditor: sums over all of its sites."""
        return self._get(path("audit", "records", run))

    def audit_model(self, model: str) -> JsonObject:
        """A model, by its id or that of its run, to be shown to an auditor, with what its sites signed."""
        return self._get(path("audit", "models", model))

    def uses(self) -> list[JsonObject]:
        """The agreements on one's own datasets, with the number of uses that something was released to."""
        return list(self._get("/audit/uses")["uses"])

    def try_policy(self, dataset: str, **request: Json) -> JsonObject:
        """Dry run: would a use of one's own dataset be allowed, which clause decides, what would change it."""
        return self._post("/policy/try", {"dataset": dataset, **request})

    def near_repeats(self, dataset: str = "") -> list[JsonObject]:
        """Questions whose task one thing tells apart from one that one's own datasets answered before, and which."""
        return list(self._get("/audit/near-repeats", dataset=dataset)["near_repeats"])

    def sites(self, dataset: str) -> JsonObject:
        """With whom one of one's own datasets is summed up under masks, and every set in which it was."""
        return self._get(path("sites", dataset))

    def set_sites(self, dataset: str, sites: Iterable[str], *, accept: bool = False) -> JsonObject:
        """What totals over another set of hospitals (DIDs) would expose; with `accept`, it is in force from then on.

        `exposes` names the hospitals of each difference, those `given_away`, and those that are `nearly`.
        """
        return self._send("POST", path("sites", dataset), json={"sites": list(sites), "accept": accept})

    def budgets(self) -> list[JsonObject]:
        """The privacy budgets of one's own datasets: what is allowed, spent and left, and until when.

        `spent` is an epsilon, never too small; `counted` says whether it is that of the noise itself ("pld"), or one
        converted from zCDP ("zcdp"), as `spent_zcdp` and the limit are.
        """
        return list(self._get("/budgets")["budgets"])

    def budget(self, dataset: str, *, most: int = MOST) -> JsonObject:
        """The privacy budget of one dataset, with its newest `debits`: by whom, for which task, when, how much."""
        found = self._get(path("budgets", dataset))
        while found["next"] and len(found["debits"]) < most:
            page = self._get(path("budgets", dataset), after=found["next"])
            found |= {"debits": [*found["debits"], *page["debits"]], "next": page["next"]}
        return found | {"debits": found["debits"][:most]}

    def renew_budget(self, dataset: str, *, anyway: bool = False) -> JsonObject:
        """Begin a new period of a budget whose period has ended; `anyway`, where nobody vouches for the time."""
        return self._post(path("budgets", dataset, "renew"), {"anyway": anyway})

    def labels(self, *, most: int = MOST) -> list[JsonObject]:
        """What one's own datasets allow, whatever a contract says, and whether configuration or a person said so."""
        return self._pages("labels", most)

    def label(self, dataset: str) -> JsonObject:
        """The label of one of one's own datasets."""
        return self._get(path("labels", dataset))

    def set_label(self, dataset: str, label: JsonObject) -> JsonObject:
        """Change what a dataset of one's own allows, at once; uses that it allows no longer end at their next step.

        It holds over restarts, until the label of the configuration is edited or `reset_label` is called.
        """
        return self._send("PUT", path("labels", dataset), json={"label": label})

    def reset_label(self, dataset: str) -> JsonObject:
        """Let the label of the configuration count again, at once."""
        return self._send("DELETE", path("labels", dataset))

    # --- plumbing ----------------------------------------------------------------------------------------------
    def _pages(self, name: str, most: int, **which: str) -> list[JsonObject]:
        found: list[JsonObject] = []
        after = ""
        while True:
            page = self._get(f"/{name}", **which, **({"after": after} if after else {}))
            found += page[name]
            after = str(page.get("next", ""))
            if not after or len(found) >= most:
                return found[:most]

    def _wait(self, where: str, wait: float, late: WaitingError) -> JsonObject:
        deadline = time.monotonic() + wait
        process = self._get(where)
        while process["state"] not in FINAL | {"STARTED"} and not process.get("problem"):
            if time.monotonic() > deadline:
                raise SpaceError(process["trouble"]) if process.get("trouble") else late
            process = self._get(where, seen=process["version"], wait=min(SHORT_WAIT, max(wait, 0.1)))
        if process.get("problem"):
            raise SpaceError(process["problem"])
        if process["state"] == "TERMINATED":
            raise ProcessEndedError(whom=late.facts["whom"])
        return process

    def _get(self, where: str, **query: Json) -> JsonObject:
        return self._send("GET", where, params=query)

    def _post(self, where: str, body: JsonObject) -> JsonObject:
        return self._send("POST", where, json=body)

    def _send(self, method: str, where: str, **what: Json) -> JsonObject:
        try:
            response = self._http.request(method, where, **what)
        except httpx.TransportError as error:
            raise NotRunningError(url=self.url) from error
        try:
            body = dict(response.json())
        except ValueError as error:
            raise ConnectorFailedError(url=self.url, status=response.status_code) from error
        if response.is_error:
            raise SpaceError(body)
        return body


def _awaited(run: JsonObject) -> str:
    """Whom one waits for with a run: the hospitals that have not answered yet, or else the run itself."""
    absent = [str(site["name"]) for site in run.get("sites", ()) if site["status"] == "waited_for"]
    return f"run {run['id']}" + (f" ({', '.join(absent)})" if absent else "")
