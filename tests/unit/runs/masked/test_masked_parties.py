"""Late and double messages, keys that change, clocks that go back: a clear error, never a partial opening."""

from dataclasses import replace
from datetime import timedelta

import pytest

from medspace.adapters.memory import ManualClock
from medspace.connector.usage.memory import MOST_MEMORY
from medspace.connector.usage.seats import SiteIdentity
from medspace.core.errors import MedspaceError
from medspace.core.signing import MldsaKey
from medspace.privacy.masking.ring import MOST_NUMBERS
from medspace.runs.masked.memory import Agreed, MaskSecrets, QuestionStage, Remembered, kept
from medspace.runs.masked.messages import STEPS
from medspace.runs.masked.ports import Shape
from medspace.runs.masked.site import RING
from medspace.trust.errors import MldsaKeyUnknownError, NotMemberError
from tests.attacks.masked_spying import memory, took
from tests.masked import CLOCK, Toy, at, names
from tests.runs import Everybody
from tests.signing import ring_of

SITES = names(4)
PEER = SITES[1]
PLACES = [("contribute", 1), ("agree", 1), ("open", 1), ("contribute", 2), ("agree", 2), ("result", 3)]


def answers(table, lie=lambda _, step: step):
    found = {}
    for site, due in table.due().items():
        try:
            found[site] = table.sites[site].do(lie(site, due))
        except MedspaceError as error:
            found[site] = error
    return found


def looked(table, members, clock=CLOCK):
    """The sites see this list of members, at this time."""
    for seat in table.sites.values():
        seat.keys = replace(seat.keys, identity=SiteIdentity(seat.keys.identity.signer, members, None, clock))


def replaced():
    members, ring = Everybody(hybrid=True), ring_of(PEER)
    members.rings[PEER] = replace(ring, known=(MldsaKey(ring_of("another").known[0].public, 0),))
    return members


def needing_nobody(table):
    """Who proposed last opened the last total then, and reads no message any more."""
    return {table.state["proposer"]} if table.state["next"] == "result" else set()


@pytest.mark.parametrize(("step", "question"), PLACES)
def test_a_peer_whose_key_is_another_one_in_the_middle_is_not_gone_on_with(step, question):
    table = at(step, question)
    before = {site: seat.memory for site, seat in table.sites.items()}
    looked(table, replaced())
    said = answers(table)
    assert set(took(said)) <= needing_nobody(table)
    refused = {site: one for site, one in said.items() if site not in took(said)}
    assert all(isinstance(one, MldsaKeyUnknownError) and str(one.advice) for one in refused.values())
    assert all(table.sites[site].memory == before[site] for site in refused)


@pytest.mark.parametrize(("step", "question"), PLACES)
def test_a_peer_that_is_no_member_any_more_is_not_gone_on_with(step, question):
    table = at(step, question)
    looked(table, Everybody([PEER], hybrid=True))
    said = answers(table)
    assert set(took(said)) <= needing_nobody(table)
    assert all(isinstance(one, NotMemberError) for site, one in said.items() if site not in took(said))


@pytest.mark.parametrize("back", [timedelta(minutes=1), timedelta(days=900)])
def test_a_clock_that_is_set_back_changes_no_bit(back):
    """Keys of before their time would not count; those of a run have none, and rounds are no times."""
    table = at("agree", 2)
    looked(table, Everybody(hybrid=True), ManualClock(CLOCK.now() - back))
    assert table.to_the_end().content["opened"]["digest"] == at("result", 3).to_the_end().content["opened"]["digest"]


@pytest.mark.parametrize("step", STEPS[1:5])
def test_late_and_double_mail_of_earlier_steps_is_not_looked_at(step):
    """Each site finds, beside what it needs, whatever its peers have sent it before under other names."""
    table = at(step, 2)
    late = {f"{peer}#late": text for peer, text in at("agree", 1).mail[SITES[0]].items()}
    table.carry = lambda _, due: replace(due, inbox={**due.inbox, **late})
    assert table.to_the_end().content["opened"]["digest"] == at("result", 3).to_the_end().content["opened"]["digest"]


def test_nothing_is_opened_by_a_site_that_refuses():
    table = at("open", 1)
    first = table.due()
    refused = answers(table, lambda _, due: replace(due, inputs={**due.inputs, "texts": {}}))
    assert took(refused) == []
    assert all(
        memory(seat).turn is QuestionStage.AGREED and memory(seat).opening is None for seat in table.sites.values()
    )
    assert set(first) == set(SITES)


def test_what_a_site_remembers_of_the_largest_run_fits():
    """A total of 64 k numbers among 100 seats with long names."""
    seats, digest = (
        [f"did:web:hospital-{number:03d}.example.org%3A8443:connector" for number in range(100)],
        "sha256:" + "0" * 64,
    )
    seed, hashes = bytes(32), dict.fromkeys(seats, digest)
    masks = MaskSecrets(seed, dict.fromkeys(seats, seed), digest, bytes(33))
    total = bytes(MOST_NUMBERS * RING.size)
    known = Agreed(
        hashes, (), total, "A" * 30_000, hashes, {}, dict.fromkeys(seats, hashes), dict.fromkeys(seats, bytes(33))
    )
    remembered = Remembered(
        QuestionStage.AGREED, secrets=dict.fromkeys(seats, seed), question=1, masks=masks, agreed=known
    )
    assert MOST_MEMORY // 2 < len(kept(remembered)) <= MOST_MEMORY


def test_more_numbers_than_fit_are_refused(monkeypatch):
    monkeypatch.setattr(Toy, "shape", lambda *_: Shape(MOST_NUMBERS + 1, 8, 1))
    said = answers(at("contribute", 1))
    assert took(said) == []
    assert all("do not fit under the masks" in str(one.text) for one in said.values())
