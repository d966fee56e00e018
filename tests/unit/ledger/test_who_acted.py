"""What a log says of who acted: read by an audit, and held against itself where two had to say yes."""

import pytest

from medspace.core.clock import stamp
from medspace.ledger.model import Entry
from medspace.ledger.report import AuditOutcome
from tests.unit.ledger.story import BEGIN, COMPANY, NORTH, honest, verify

LI, WANG = (f"actor:{number * 32}" for number in "12")


def approved(*, first=LI, second=WANG):
    """An honest space in whose hospital two persons let the first answer go."""
    space = honest()
    at = space.find(NORTH, "use.released")
    released = space.logs[NORTH][at]
    said = {"admission": released.facts["admission"]}
    for kind, facts in (("use.held", said), ("use.approved", said | {"by": first})):
        space.logs[NORTH].insert(at, Entry(kind, released.time, NORTH, facts))
        at += 1
    space.edit(NORTH, at, by=second)
    return space


def test_an_answer_that_two_persons_let_go_is_as_good_as_any():
    report = verify(approved().bundles())
    assert report.outcome is AuditOutcome.VERIFIED


def test_one_person_who_stands_for_two_shows():
    report = verify(approved(second=LI).bundles())
    assert report.outcome is AuditOutcome.FAILED
    assert [finding.code for finding in report.findings] == ["release.admitted.one_person"]


@pytest.mark.parametrize(
    ("kind", "facts"),
    [
        ("negotiation.approved", {"pid": "urn:n:9", "counterparty": COMPANY, "asset": "heart", "by": LI}),
        ("sites.accepted", {"asset": "heart", "sites": [NORTH], "by": LI}),
        ("questions.limited", {"asset": "heart", "questions": 11, "by": LI}),
        ("questions.limited", {"asset": "heart", "numbers": 7}),
        ("offer.withdrawn", {"asset": "heart", "by": LI}),
        ("key.made", {"key": "0" * 16, "by": LI}),
        ("key.revoked", {"key": "0" * 16, "by": LI}),
        ("token.created", {"token": "a", "of": WANG, "scopes": ["read"], "expires": stamp(BEGIN), "by": LI}),
        ("token.revoked", {"token": "a", "of": WANG, "by": LI}),
        ("token.revoked", {"token": "a", "of": WANG, "code": "connector.restored"}),
    ],
)
def test_what_persons_do_changes_nothing_of_what_is_held_against_other_logs(kind, facts):
    space = honest()
    space.note(NORTH, kind, **facts)
    assert verify(space.bundles()).outcome is AuditOutcome.VERIFIED


def test_entries_without_an_actor_are_read_as_before():
    space = honest()
    assert not any("by" in entry.facts for log in space.logs.values() for entry in log)
    assert verify(space.bundles()).outcome is AuditOutcome.VERIFIED


def changed(*, first=LI, by=WANG, last=LI):
    """A first person let an answer go, a second one had it made anew with less in it, then a last one let it go."""
    space = approved(first=first, second=last)
    at = space.find(NORTH, "use.approved") + 1
    before = space.logs[NORTH][at - 1]
    facts = {"admission": before.facts["admission"], "by": by, "left_out": ["glm.quality"]}
    space.logs[NORTH].insert(at, Entry("use.changed", before.time, NORTH, facts))
    return space


def test_who_had_let_it_go_before_a_change_may_let_it_go_again():
    assert verify(changed().bundles()).outcome is AuditOutcome.VERIFIED


def test_one_person_who_stands_for_two_after_a_change_shows():
    space = changed()
    at = space.find(NORTH, "use.changed") + 1
    facts = {"admission": space.logs[NORTH][at - 1].facts["admission"], "by": LI}
    space.logs[NORTH].insert(at, Entry("use.approved", space.logs[NORTH][at - 1].time, NORTH, facts))
    assert [finding.code for finding in verify(space.bundles()).findings] == ["release.admitted.one_person"]
