"""Assets are opened one by one behind the public door: open, away, refused, each without the others."""

import asyncio
import threading
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pytest

from medspace.adapters.logs import logger
from medspace.adapters.memory import ManualClock, MemoryDatabase, SeededRandomness
from medspace.app.node.asset_checks import asset_checks
from medspace.app.node.assets import LAST_RETRY, AssetPhase, Assets
from medspace.app.node.config import Asset
from medspace.app.node.holdings import Prepared
from medspace.connector.catalogue.rules import check_form
from medspace.connector.errors import FormError, OfferError
from medspace.connector.local import Local
from medspace.connector.model import CATALOGUE, Dataset
from medspace.connector.usage.errors import AssetAwayError
from medspace.connector.usage.model import LABELS
from medspace.core.dictionary import Column, ColumnType, Dictionary
from medspace.core.errors import InvalidInputError, MedspaceError, WaitingError
from medspace.core.material import Form, Published
from medspace.core.text import Text
from medspace.ledger.model import decode
from medspace.policy import templates
from tests.admissions import admission

DID = "did:web:holder.example"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
PURPOSE = "ehds:HealthcareScientificResearch"
LABEL = {"purposes": [PURPOSE], "kinds": ["medspace:train"], "regions": ["World"], "sensitivity": "non-public"}
DICTIONARY = Dictionary("Nothing", (Column("age", ColumnType.INTEGER),))


@dataclass(frozen=True)
class Content:
    """What is found where an asset is kept."""

    count: int = 50
    persons: int = 50
    digest: str = "sha256:" + 64 * "0"
    warnings: tuple = ()
    source: object = "its source"
    dictionary: Dictionary = DICTIONARY

    def published(self, least):
        return Published(DICTIONARY, (Text("column age: rare"),))

    def small_cells(self, least):
        return {("a", "b"): 4, ("a", "c"): 3}


@dataclass
class Kept:
    """Where an asset is kept: each attempt to open it takes the next of these."""

    found: list
    tried: int = 0
    held: threading.Event = field(default_factory=threading.Event)

    def open(self, *_):
        assert self.held.wait(30)
        self.tried += 1
        came = self.found[min(self.tried, len(self.found)) - 1]
        if isinstance(came, Exception):
            raise came
        return came


def at(*found, held=False):
    kept = Kept(list(found))
    if not held:
        kept.held.set()
    return kept


def prepared(asset, kept, *, described="d", form=Form.TABLE, count=None, template="train-only"):
    terms = templates.build(template, offer_id=f"{DID}:offer:{asset}", **({} if count is None else {"count": count}))
    dataset = Dataset(asset, asset, "", (), (terms,), ("medspace:train",), "", "", described=described)
    return Prepared(dataset, LABEL, form, DICTIONARY, 10, None, None, kept.open)


@dataclass(frozen=True)
class Engine:
    forms: tuple = (Form.TABLE,)


class House:
    """One connector's assets, on a database that outlives them."""

    def __init__(self, engine=None):
        self.database, self.clock = MemoryDatabase(), ManualClock(NOW)
        self.local = Local(DID, "https://holder.example/dsp", self.clock, SeededRandomness())
        self.makers = {("medspace:train", "glm"): lambda: engine or Engine()}

    def assets(self, *wanted):
        return Assets(wanted, self.makers, self.database, self.local, self.clock, logger())

    async def opened(self, *wanted):
        """The assets of a start, after each was tried once; those that are away are given up."""
        assets = self.assets(*wanted)
        await assets.arrange()
        async with asyncio.timeout(30):
            work = asyncio.create_task(assets.run())
            await asyncio.wait({work, asyncio.create_task(assets.tried())}, return_when=asyncio.FIRST_COMPLETED)
        work.cancel()
        results = await asyncio.gather(work, return_exceptions=True)
        if isinstance(results[0], Exception):
            raise results[0]
        assets.close()
        return assets

    @asynccontextmanager
    async def running(self, *wanted):
        """The assets of a connector that runs."""
        assets = self.assets(*wanted)
        await assets.arrange()
        work = asyncio.create_task(assets.run())
        try:
            yield assets
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
            assets.close()

    async def published(self):
        return await self.database.read(lambda tx: tx.find(CATALOGUE, limit=100))

    async def offered(self):
        return await self.database.read(lambda tx: [dataset.id for dataset in tx.find(CATALOGUE, limit=100)])

    async def entries(self):
        return await self.database.read(lambda tx: [decode(entry).kind for entry in tx.log.entries(0, tx.log.size())])


