"""A black-box runner of the conformance cases: it knows addresses and messages, nothing of the system under test.

It behaves as the official kit does: its own server answers only what a case expects at that moment, success
means 2xx (a 4xx but 404 is tried again), "must be rejected" means 4xx and not 404, negotiation states are
looked at once, transfer states until they are reached.
"""

import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from uuid import uuid4

import httpx

from tests.protocol import wire
from tests.protocol.callback import CallbackServer
from tests.protocol.cases import Case
from tests.protocol.conversations import CONVERSATIONS
from tests.protocol.exchange import CaseFailedError, Target, Wire, checked, demand


@dataclass(frozen=True)
class Outcome:
    """What became of one case: `fault` is None where it passed."""

    case: Case
    fault: str | None
    seconds: float


def check_version(wires: Wire, _case: Case) -> None:
    """MET:01-01: the version document names 2025-1 with a path and a binding."""
    answer = wires.client.get(f"{wires.target.root}/.well-known/dspace-version")
    demand(answer.is_success, f"the version document: {answer.status_code}")
    versions = answer.json()["protocolVersions"]
    good = [
        entry for entry in versions if entry.get("version") == "2025-1" and entry.get("path") and entry.get("binding")
    ]
    demand(good, f"no entry for 2025-1 in {versions}")


def check_catalogue(wires: Wire, case: Case) -> None:
    """CAT:01-01: the catalogue holds the dataset."""
    catalogue = checked(wires.post(f"{wires.target.base}/catalog/request", wire.message("CatalogRequestMessage")))
    demand(catalogue["@type"] == "Catalog", f"a Catalog was expected, not {catalogue['@type']}")
    found = [dataset for dataset in catalogue.get("dataset", []) if dataset["@id"] == case.dataset]
    demand(found, f"{case.dataset} is not in the catalogue")


def check_dataset(wires: Wire, case: Case) -> None:
    """CAT:01-02: the dataset by its id."""
    dataset = wires.get(f"{wires.target.base}/catalog/datasets/{case.dataset}")
    demand((dataset["@type"], dataset["@id"]) == ("Dataset", case.dataset), f"not the dataset: {dataset}")


def check_unknown_dataset(wires: Wire, _case: Case) -> None:
    """CAT:01-03: a dataset that is not there is a CatalogError."""
    error = wires.get(f"{wires.target.base}/catalog/datasets/{uuid4()}", error=True)
    demand(error["@type"] == "CatalogError", f"a CatalogError was expected, not {error}")


QUESTIONS = {
    "version": check_version,
    "catalogue": check_catalogue,
    "dataset": check_dataset,
    "unknown-dataset": check_unknown_dataset,
}


def run_case(case: Case, wires: Wire, callbacks: CallbackServer) -> Outcome:
    """Run one case to its end."""
    started = time.monotonic()
    fault = None
    try:
        if case.family in CONVERSATIONS:
            CONVERSATIONS[case.family](case, wires, callbacks).run()
        else:
            QUESTIONS[case.steps](wires, case)
    except (CaseFailedError, httpx.HTTPError, KeyError, ValueError) as error:
        fault = f"{case.id}: {error!r}"
    return Outcome(case, fault, time.monotonic() - started)


def run(cases: Iterable[Case], target: Target, *, side_by_side: int = 8) -> dict[str, Outcome]:
    """Run the cases, several at a time (each has ids and addresses of its own); outcomes by the case's id."""
    limits = httpx.Limits(max_connections=64)
    with (
        CallbackServer() as callbacks,
        httpx.Client(timeout=20, limits=limits, trust_env=False) as client,
        ThreadPoolExecutor(side_by_side) as pool,
    ):
        wires = Wire(target, client)
        return {
            outcome.case.id: outcome for outcome in pool.map(lambda case: run_case(case, wires, callbacks), cases)
        }
