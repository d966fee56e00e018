"""Every DID and identifier that the product accepts travels every route: command line, SDK, API, protocol."""

import asyncio
import threading
from contextlib import contextmanager, nullcontext
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette

from medspace.adapters.http.client import HttpClient
from medspace.adapters.http.guard import Guard
from medspace.adapters.http.peers import DspClient
from medspace.adapters.memory import ManualClock, MemoryDatabase, SeededRandomness
from medspace.adapters.system import SystemClock
from medspace.app.doors import sdk
from medspace.app.doors.protocol.endpoints import BASE, ProtocolEndpoints, protocol_routes
from medspace.app.main import main
from medspace.app.node.listening.listener import Listener, bind
from medspace.connector.catalogue.finding import Finder
from medspace.connector.catalogue.service import Catalogue, publish
from medspace.connector.errors import DatasetIdError
from medspace.connector.local import Local
from medspace.connector.model import Dataset, Negotiation, NegotiationState, Role, Transfer, TransferState
from medspace.connector.negotiation.messages import NEGOTIATION
from medspace.connector.transfer.messages import TRANSFER
from medspace.core.paths import path
from medspace.runs.errors import RunUnknownError
from medspace.sdk import Space, SpaceError
from medspace.trust.did import base_url
from medspace.trust.errors import DidError
from medspace.trust.model import Caller
from medspace.trust.service import Identity
from tests.examples import most
from tests.routers import management
from tests.unit.trust.space import COMPANY, KEYS

OFFER = {"@id": "urn:offer:1", "@type": "Offer", "permission": [{"action": "medspace:train"}]}
HOSTS = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?(\.[a-z]{2,6}){0,2}", fullmatch=True)
PORTS = st.one_of(st.just(""), st.integers(1, 65535).map(lambda port: f"%3A{port}"))
SEGMENTS = st.lists(st.from_regex(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,8}", fullmatch=True), max_size=3)
IDENTIFIERS = st.one_of(
    st.sampled_from(
        ["a#b", "a?b=c", "a/b", "/", "//", "a%2Fb", "%25", "..", "a/../b", ".", "a b", "ä", "", "a;b", "+"]
    ),
    st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40),
    st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=20),
)
EXAMPLES = settings(max_examples=most(60), deadline=None, suppress_health_check=list(HealthCheck))


@st.composite
def dids(draw):
    did = "did:web:" + ":".join([draw(HOSTS) + draw(PORTS), *draw(SEGMENTS)])
    try:
        base_url(did)
    except DidError:
        did = "did:web:127.0.0.1%3A9140"
    return did


class Desk:
    """Notes what reaches it, and knows nothing of it."""

    def __init__(self):
        self.heard = []
        self.finder = self

    def __getattr__(self, verb):
        async def hear(*given, **named):
            self.heard.append((verb, *given))
            raise RunUnknownError(run=given[0])

        return hear


@contextmanager
def served(app):
    """An application behind a real listener, in a loop of its own; the port."""
    loop, listener, sock = asyncio.new_event_loop(), Listener(app), bind("127.0.0.1", 0)
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    serving = asyncio.run_coroutine_threadsafe(listener.serve([sock]), loop)
    asyncio.run_coroutine_threadsafe(listener.ready.wait(), loop).result(30)
    try:
        yield sock.getsockname()[1], loop
    finally:
        listener.should_exit = True
        serving.result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)
        loop.close()


@pytest.fixture(scope="module")
def desk():
    desk = Desk()
    with served(management(desk)) as (port, _), Space(f"http://127.0.0.1:{port}", "token") as space:
        yield desk, space


def heard(desk, call):
    desk.heard.clear()
    with pytest.raises(SpaceError) as raised:
        call()
    assert raised.value.code == RunUnknownError.code
    (said,) = desk.heard
    return said


@EXAMPLES
@given(did=dids(), identifier=IDENTIFIERS)
def test_the_sdk_and_the_api_carry_every_identifier(desk, did, identifier):
    desk, space = desk
    assert heard(desk, lambda: space.remove(did))[:2] == ("remove", did)
    assert heard(desk, lambda: space.model(identifier))[:2] == ("model", identifier)
    assert heard(desk, lambda: space.run(identifier))[:2] == ("run", identifier)
    assert heard(desk, lambda: space.cancel(identifier))[:2] == ("cancel", identifier)
    assert heard(desk, lambda: space.answer(identifier, approve=True))[:2] == ("answer", identifier)
    assert heard(desk, lambda: space.steer(identifier, "suspend"))[:2] == ("transfer", identifier)  # whose it is
    assert heard(desk, lambda: space._get(path("negotiations", identifier)))[:2] == ("negotiation", identifier)
    assert heard(desk, lambda: space._get(path("transfers", identifier)))[:2] == ("transfer", identifier)
    asked = heard(desk, lambda: space.negotiate(did, identifier, offer=identifier))
    assert asked == ("negotiate", did, identifier, identifier)
    assert heard(desk, lambda: space.find(did))[:2] == ("catalog", did)


