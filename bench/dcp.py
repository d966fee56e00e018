"""The Decentralized Claims Protocol 1.0: which cases pass, which controls fail, what a presentation costs.

The cases and their controls are those of `tests/protocol/dcp`. The time is that of a verifier from its question to
its yes: it signs its token and asks the credential service over HTTP, which proves the verifier and signs a
presentation of three credentials; then it checks presentation, credentials, subjects and status lists. Documents and
status lists are kept as a connector keeps them. Holder, issuer and verifier share one process and one thread here;
that a token was used is written to the disk before it counts.
"""

import asyncio
import statistics
import time
from typing import Any

import msgspec

from medspace.services.credentials import messages
from medspace.services.credentials.ports import Issuable, IssuanceVerdict
from medspace.trust.credentials.idtokens import Proven
from medspace.trust.credentials.model import CredentialProfile
from medspace.trust.documents import KEEP
from medspace.trust.model import Caller
from tests.protocol.dcp.cases import CASES, Case
from tests.protocol.dcp.controls import CONTROLS
from tests.protocol.dcp.counterpart import Counterpart
from tests.protocol.dcp.running import pair
from tests.protocol.dcp.system import ANOTHER, TYPES, System, serve

THREE = (*TYPES, ANOTHER)
ROUNDS, WARM = 200, 20


def measure() -> dict[str, dict[str, Any]]:
    """Shares of cases and of controls, and the time of a round trip."""
    with pair() as kit:
        passed = sum(_passes(case, kit) for case in CASES)
    failed = {name: _all_fail(name) for name in CONTROLS}
    handlers = {case.handler for case in CASES}
    caught = {one for one in handlers if all(failed[case.control] for case in CASES if case.handler == one)}
    spent = asyncio.run(_round_trips())
    return {
        "dcp.cases": _figure(passed / len(CASES), "share", f"of the {len(CASES)} running cases of the kit", ">= 1.0"),
        "dcp.controls": _figure(
            len(caught) / len(handlers), "share", f"of {len(handlers)} handlers, by {len(failed)} controls", ">= 1.0"
        ),
        "dcp.roundtrip_ms": _figure(
            statistics.median(spent) * 1000, "ms", f"three credentials, p50 of {len(spent)}", "<= 25"
        ),
    }


def _figure(value: float, unit: str, reference: str, target: str) -> dict[str, Any]:
    return {"value": value, "unit": unit, "reference": reference, "target": target}


def _passes(case: Case, kit: Counterpart) -> bool:
    try:
        case.run(kit)
    except (AssertionError, StopIteration):
        return False
    return True


def _all_fail(control: str) -> bool:
    with pair(CONTROLS[control]) as kit:
        return not any(_passes(case, kit) for case in CASES if case.control == control)


async def _round_trips() -> list[float]:
    ready: asyncio.Future[System] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()
    made: list[System] = []
    serving = asyncio.create_task(
        serve("127.0.0.1", 0, [], lambda _: ready.set_result(made[0]), stop, made.append, KEEP)
    )
    system = await ready
    await _hold(system)
    spent = [await _round_trip(system) for _ in range(WARM + ROUNDS)][WARM:]
    stop.set()
    await serving
    return spent


async def _hold(system: System) -> None:
    """Have the holder hold a credential of each type, with an entry in a status list."""
    profile = CredentialProfile.VC20.value
    kinds = [Issuable(kind, kind, profile, lambda _: IssuanceVerdict()) for kind in THREE]
    texts = [(await system.issuer.issue(kind, system.dids["holder"], {"level": 1}))[0] for kind in kinds]
    held = [
        {"credentialType": kind, "format": profile, "payload": text} for kind, text in zip(THREE, texts, strict=True)
    ]
    told = messages.written("CredentialMessage", issuerPid="1", holderPid="2", status="ISSUED", credentials=held)
    by = Proven(Caller(system.dids["issuer"], ""), "", 0)
    await system.holder.deliver(by, msgspec.json.encode(told))


async def _round_trip(system: System) -> float:
    access = system.holder.access_token(system.dids["verifier"], THREE)
    start = time.perf_counter()
    shown = await system.verifier.shown(system.dids["holder"], access, THREE)
    spent = time.perf_counter() - start
    assert len(shown) == len(THREE)
    return spent
