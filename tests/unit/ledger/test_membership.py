"""Who was a member when, from lists and from the authority's log."""

from datetime import UTC, datetime, timedelta

import pytest

from medspace.core.clock import stamp
from medspace.core.hashing import digest_bytes
from medspace.ledger import membership, statements
from medspace.ledger.membership import MembershipStatus, MembersList
from medspace.ledger.model import Entry
from medspace.ledger.report import AuditOutcome, LogPosition
from medspace.ledger.statements import LogLine

AUTHORITY, CLINIC = "did:web:authority.example", "did:web:clinic.example"
BEGIN = datetime(2026, 11, 23, 12, tzinfo=UTC)
KEYS = {AUTHORITY: b"a" * 32, CLINIC: b"c" * 32}
PLACE = LogPosition(CLINIC)


def at(hours):
    return BEGIN + timedelta(hours=hours)


def listed(hours, *, without=(), issuer=AUTHORITY, valid=24, keys=None):
    keys = {did: key for did, key in (KEYS | (keys or {})).items() if did not in without}
    return MembersList(f"list {hours} {sorted(keys.items())}", issuer, at(hours), at(hours + valid), keys)


def log(origin, *entries):
    lines = [
        LogLine(n, Entry(kind, stamp(at(hours)), origin, facts)) for n, (hours, kind, facts) in enumerate(entries)
    ]
    return lines, statements.read(origin, lines)


def authority(*events):
    facts = {"member.admitted": {"member": CLINIC}, "member.removed": {"member": CLINIC}}
    return log(AUTHORITY, *((hours, kind, facts.get(kind, {"asset": "x"})) for hours, kind in events))[1]


def standing(hours, lists, said=None):
    since = membership.standings(CLINIC, lists, said)
    before = [one for time, one in since if time <= stamp(at(hours))]
    return before[-1] if before else MembershipStatus.NOT_YET


def test_without_the_authority_s_log_the_lists_say_who_went():
    lists = [listed(1), listed(5, without=[CLINIC])]
    said = [standing(hours, lists) for hours in (0, 1, 2, 5, 5.1)]
    member, between, removed = MembershipStatus.MEMBER, MembershipStatus.BETWEEN, MembershipStatus.REMOVED
    assert said == [member, member, between, between, removed]
    assert standing(5.1, [*lists, listed(9)]) is member  # it came back at some time
    assert standing(26, lists) is removed


def test_the_authority_s_log_says_it_to_the_millisecond():
    said = authority((0, "member.admitted"), (3, "member.removed"), (4, "offer.withdrawn"))
    lists = [listed(0.5), listed(3, without=[CLINIC])]
    found = [standing(hours, lists, said) for hours in (-1, 0, 2.9999, 3, 99)]
    assert found == [MembershipStatus.NOT_YET, *[MembershipStatus.MEMBER] * 2, *[MembershipStatus.REMOVED] * 2]


def test_behind_the_authority_s_log_the_lists_say_the_rest():
    said = authority((0, "member.admitted"), (1, "offer.withdrawn"))
    gone = [listed(0.5), listed(6, without=[CLINIC])]
    found = [standing(hours, gone, said) for hours in (1, 2, 6.1)]
    assert found == [MembershipStatus.MEMBER, MembershipStatus.BETWEEN, MembershipStatus.REMOVED]
    went_and_came = authority((0, "member.admitted"), (1, "member.removed"))
    assert standing(2, [listed(5)], went_and_came) is MembershipStatus.MEMBER


def test_the_last_list_says_nothing_once_it_expired():
    lists = [listed(0), listed(10)]
    assert [standing(hours, lists) for hours in (33, 34)] == [MembershipStatus.MEMBER, MembershipStatus.EXPIRED]


def test_a_removal_and_an_admission_in_the_same_minute_are_in_their_order():
    said = authority((0, "member.admitted"), (2, "member.removed"), (2.01, "member.admitted"))
    times = [time for time, _ in membership.standings(CLINIC, [], said)]
    assert times == sorted(times)
    assert (
        standing(2.005, [], said) is MembershipStatus.MEMBER
    )  # clocks differ: it counts as admitted a little earlier


