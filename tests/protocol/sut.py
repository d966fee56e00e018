"""The product's connector as a system under test, for this repository's runner and for outside conformance kits.

    python -m tests.protocol.sut --host 127.0.0.1 --port 8181 --script reactions.json

prints `ready http://127.0.0.1:8181` and serves until SIGTERM. It is the connector as it is, put together with a
strategy that follows a script and with no identity: whoever calls is the participant TCK_PARTICIPANT. The protocol
is at `/dsp/2025-1`; `POST /tck/negotiations/requests` and `POST /tck/transfers/requests` let the connector begin as
consumer. The script names datasets and agreements, and what to do at which event:

    {"datasets": {ID: {TRIGGER: [ACTION, ...]}}, "agreements": {ID: {TRIGGER: [ACTION, ...]}}}

With `--dcp` it is instead what speaks the Decentralized Claims Protocol 1.0, in all its roles (`tests.protocol.dcp`).
"""

import argparse
import asyncio
import json
import os
import signal
import socket
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from medspace.adapters.http.client import HttpClient
from medspace.adapters.http.guard import Guard, check_callback
from medspace.adapters.http.peers import DspClient
from medspace.adapters.sql import create, open_database
from medspace.adapters.system import SystemClock, SystemRandomness
from medspace.app.doors.protocol.endpoints import BASE, ProtocolEndpoints, protocol_routes
from medspace.app.node.listening.listener import Listener, bind
from medspace.connector.catalogue.service import Catalogue, publish
from medspace.connector.dispatch.service import Dispatcher
from medspace.connector.local import Local
from medspace.connector.model import (
    AGREEMENTS,
    COLLECTIONS,
    Agreement,
    Dataset,
    Negotiation,
    ProcessKind,
    Reaction,
    Transfer,
)
from medspace.connector.negotiation.service import Negotiations
from medspace.connector.negotiation.steps import NegotiationSteps
from medspace.connector.ports import NegotiationEvent, Reply, TransferEvent, Transport
from medspace.connector.transfer.service import Transfers
from medspace.connector.transfer.steps import TransferSteps
from medspace.core.decision import Decision, Verdict
from medspace.core.errors import MedspaceError
from medspace.core.hashing import digest
from medspace.core.store import Transaction
from medspace.trust.model import Caller
from tests.protocol.mutants import MUTANTS, Mutant

COUNTERPARTY = "TCK_PARTICIPANT"
# The log knows participants by DIDs only, so the nameless counterparty gets one for inside.
COUNTERPARTY_DID = f"did:tck:{COUNTERPARTY}"
FORMAT = "HTTP-PULL"
BETWEEN_ACTIONS = 0.2  # seconds
# A kit that has just learnt our pid from an answer, or whose message we have just acknowledged, needs a moment before
# it knows its own next step: it changes its state only after its POST has returned.
AFTER_A_MESSAGE = ("request", "requested", "offer", "agreement", "start", "suspension")

Script = dict[str, dict[str, list[str]]]


class NobodyInParticular:
    """The no-op identity: says nothing of us, and believes everybody to be the one counterparty."""

    def token_for(self, audience: str) -> str:
        return f"for-{len(audience)}"

    async def authenticate(self, _authorization: str | None) -> Caller:
        return Caller(COUNTERPARTY_DID, "none")


class CalledByName(DspClient):
    """Names the counterparty outside as it names itself."""

    async def post(self, url: str, message: dict[str, Any], audience: str) -> Reply:
        named = json.loads(json.dumps(message).replace(COUNTERPARTY_DID, COUNTERPARTY))
        return await super().post(url, named, audience)


@dataclass(frozen=True)
class ScriptedNegotiations:
    """Does what the script says for a dataset; what it does not say is not done.

    The dataset is the one that a negotiation began with, whatever later offers name.
    """

    script: Script
    datasets: dict[str, str] = field(default_factory=dict)

    def react(self, _tx: Transaction, negotiation: Negotiation, event: NegotiationEvent) -> Reaction:
        dataset = self.datasets.setdefault(negotiation.id, negotiation.dataset)
        return _reaction(self.script.get(dataset, {}), event.value)

    def approve(self, _tx: Transaction, _negotiation: Negotiation, action: str) -> Reaction:
        return Reaction((action,))