BROKEN = InvalidInputError(reason="it is broken")
AWAY = WaitingError(whom="its server")


async def test_each_asset_stands_for_itself():
    house = House()
    assets = await house.opened(prepared("a", at(BROKEN)), prepared("b", at(Content())), prepared("c", at(AWAY)))
    assert [one["state"] for one in assets.shown()] == ["refused", "open", "away"]
    assert [one["code"] for one in assets.shown()] == ["input.invalid", None, "waiting"]
    assert await house.offered() == ["b"]
    assert assets.sources["b"] == "its source"
    assert assets.digests == {"b": Content().digest}
    assert set(assets.sources) == {"b", "c"}  # what is refused is not there
    assert assets.questions == {"b": 5}
    assert [assets.small_cells(asset) for asset in ("a", "b", "c", "none")] == [0, 7, 0, 0]


async def test_whoever_asks_for_what_is_not_open_is_told_to_come_again():
    assets = await House().opened(prepared("a", at(Content())), prepared("b", at(AWAY)))
    assert assets.away("a") is None
    assert assets.away("none") is None
    assert isinstance(assets.away("b"), AssetAwayError)
    with pytest.raises(AssetAwayError):
        assets.sources["b"].open(admission(asset="b"))
    await assets.settled("a")
    await assets.settled("none")


class Hasty(ManualClock):
    """A clock on which every sleep is over at once; it remembers them."""

    def __init__(self):
        super().__init__(NOW)
        self.slept = []

    async def sleep(self, seconds):
        self.slept.append(seconds)


async def test_what_is_away_is_tried_again_until_it_is_there_ever_more_seldom():
    house, kept = House(), at(*[AWAY] * 10, Content())
    house.clock = Hasty()
    assets = house.assets(prepared("a", kept))
    await assets.arrange()
    async with asyncio.timeout(30):
        await assets.run()
    assert house.clock.slept == [1, 2, 4, 8, 16, 32, *[LAST_RETRY] * 4]
    assert assets.states[0].standing is AssetPhase.OPEN
    assert assets.states[0].error is None
    assert await house.offered() == ["a"]


async def test_a_start_on_broken_assets_alone_ends_with_the_reason_of_the_first():
    house = House()
    with pytest.raises(InvalidInputError):
        await house.opened(prepared("a", at(BROKEN)), prepared("b", at(ValueError("a secret cell"))))
    assert await house.offered() == []


async def test_a_reason_that_nobody_foresaw_is_told_by_its_kind_alone():
    assets = await House().opened(prepared("a", at(ValueError("a secret cell"))), prepared("b", at(Content())))
    error = assets.states[0].error
    assert error.code == "asset.broken"
    assert "ValueError" in str(error)
    assert "secret" not in str(error)


async def test_what_was_published_stays_while_it_is_away_on_the_terms_of_now():
    house = House()
    await house.opened(prepared("a", at(Content())))
    await house.opened(prepared("a", at(AWAY), count=3))
    (shown,) = await house.database.read(lambda tx: tx.find(CATALOGUE, limit=9))
    assert "count" in str(shown.offers)
    assert (shown.digest, shown.dictionary["title"]) == (Content().digest, "Nothing")
    await house.opened(prepared("a", at(Content()), count=3))
    assert (await house.entries()).count("offer.published") == 2


async def test_what_a_dictionary_written_anew_shows_is_known_once_it_was_held_against_the_content():
    house = House()
    await house.opened(prepared("a", at(Content())))
    await house.opened(prepared("a", at(AWAY), described="another"))
    assert await house.offered() == []
    await house.opened(prepared("a", at(Content()), described="another"))
    assert await house.offered() == ["a"]


async def test_what_an_older_connector_published_stays_and_is_known_from_then_on():
    house = House()
    await house.opened(prepared("a", at(Content())))
    await house.database.write(lambda tx: forget(tx, "a"))
    before = await house.entries()
    await house.opened(prepared("a", at(Content())))
    assert await house.entries() == before
    (shown,) = await house.database.read(lambda tx: tx.find(CATALOGUE, limit=9))
    assert shown.described == "d"


