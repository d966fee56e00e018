"""Labels as they are put in force: whose word counts, what the log says of it, which uses end."""

import asyncio
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medspace.adapters.memory import MemoryDatabase, SeededRandomness
from medspace.connector.errors import CrossedError, UnknownDatasetError
from medspace.connector.local import Local
from medspace.connector.model import CATALOGUE, Dataset
from medspace.connector.usage.errors import NotAdmittedError, WithheldError
from medspace.connector.usage.labelling import close_all, configure, reset, set_label, unconfirmed
from medspace.connector.usage.model import LABELS, Labelled
from medspace.connector.usage.terminations import Terminations
from medspace.core.decision import combine
from medspace.core.hashing import digest
from medspace.ledger.model import decode
from medspace.policy import labels
from medspace.policy.errors import InvalidLabelError
from tests.unit.connector.uses import ASSET, HOLDER, LABEL, PURPOSE, TASK, House, admitted_house, call

OTHER = "dpv:PublicBenefit"
WRITTEN = labels.write(labels.parse(LABEL))
NARROW = WRITTEN | {"purposes": [OTHER]}


LI = "actor:" + "1" * 32


class Shelf:
    """One asset of one holder."""

    def __init__(self, house=None):
        house = house or House()
        self.local = Local(HOLDER, "https://clinic.example", house.clock, SeededRandomness())
        self.database = MemoryDatabase()

    async def do(self, verb, *more):
        return await self.database.write(lambda tx: verb(tx, self.local, ASSET, *more))

    async def labelled(self):
        return await self.database.read(lambda tx: tx.get(LABELS, ASSET))

    async def changes(self):
        """The changes that the log has, as (before, after)."""
        entries = await self.database.read(lambda tx: [decode(e) for e in tx.log.entries(0, tx.log.size())])
        assert all(entry.kind == "label.changed" and entry.facts["asset"] == ASSET for entry in entries)
        return [(entry.facts.get("before"), entry.facts.get("label")) for entry in entries]


async def test_labels_that_are_closed_stay_so_until_a_person_says_something():
    shelf = Shelf()
    await shelf.do(configure, WRITTEN)
    assert await shelf.database.write(lambda tx: close_all(tx, shelf.local)) == [ASSET]
    assert unconfirmed(await shelf.labelled())
    again = await shelf.database.write(lambda tx: close_all(tx, shelf.local))
    assert again == [], "a start that is killed does it again"
    await shelf.do(configure, WRITTEN)  # the next start
    assert unconfirmed(await shelf.labelled())
    await shelf.do(reset, LI)
    assert (await shelf.labelled()).label == WRITTEN
    assert not unconfirmed(await shelf.labelled())


@pytest.mark.parametrize("configured", [{}, labels.write(labels.parse({})), WRITTEN])
async def test_who_allows_nothing_waits_for_nobody(configured):
    shelf = Shelf()
    await shelf.do(configure, configured)
    await shelf.do(set_label, {}, LI)
    assert await shelf.database.write(lambda tx: close_all(tx, shelf.local)) == []
    assert not unconfirmed(await shelf.labelled())


async def test_each_change_is_one_entry_of_digests():
    shelf = Shelf()
    await shelf.do(configure, WRITTEN)
    await shelf.do(set_label, NARROW)
    await shelf.do(reset)
    await shelf.do(configure, None)
    first, narrow = digest(WRITTEN), digest(NARROW)
    assert await shelf.changes() == [(None, first), (first, narrow), (narrow, first), (first, None)]
    assert await shelf.labelled() is None


async def test_what_changes_nothing_is_not_noted():
    shelf = Shelf()
    for verb, *more in ((configure, WRITTEN), (configure, WRITTEN), (set_label, LABEL), (reset,)):
        await shelf.do(verb, *more)
    assert len(await shelf.changes()) == 1
    assert await shelf.labelled() == Labelled(ASSET, WRITTEN)


async def test_a_person_s_word_holds_until_the_configuration_says_something_else():
    shelf = Shelf()
    await shelf.do(configure, WRITTEN)
    await shelf.do(set_label, NARROW)
    assert await shelf.do(configure, WRITTEN) == NARROW  # a restart
    edited = WRITTEN | {"regions": ["EU"]}
    assert await shelf.do(configure, edited) == edited
    assert await shelf.labelled() == Labelled(ASSET, edited)


async def test_a_record_of_the_version_before_is_the_configuration_s():
    shelf = Shelf()
    await shelf.database.write(lambda tx: tx.insert(LABELS, Labelled(ASSET, WRITTEN)))
    await shelf.do(set_label, {})
    assert await shelf.labelled() == Labelled(ASSET, labels.write(labels.parse({})), WRITTEN)
    await shelf.do(reset)
    assert await shelf.labelled() == Labelled(ASSET, WRITTEN)


async def test_the_catalogue_names_the_label_in_force():
    shelf = Shelf()
    dataset = Dataset(ASSET, "", "", (), (), (), digest(WRITTEN), "")
    await shelf.database.write(lambda tx: tx.insert(CATALOGUE, dataset))
    await shelf.do(configure, WRITTEN)
    await shelf.do(set_label, NARROW)
    assert (await shelf.database.read(lambda tx: tx.get(CATALOGUE, ASSET))).label == digest(NARROW)