@dataclass(frozen=True)
class ScriptedTransfers:
    """Does what the script says for an agreement, and allows every use of it."""

    script: Script

    def examine(self, _tx: Transaction, _agreement: Agreement, _transfer: Transfer) -> Decision:
        return Decision(Verdict.PERMIT, "permitted")

    def react(self, _tx: Transaction, transfer: Transfer, event: TransferEvent) -> Reaction:
        return _reaction(self.script.get(transfer.agreement, {}), event.value)

    def address(self, _tx: Transaction, transfer: Transfer) -> dict[str, Any] | None:
        if transfer.data_address is not None:
            return None  # pushed there
        return {
            "@type": "DataAddress",
            "endpointType": "https://w3id.org/idsa/v4.1/HTTP",
            "endpoint": "http://data.invalid",
        }


def _reaction(script: dict[str, list[str]], event: str) -> Reaction:
    actions = tuple(script.get(event, ()))
    ending = {"code": "script", "reason": ("The script says so.",)} if actions else {}
    delay = BETWEEN_ACTIONS if len(actions) > 1 or event in AFTER_A_MESSAGE else 0.0
    return Reaction(actions, delay, **ending)


def seed(tx: Transaction, local: Local, script: dict[str, Script]) -> None:
    """Offer every dataset that the script names; finalise every agreement, with the counterparty on both sides."""
    for dataset in script.get("datasets", {}):
        publish(tx, local, _dataset(dataset), {FORMAT})
    for agreement in script.get("agreements", {}):
        tx.insert(AGREEMENTS, _agreement(local, agreement))


def _dataset(dataset: str) -> Dataset:
    offer = {"@id": f"offer{dataset}", "@type": "Offer", "permission": [{"action": "use"}]}
    return Dataset(
        dataset,
        title=dataset,
        description="",
        keywords=(),
        offers=(offer,),
        formats=(FORMAT,),
        label=digest({}),
        published="",
    )


def _agreement(local: Local, agreement: str) -> Agreement:
    policy = {
        "@id": agreement,
        "@type": "Agreement",
        "target": f"dataset-of-{agreement}",
        "assigner": COUNTERPARTY_DID,
        "assignee": COUNTERPARTY_DID,
        "timestamp": local.now(),
        "permission": [{"action": "use"}],
    }
    return Agreement(
        agreement,
        negotiation=f"negotiation-of-{agreement}",
        provider=COUNTERPARTY_DID,
        consumer=COUNTERPARTY_DID,
        dataset=policy["target"],
        policy=policy,
        digest=digest(policy),
        agreed=local.now(),
        finalized=local.now(),
    )


@dataclass(frozen=True)
class Connector:
    """The connector's parts, as far as the protocol needs them."""

    door: ProtocolEndpoints
    dispatcher: Dispatcher

    async def begin_negotiation(self, request: Request) -> Response:
        """The trigger of a negotiation in which we are the consumer."""
        body = await request.json()
        offer = {"@id": body["offerId"], "@type": "Offer", "permission": [{"action": "use"}]}
        address, dataset = body["connectorAddress"], body["datasetId"]
        begun = await self.door.negotiations.request_negotiation(COUNTERPARTY_DID, address, offer, dataset)
        return JSONResponse({"id": begun.id})

    async def begin_transfer(self, request: Request) -> Response:
        """The trigger of a transfer in which we are the consumer."""
        body = await request.json()
        address, agreement = body["connectorAddress"], body["agreementId"]
        begun = await self.door.transfers.request_transfer(agreement, body["format"], address=address)
        return JSONResponse({"id": begun.id})

    def application(self) -> Starlette:
        """Protocol and triggers as one application."""
        triggers = [
            Route("/tck/negotiations/requests", _refusing(self.begin_negotiation), methods=["POST"]),
            Route("/tck/transfers/requests", _refusing(self.begin_transfer), methods=["POST"]),
        ]
        return Starlette(routes=[*protocol_routes(self.door), *triggers])