@settings(EXAMPLES, max_examples=15)
@given(did=dids(), identifier=IDENTIFIERS)
def test_the_command_line_carries_every_identifier(desk, did, identifier):
    desk, space = desk
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sdk, "connect", lambda *_, **__: nullcontext(space))
        for words, verb in ((["remove", did], ("remove", did)), (["model", "--", identifier], ("model", identifier))):
            desk.heard.clear()
            with pytest.raises(SystemExit):
                main(words)
            assert [said[:2] for said in desk.heard] == [verb]


def test_what_is_no_route_is_a_problem_as_every_other(desk):
    with pytest.raises(SpaceError) as raised:
        desk[1]._get("/nothing/here")
    assert (raised.value.code, raised.value.exit_code) == ("request.route", 2)
    assert "/nothing/here" in str(raised.value.text)


# --- the public door ---------------------------------------------------------------------------------------------
class Provider:
    """A catalogue behind a real public door, and somebody else who looks for datasets in it."""

    def __init__(self):
        self.database = MemoryDatabase()
        clock, randomness = ManualClock(), SeededRandomness()
        self.local = Local("did:web:clinic.example", "https://clinic.example/dsp", clock, randomness)
        door = ProtocolEndpoints(_anybody, Catalogue(self.database, self.local), None, None, None)
        self.app = Starlette(routes=protocol_routes(door))
        self.identity = Identity("did:web:c.example", KEYS[COMPANY], clock, randomness)

    async def offered(self, asset):
        dataset = Dataset(asset, "T", "", (), (OFFER,), ("medspace:train",), "sha256:" + "0" * 64, "")
        return await self.database.write(lambda tx: publish(tx, self.local, dataset, ["medspace:train"]))

    async def found(self, port, asset):
        client = HttpClient(Guard(loopback=True))
        try:
            return await Finder(_Documents(port), DspClient(client, self.identity), clock=SystemClock()).dataset(
                self.local.did, asset
            )
        finally:
            await client.close()


class _Documents:
    def __init__(self, port):
        self._port = port

    async def document(self, did):
        endpoint = f"http://127.0.0.1:{self._port}{BASE}/catalog"
        return SimpleNamespace(id=did, services=[SimpleNamespace(endpoint=endpoint)])


async def _anybody(_):
    return Caller("did:web:c.example", "t")


@pytest.fixture(scope="module")
def provider():
    provider = Provider()
    with served(provider.app) as (port, loop):
        yield provider, port, lambda work: asyncio.run_coroutine_threadsafe(work, loop).result(30)


@EXAMPLES
@given(asset=IDENTIFIERS)
def test_a_dataset_that_is_published_is_found_under_its_id(provider, asset):
    provider, port, run = provider
    try:
        run(provider.offered(asset))
    except DatasetIdError:
        return
    assert run(provider.found(port, asset))["@id"] == asset


@pytest.mark.parametrize("asset", ["", "a b", "ä", "..", "a/../b", "./a", "a\n", "x" * 257])
def test_an_id_that_nobody_could_ask_for_is_not_published(provider, asset):
    with pytest.raises(DatasetIdError, match="Give it another id"):
        provider[2](provider[0].offered(asset))


@given(pid=st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40))
def test_a_pid_of_a_counterparty_stays_one_segment_of_its_addresses(pid):
    stamp, address = "2026-01-01T00:00:00.000Z", "https://clinic.example/dsp"
    who = {"counterparty": "did:web:c", "address": address, "peer_pid": pid, "created": stamp, "updated": stamp}
    state, began = NegotiationState.REQUESTED, Role.CONSUMER
    negotiation = Negotiation("n", Role.CONSUMER, state, initiator=began, offer={}, asked=None, **who)
    transfer = Transfer("t", Role.CONSUMER, TransferState.REQUESTED, agreement="a", dataset="d", format="f", **who)
    for url, folder in (
        (NEGOTIATION.state_url(negotiation), "negotiations"),
        (TRANSFER.state_url(transfer), "transfers"),
    ):
        Guard().target(url)  # not forbidden: no fragment, no odd character
        assert url.startswith(f"{address}/{folder}/")
        rest = url.removeprefix(f"{address}/{folder}/")
        assert not set("/?#") & set(rest)
        assert rest not in (".", "..")
