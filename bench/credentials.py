"""From the arrival of a status list to the last moment at which a release could leave, with a hundred running uses.

An issuer, a data holder and a user over real HTTP on loopback; each use is under an agreement that asks for the
credential that is revoked. A use is cut off once its job is closed: from then on its token is worth nothing, and a
step that runs is ended. A release is refused from the transaction on that keeps the list, which is earlier than this.
"""

import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from medspace.connector.usage.model import JOBS
from medspace.core.clock import instant
from medspace.core.paging import each
from medspace.services.issuers.model import STATUSES
from tests.e2e.space import Stage, hospital, staged

USES = int(os.environ.get("CREDENTIALS_USES", "100"))
TRAIN, UNTIL = "medspace:train", "2030-01-01T00:00:00Z"
PATIENCE = 120.0


def measure() -> dict[str, dict[str, Any]]:
    """The time by which 95 of 100 uses are cut off after the list that revokes has arrived."""
    with tempfile.TemporaryDirectory() as folder, staged(Path(folder)) as stage:
        issuer, made = _running(stage)
        signed = time.time()
        issuer.revoke_issued(made["id"])
        arrived, taken = _closed(stage, made["issued"])
    travelled = 1000 * (arrived - signed)
    return {
        "credentials.revoked_ms": {
            "value": 1000 * statistics.quantiles(taken, n=20)[-1],
            "unit": "ms",
            "reference": f"{USES} running uses; the list had arrived {travelled:.0f} ms after it was asked for",
            "target": "<= 1000",
        }
    }


def _running(stage: Stage) -> tuple[Any, dict[str, Any]]:
    """So many uses, all of them started; the issuer, and the credential that they need."""
    more = "[quotas]\ntransfers = 1000\nnegotiations = 1000\n"
    board = stage.add("board").did  # the authority too
    stage.add("clinic", hospital(credentials=[f"EthicsApproval@{board}"]), more=more)
    stage.add("user", more=more)
    stage.open()
    stage.admit()
    issuer, clinic, user = (stage.space(key) for key in ("board", "clinic", "user"))
    issuer.believe("EthicsApproval", [board])
    holder = stage.nodes["clinic"].did
    made = issuer.issue_credential(stage.nodes["user"].did, ["EthicsApproval"], UNTIL, receivers=[holder])
    _until(lambda: any(one["state"] == "holds" for one in clinic.received_credentials()))
    agreement = stage.agree("user", "clinic")
    for _ in range(USES):
        user.request(agreement, TRAIN)
    _until(lambda: _open(stage) == USES)
    return issuer, made


def _until(done: Any) -> None:  # noqa: ANN401 - a function
    end = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < end, "setting up took too long"
        time.sleep(0.05)


def _look(stage: Stage, view: Any) -> Any:  # noqa: ANN401 - of a transaction
    connector = stage.nodes["clinic"].connector
    assert connector is not None
    return stage.run(connector.node.database.read(view))


def _open(stage: Stage) -> int:
    return int(_look(stage, lambda tx: sum(job.open for job in each(tx, JOBS, {}))))


def _closed(stage: Stage, before: str) -> tuple[float, list[float]]:
    """When the list had arrived, and the seconds from then to the cut-off of each use."""
    arrived, taken = 0.0, list[float]()
    end = time.time() + PATIENCE
    while len(taken) < USES and time.time() < end:
        known, running = _look(stage, lambda tx: (tx.find(STATUSES)[0], sum(job.open for job in each(tx, JOBS, {}))))
        now = time.time()
        if not arrived and instant(known.issued) > instant(before):
            arrived = now
        taken += [now - (arrived or now)] * (USES - running - len(taken))
        time.sleep(0.002)
    return arrived, taken + [PATIENCE] * (USES - len(taken))