def _refusing(trigger: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    """What a trigger cannot begin with is 400."""

    async def endpoint(request: Request) -> Response:
        try:
            return await trigger(request)
        except (KeyError, TypeError, ValueError, MedspaceError) as error:
            return JSONResponse({"error": repr(error)}, 400)

    return endpoint


def compose(catalogue: Catalogue, transport: Transport, script: dict[str, Script]) -> Connector:
    """Put the connector together around the script."""
    database, local = catalogue.database, catalogue.local
    negotiation_steps = NegotiationSteps(local, ScriptedNegotiations(script.get("datasets", {})))
    transfer_steps = TransferSteps(local, ScriptedTransfers(script.get("agreements", {})), negotiation_steps)
    settlements = {ProcessKind.NEGOTIATION: negotiation_steps, ProcessKind.TRANSFER: transfer_steps}
    dispatcher = Dispatcher(database, transport, settlements, local.clock, local.randomness)
    check = partial(check_callback, guard=Guard.of(loopback=True))
    door = ProtocolEndpoints(
        NobodyInParticular().authenticate,
        catalogue,
        Negotiations(database, negotiation_steps, dispatcher, check),
        Transfers(database, transfer_steps, dispatcher, check),
        dispatcher,
    )
    return Connector(door, dispatcher)


async def serve(options: argparse.Namespace, script: dict[str, Script], folder: str) -> None:
    """Serve until SIGTERM."""
    mutant = MUTANTS.get(os.environ.get("MEDSPACE_SUT_MUTANT", ""), Mutant(()))
    listener = bind(options.host, options.port)
    root = f"http://{options.host}:{listener.getsockname()[1]}"
    local = Local(
        f"did:web:{options.host}%3A{listener.getsockname()[1]}", root + BASE, SystemClock(), SystemRandomness()
    )
    url = f"sqlite:///{folder}/connector.db"
    create(url, COLLECTIONS)
    client = HttpClient(Guard.of(loopback=True))
    async with open_database(url, COLLECTIONS) as database:
        transport = mutant.transport(CalledByName(client, NobodyInParticular()))
        catalogue = Catalogue(database, local, options.page_size)
        connector = compose(catalogue, transport, script)
        await database.write(lambda tx: seed(tx, local, script))
        await answer(mutant.door(connector.application()), connector.dispatcher, listener, root)
    await client.close()


async def answer(application: Any, dispatcher: Dispatcher, listener: socket.socket, root: str) -> None:
    """Answer and deliver until SIGTERM or SIGINT."""
    server = Listener(application)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, setattr, server, "should_exit", True)  # noqa: FBT003
    delivery = asyncio.create_task(dispatcher.run())
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    await server.ready.wait()
    print(f"ready {root}", flush=True)  # noqa: T201 - what the kit waits for
    await asyncio.wait([serving, delivery], return_when=asyncio.FIRST_COMPLETED)
    delivery.cancel()
    with suppress(asyncio.CancelledError):
        await delivery
    await serving


def options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.protocol.sut", description="The connector under test.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at")
    parser.add_argument("--port", type=int, default=0, help="port to listen at; 0 takes a free one")
    parser.add_argument("--script", help="reactions.json: datasets, agreements, and what to do when")
    parser.add_argument("--dcp", action="store_true", help="serve the Decentralized Claims Protocol, in all roles")
    parser.add_argument("--issuer", action="append", help="with --dcp: the DID of an issuer that is believed")
    parser.add_argument("--page-size", type=int, default=10_000, help="datasets on one page of the catalogue")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve from a temporary folder until SIGTERM."""
    told = options(arguments)
    if told.dcp:
        from tests.protocol.dcp import system  # noqa: PLC0415 - the other system does without it

        system.main(told.host, told.port, told.issuer)
        return
    script = json.loads(Path(told.script).read_text(encoding="utf-8")) if told.script else {}
    with tempfile.TemporaryDirectory(prefix="medspace-sut-") as folder:
        asyncio.run(serve(told, script, folder))


def run(setup: dict[str, Any]) -> None:
    """The same in a process that was forked: its arguments and its mutant are in the setup."""
    os.environ["MEDSPACE_SUT_MUTANT"] = setup["mutant"]
    main(setup["arguments"])


if __name__ == "__main__":
    main()