def forget(tx, asset):
    old = tx.get(CATALOGUE, asset)
    tx.replace(CATALOGUE, old, replace(old, described=""))


async def test_what_is_refused_is_withdrawn_and_keeps_its_label():
    house = House()
    await house.opened(prepared("a", at(Content())), prepared("b", at(Content())))
    await house.opened(prepared("a", at(BROKEN)), prepared("b", at(Content())))
    assert await house.offered() == ["b"]
    labelled = await house.database.read(lambda tx: [one.id for one in tx.find(LABELS, limit=9)])
    assert labelled == ["a", "b"]


async def test_an_offer_that_nothing_serves_is_refused_before_anything_is_opened():
    house, kept = House(), at(Content())
    house.makers = {}
    with pytest.raises(OfferError):
        await house.opened(prepared("a", kept))
    assert kept.tried == 0


async def test_a_form_that_no_engine_takes_is_refused_unopened():
    house, kept = House(), at(Content())
    assets = await house.opened(prepared("a", kept, form=Form.IMAGES), prepared("b", at(Content())))
    assert isinstance(assets.states[0].error, FormError)
    assert kept.tried == 0
    assert await house.offered() == ["b"]


async def test_an_engine_that_opens_nothing_takes_whatever_is_offered():
    assets = await House(Engine(forms=())).opened(prepared("a", at(Content()), form=Form.MODEL))
    assert assets.states[0].standing is AssetPhase.OPEN


def test_the_form_is_looked_at_for_each_format():
    dataset = Dataset("a", "a", "", (), (), ("medspace:train", "medspace:statistics"), "", "")
    check_form(dataset, Form.TABLE, {"medspace:train": {Form.TABLE}})
    with pytest.raises(FormError, match="medspace:statistics"):
        check_form(dataset, Form.TABLE, {"medspace:train": {Form.TABLE}, "medspace:statistics": {Form.IMAGES}})


async def test_while_an_asset_is_opened_it_is_said():
    house, kept = House(), at(Content(), held=True)
    assets = house.assets(prepared("a", kept), prepared("b", at(Content(warnings=(Text("a role may write"),)))))
    await assets.arrange()
    work = asyncio.create_task(assets.run())
    async with asyncio.timeout(30):
        await assets.settled("b")
        told = [str(check.found) for check in asset_checks(assets.states)]
        assert any("Still being opened: a" in words for words in told)
        assert any("b: a role may write" in words for words in told)
        assert any("Not published of b" in words for words in told)
        assert assets.away("a") is not None
        kept.held.set()
        await work
    assert not [check for check in asset_checks(assets.states) if not check.ok]
    assert not any("Still being" in str(check.found) for check in asset_checks(assets.states))
    assets.close()


# -- another configuration, while the connector runs


async def test_what_is_configured_anew_is_held_at_once_and_what_stays_is_not_opened_again():
    house, kept = House(), at(Content())
    async with house.running(prepared("a", kept), prepared("b", at(Content()))) as assets:
        await assets.tried()
        await assets.hold([prepared("a", kept, count=3), prepared("c", at(Content()))])
        assert [one["state"] for one in assets.shown()] == ["open", "open"]
        assert kept.tried == 1
        assert (set(assets.sources), set(assets.digests), set(assets.numbers)) == ({"a", "c"},) * 3
    shown = {one.id: one for one in await house.published()}
    assert set(shown) == {"a", "c"}
    assert "count" in str(shown["a"].offers)
    assert (await house.entries()).count("offer.withdrawn") == 1


@pytest.mark.parametrize("found", [BROKEN, AWAY, ValueError("a secret cell")])
async def test_what_cannot_be_opened_changes_nothing(found):
    house, kept = House(), at(Content())
    async with house.running(prepared("a", kept)) as assets:
        await assets.tried()
        before = await house.published(), await house.entries(), assets.shown(), dict(assets.sources)
        with pytest.raises(MedspaceError):
            await assets.hold([prepared("a", kept, count=3), prepared("c", at(found))])
        assert (await house.published(), await house.entries(), assets.shown(), dict(assets.sources)) == before