OWN = {"asset": "heart"}
FAILURE = {"run": "urn:run:1", "code": "x.y"}
START = {"run": "urn:run:1", "task": "sha256:" + "0" * 64, "agreements": [], "sites": [], "protection": "none"}


@pytest.mark.parametrize(
    ("standing", "entry", "outcome"),
    [
        (MembershipStatus.MEMBER, ("run.started", START), AuditOutcome.VERIFIED),
        (MembershipStatus.REMOVED, ("run.started", START), AuditOutcome.FAILED),
        (MembershipStatus.REMOVED, ("run.failed", FAILURE), AuditOutcome.UNVERIFIABLE),
        (MembershipStatus.REMOVED, ("offer.withdrawn", OWN), AuditOutcome.VERIFIED),
        (MembershipStatus.BETWEEN, ("run.started", START), AuditOutcome.UNVERIFIABLE),
        (MembershipStatus.EXPIRED, ("run.started", START), AuditOutcome.UNVERIFIABLE),
    ],
)
def test_an_entry_lies_within_the_membership_of_its_signer(standing, entry, outcome):
    lines, said = log(CLINIC, (1, *entry))
    (found,) = membership.check(said, lines, [("", standing)])
    assert found.outcome is outcome


def test_of_many_entries_outside_the_first_is_named():
    lines, said = log(CLINIC, *((hours, "run.started", START) for hours in (1, 2, 3)))
    (found,) = membership.check(said, lines, [(stamp(at(9)), MembershipStatus.MEMBER)])
    assert (found.code, found.index) == ("log.membership.not_yet", 0)
    found = list(
        membership.check(said, lines, [("", MembershipStatus.MEMBER), (stamp(at(1.5)), MembershipStatus.REMOVED)])
    )
    assert [(one.code, one.index) for one in found] == [("log.membership.removed", 1)]
    assert stamp(at(1.5)) in str(found[0].text)
    assert stamp(at(2)) in str(found[0].text)


def test_lists_that_contradict_each_other():
    mine = listed(1)
    assert not list(membership.contradictions(mine, [mine, listed(2)], PLACE))
    for other, code in (
        (listed(1, without=[CLINIC]), "contradiction"),
        (listed(1, keys={CLINIC: b"d" * 32}), "contradiction"),
        (listed(2, issuer="did:web:other.example"), "two_issuers"),
    ):
        (found,) = membership.contradictions(mine, [mine, other], PLACE)
        assert (found.code, found.outcome) == (f"log.members.{code}", AuditOutcome.FAILED)


def test_a_list_is_in_the_authority_s_log():
    mine = listed(1)

    def said(text, until):
        return log(
            AUTHORITY,
            (0, "members.published", {"list": digest_bytes(text.encode())}),
            (until, "offer.withdrawn", OWN),
        )[1]

    assert not list(membership.not_published(mine, said(mine.text, 2), PLACE))
    assert not list(membership.not_published(mine, log(AUTHORITY, (5, "offer.withdrawn", OWN))[1], PLACE))
    (found,) = membership.not_published(mine, said("another", 2), PLACE)
    assert (found.code, found.outcome) == ("log.members.not_published", AuditOutcome.FAILED)
    (found,) = membership.not_published(mine, said("another", 0.5), PLACE)
    assert (found.code, found.outcome) == ("log.members.too_short", AuditOutcome.UNVERIFIABLE)


def test_a_key_that_a_later_list_replaced_signs_nothing_more():
    other = listed(2, keys={CLINIC: b"d" * 32})
    _, short = log(CLINIC, (1, "offer.withdrawn", OWN))
    _, long = log(CLINIC, (3, "offer.withdrawn", OWN))
    assert not list(membership.replaced_key(short, KEYS[CLINIC], [listed(1), other]))
    assert not list(membership.replaced_key(long, KEYS[CLINIC], [listed(1), listed(2, without=[CLINIC])]))
    (found,) = membership.replaced_key(long, KEYS[CLINIC], [listed(1), other])
    assert found.outcome is AuditOutcome.FAILED