async def test_what_has_no_meaning_and_what_is_not_held_are_refused():
    shelf = Shelf()
    for verb, *more in ((set_label, NARROW), (reset,)):
        with pytest.raises(UnknownDatasetError):
            await shelf.do(verb, *more)
    await shelf.do(configure, WRITTEN)
    for bad in ({"purposes": ["fun"]}, {"colour": "red"}, {"kinds": "medspace:train"}):
        with pytest.raises(InvalidLabelError):
            await shelf.do(set_label, bad)
    assert await shelf.labelled() == Labelled(ASSET, WRITTEN)


SAID = st.sampled_from([WRITTEN, NARROW, WRITTEN | {"regions": ["EU"]}])


@given(st.lists(st.tuples(st.sampled_from([configure, set_label, reset]), SAID), max_size=12))
def test_the_log_tells_every_label_that_was_ever_in_force(story):
    async def tell():
        shelf = Shelf()
        await shelf.do(configure, WRITTEN)
        forced, last = [digest(WRITTEN)], WRITTEN
        for verb, label in story:
            await shelf.do(verb, *(() if verb is reset else (label,)))
            last = label if verb is configure else last
            now = await shelf.labelled()
            assert (now.configured or now.label) == last
            if forced[-1] != digest(now.label):
                forced.append(digest(now.label))
        changes = await shelf.changes()
        assert [after for _, after in changes] == forced
        assert [before for before, _ in changes] == [None, *forced[:-1]]

    asyncio.run(tell())


# --- which uses end ---------------------------------------------------------------------------------------------


async def ending_house():
    house, token = await admitted_house()
    house.ended = []
    house.end = lambda use, decision: house.ended.append((use, decision.failures[0].clause))
    house.build()
    return house, token


async def test_a_step_under_a_narrowed_label_ends_the_use():
    house, token = await ending_house()
    await house.control.step(call(token))
    await house.relabel(NARROW)
    with pytest.raises(NotAdmittedError, match=r"label\.purposes"):
        await house.control.step(call(token, round=2))
    assert house.ended == [("urn:job:1", "label.purposes")]


async def test_a_step_that_is_answered_meanwhile_ends_it_at_the_gate():
    house, token = await ending_house()
    house.engine.before = lambda: asyncio.run(house.relabel(NARROW))
    with pytest.raises(WithheldError, match=r"label\.purposes"):
        await house.control.step(call(token))
    assert house.ended == [("urn:job:1", "label.purposes")]


@pytest.mark.parametrize(
    "before",
    [
        lambda house, token: house.relabel(NARROW),  # nothing was asked yet: its user can ask for another purpose
        lambda house, token: house.control.step(call(token)),  # what is wrong is the next step's own task
    ],
)
async def test_a_step_that_asks_for_too_much_by_itself_is_refused_and_no_more(before):
    house, token = await ending_house()
    await before(house, token)
    purpose = PURPOSE if await house.job() and not (await house.job()).task else "dpv:Marketing"
    with pytest.raises(NotAdmittedError):
        await house.control.step(call(token, round=2, task=TASK | {"purpose": purpose}))
    assert house.ended == []


async def test_an_agreement_that_ends_leaves_the_use_to_its_user():
    house, token = await ending_house()
    await house.control.step(call(token))
    house.clock.advance(400 * 24 * 3600)
    with pytest.raises(NotAdmittedError):
        await house.control.step(call(token, round=2))
    assert house.ended == []


# --- the messages that end them ---------------------------------------------------------------------------------


async def decisions():
    """A decision of a label against a use."""
    house, token = await admitted_house()
    asked = []
    house.end = lambda use, decision: asked.append(decision)
    house.build()
    await house.control.step(call(token))
    await house.relabel(NARROW)
    with pytest.raises(NotAdmittedError):
        await house.control.step(call(token, round=2))
    return asked[0]


async def test_the_other_side_is_told_the_clause_and_the_words(caplog):
    told, done = [], asyncio.Event()

    async def terminate(use, code, *reasons):
        told.append((use, code, reasons))
        if use == "urn:job:1":
            raise CrossedError(pid=use)  # a completion is under way: it ends by itself
        done.set()

    terminations = Terminations(terminate)
    decision = await decisions()
    terminations.ask("urn:job:2", decision)
    terminations.ask("urn:job:1", decision)
    terminations.ask("urn:job:1", decision)
    with caplog.at_level(logging.WARNING):
        working = asyncio.create_task(terminations.run())
        await done.wait()
    working.cancel()
    assert sorted(use for use, _, _ in told) == ["urn:job:1", "urn:job:2"]
    assert {code for _, code, _ in told} == {"label.purposes"}
    assert all("label.purposes: " in reasons[0] for _, _, reasons in told)
    assert [record.message for record in caplog.records] == ["termination.failed"]


async def test_what_no_clause_of_the_label_says_is_told_by_the_code_of_the_decision():
    told, done = [], asyncio.Event()

    async def terminate(use, code, *reasons):
        told.append((code, reasons))
        done.set()

    terminations = Terminations(terminate)
    working = asyncio.create_task(terminations.run())
    terminations.ask("urn:job:1", combine())
    await done.wait()
    working.cancel()
    assert told == [("decision.none", ())]