async def test_what_nothing_serves_changes_nothing():
    house, kept = House(), at(Content())
    unserved = prepared("c", at(Content()))
    unserved = replace(unserved, dataset=replace(unserved.dataset, formats=("medspace:score",)))
    async with house.running(prepared("a", kept)) as assets:
        await assets.tried()
        before = await house.published(), await house.entries()
        with pytest.raises(OfferError):
            await assets.hold([prepared("a", kept, count=3), unserved])
        assert (await house.published(), await house.entries()) == before
        assert "c" not in assets.sources


async def test_what_was_refused_is_tried_again_and_does_not_stand_in_the_way_of_others():
    house, kept, other = House(), at(BROKEN, BROKEN, Content()), at(Content())
    async with house.running(prepared("a", kept), prepared("b", other)) as assets:
        await assets.tried()
        await assets.hold([prepared("a", kept), prepared("b", other, count=3)])
        assert [one["state"] for one in assets.shown()] == ["refused", "open"]
        assert "a" not in assets.sources
        await assets.hold([prepared("a", kept), prepared("b", other, count=3)])
        assert [one["state"] for one in assets.shown()] == ["open", "open"]


@pytest.mark.parametrize("elsewhere", [False, True])
async def test_what_is_being_opened_meanwhile_is_offered_on_the_terms_of_now(elsewhere):
    house, kept = House(), at(Content(), held=True)
    async with house.running(prepared("a", kept)) as assets:
        await assets.hold([prepared("a", at(Content()) if elsewhere else kept, count=3)])
        kept.held.set()
        await assets.settled("a")
    (shown,) = await house.published()
    assert "count" in str(shown.offers)
    assert (await house.entries()).count("offer.published") == 1


async def test_what_is_being_opened_and_no_longer_configured_is_never_offered():
    house, kept = House(), at(Content(), held=True)
    async with house.running(prepared("a", kept)) as assets:
        await assets.hold([prepared("b", at(Content()))])
        kept.held.set()
        await assets.tried()
        assert set(assets.sources) == {"b"}
    assert await house.offered() == ["b"]


async def test_what_is_withdrawn_stays_open_for_the_agreements_that_stand():
    house, kept = House(), at(Content())
    withdrawn = Asset(id="a", title="", source="", dictionary="", label={}, offers=(), offered=False)
    async with house.running(prepared("a", kept)) as assets:
        await assets.tried()
        await assets.hold([replace(prepared("a", kept), configured=withdrawn)])
        assert assets.sources["a"] == "its source"
        assert assets.configured == {"a": withdrawn}
        assert await house.offered() == []
        await assets.hold([prepared("a", kept)])
        assert await house.offered() == ["a"]
    async with house.running(replace(prepared("a", kept), configured=withdrawn)) as again:
        await again.tried()
        assert again.sources["a"] == "its source"
    assert await house.offered() == []
    labelled = await house.database.read(lambda tx: [one.id for one in tx.find(LABELS, limit=9)])
    assert labelled == ["a"]


async def test_the_log_says_who_changes_offers_and_how_much_is_asked_while_it_runs():
    house, kept, by = House(), at(Content()), "actor:" + "1" * 32
    first = replace(prepared("a", kept), questions=5)
    async with house.running(first) as assets:
        await assets.tried()
        before = len(await house.entries())
        more = replace(first, questions=9)
        for wanted in (first, more, replace(more, numbers=3), prepared("a", kept)):
            await assets.hold([wanted], by)
        await assets.hold([replace(prepared("b", at(Content())), numbers=2)], by)
    log = await house.database.read(lambda tx: [decode(e) for e in tx.log.entries(before, tx.log.size())])
    assert [entry.facts for entry in log if entry.kind == "questions.limited"] == [
        {"asset": "a", "questions": 9, "by": by},
        {"asset": "a", "questions": 9, "numbers": 3, "by": by},
        {"asset": "a", "by": by},
        {"asset": "b", "numbers": 2, "by": by},
    ]
    assert {entry.kind: entry.facts["by"] for entry in log} == dict.fromkeys(
        ("questions.limited", "offer.withdrawn", "offer.published", "label.changed"), by
    )
