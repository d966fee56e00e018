"""Kinds of entries that features add, and logs of programs that know more kinds than this one."""

from threading import Thread
from types import MappingProxyType

import pytest

from medspace.core.clock import stamp
from medspace.ledger import audit, bundle, kinds, lineage
from medspace.ledger.errors import KindRefusedError, MalformedEntryError, UnknownEntryKindError
from medspace.ledger.kinds import ENTRY_KINDS, TOPICS, EntryKind, FactType, find, kind, learn
from medspace.ledger.model import Entry, decode, shown
from medspace.ledger.report import ENTRIES, AuditOutcome
from tests.unit.ledger.story import BEGIN, COMPANY, NORTH, RUN, SOUTH, honest, trained, verify

TIME = stamp(BEGIN)
CONSENT = kind("consent.recorded", "asset commitment:digest", "until:time")
DIGEST = "sha256:" + "0" * 64
FACTS = {"asset": "heart", "commitment": DIGEST}


@pytest.fixture(autouse=True)
def _forgotten(monkeypatch):
    monkeypatch.setattr(kinds, "_learned", {})


def consented(space):
    """The story, with an entry of a feature in the middle of a hospital's log and at the end of the company's."""
    learn([CONSENT])
    for did in (NORTH, COMPANY):
        space.note(did, CONSENT.name, **FACTS)
    log = space.logs[NORTH]
    log.insert(len(log) // 2, Entry(CONSENT.name, log[len(log) // 2].time, NORTH, FACTS))
    return space


# --- adding one ----------------------------------------------------------------------------------------------------


def test_a_feature_adds_a_kind_with_one_call():
    with pytest.raises(UnknownEntryKindError):
        Entry(CONSENT.name, TIME, NORTH, FACTS)
    assert find(CONSENT.name) is None
    learn([CONSENT])
    entry = Entry(CONSENT.name, TIME, NORTH, FACTS)
    assert decode(entry.encode()) == entry
    assert find(CONSENT.name) == CONSENT
    assert CONSENT.optional == {"until": FactType.TIME}


def test_its_facts_are_held_to_their_forms_as_all_are():
    learn([CONSENT])
    for facts in ({**FACTS, "name": "Anna"}, {"asset": "heart"}, {**FACTS, "asset": "Anna Schmidt"}):
        with pytest.raises(MalformedEntryError):
            Entry(CONSENT.name, TIME, NORTH, facts)


def test_adding_it_again_changes_nothing():
    learn([CONSENT, CONSENT])
    learn([kind("consent.recorded", "asset commitment:digest", "until:time")])
    assert find(CONSENT.name) is CONSENT


def test_the_kinds_of_the_ledger_stay_as_they_are():
    before = dict(ENTRY_KINDS)
    learn([CONSENT])
    assert dict(ENTRY_KINDS) == before
    assert CONSENT.name not in ENTRY_KINDS
    assert all(find(name) is one for name, one in ENTRY_KINDS.items())


def test_a_kind_may_say_what_people_read_and_is_the_same_kind_with_other_words():
    spoken = kind("consent.recorded", "asset commitment:digest", "until:time", says="A consent was recorded")
    learn([spoken])
    learn([CONSENT])
    assert [one.says for one in kinds.learned()] == ["A consent was recorded"]


def of(name="consent.recorded", required=FACTS, optional=()):
    return EntryKind(name, dict.fromkeys(required, FactType.TOKEN), dict.fromkeys(optional, FactType.TOKEN))


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (kind("consent.recorded", "asset"), "of this name with other facts"),
        (kind("use.paid", "amount:number"), "the topic use is one of the ledger's own"),
        (kind("run.finished", "run"), "the topic run is one of the ledger's own"),
        (of("consent"), "two words"),
        (of("consent."), "two words"),
        (of("Consent.recorded"), "two words"),
        (of("consent.by.anna"), "two words"),
        (of("consent.recorded\n"), "two words"),
        (of("consent." + "x" * 60), "two words"),
        (of("consent.given", required=["Anna Schmidt"]), "not one word"),
        (of("consent.given", optional=["x" * 33]), "not one word"),
        (of("consent.given", required=["asset"], optional=["asset"]), "its fact asset is named twice"),
        (EntryKind("consent.given", {"asset": "text"}, {}), "its fact asset has the form text"),
        (EntryKind("consent.given", {}, MappingProxyType({"asset": str})), "its fact asset has the form"),
    ],
)
def test_a_kind_that_cannot_be_added_is_refused_and_no_other_with_it(wrong, reason):
    learn([CONSENT])
    with pytest.raises(KindRefusedError, match=reason) as caught:
        learn([kind("consent.withdrawn", "asset"), wrong])
    assert caught.value.code == "ledger.kind.refused"
    assert find("consent.withdrawn") is None
    assert find(CONSENT.name) is CONSENT


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ("asset:text", "its fact asset has the form text, which is not known"),
        ("asset asset:number", "its fact asset is named twice"),
    ],
)
def test_facts_are_declared_in_forms_that_there_are(facts, reason):
    for declared in ((facts, ""), ("", facts)):
        with pytest.raises(KindRefusedError, match=reason):
            kind("consent.recorded", *declared)


def test_features_may_be_added_at_once_and_of_two_that_differ_one_is_refused():
    refused = []

    def add(number):
        try:
            learn([kind(f"feature{'x' * number}.noted", "asset"), kind("contested.noted", f"fact_{'x' * number}")])
        except KindRefusedError as error:
            refused.append(error)

    threads = [Thread(target=add, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 7
    assert len(kinds._learned) == 2


# --- what is known and means nothing to the ledger ------------------------------------------------------------------


def test_what_a_feature_writes_is_audited_as_an_entry_and_left_to_the_feature():
    space, looked = consented(honest()), []
    report = space.audit()
    assert (report.outcome, report.findings) == (AuditOutcome.VERIFIED, ())
    verify(space.bundles(), beside=[lambda read: looked.extend(read[NORTH].others) or ()])
    assert [line.entry.kind for line in looked] == [CONSENT.name] * 2


# --- logs of programs that know more -------------------------------------------------------------------------------


def forget():
    kinds._learned.clear()


@pytest.mark.parametrize("story", [honest, trained])
def test_an_audit_says_which_entries_it_cannot_read_and_why(story):
    bundles = consented(story()).bundles()
    knowing = verify(bundles)
    forget()
    report = verify(bundles)
    assert report.outcome is AuditOutcome.UNVERIFIABLE
    unknown = [one for one in report.findings if one.code == "log.entries.unknown_kind"]
    assert sorted(one.origin for one in unknown) == sorted([NORTH, NORTH, COMPANY])
    assert {one.outcome for one in unknown} == {AuditOutcome.UNVERIFIABLE}
    assert str(unknown[0].text) == (
        "This program does not know entries of the kind consent.recorded: it is older than the program that wrote "
        "the log, or lacks a feature."
    )
    others = [one for one in report.findings if one not in unknown]
    assert others == list(knowing.findings)
    assert report.entries == knowing.entries
    assert report.count(ENTRIES).verified == knowing.count(ENTRIES).verified - 3


@pytest.mark.parametrize("topic", sorted(TOPICS))
def test_a_kind_that_a_later_version_adds_to_a_topic_of_the_ledger_ends_no_audit(topic):
    later = kind(f"{topic}.unheard_of", "asset")
    kinds._learned[later.name] = later
    space = honest()
    space.note(NORTH, later.name, asset="heart")
    bundles = space.bundles()
    forget()
    assert [one.code for one in verify(bundles).findings] == ["log.entries.unknown_kind"]


def test_a_bundle_carries_what_it_cannot_read():
    made = consented(honest()).bundle(NORTH)
    forget()
    assert bundle.read(bundle.render(made)) == made


def test_a_lineage_is_told_without_and_counts_what_is_left_out():
    bundles = consented(honest()).bundles()
    forget()
    logs = {one.origin: audit.readable(one) for one in bundles}
    assert {origin: log.left_out for origin, log in logs.items()} == {NORTH: 2, COMPANY: 1, SOUTH: 0}
    honestly = {one.origin: audit.readable(one) for one in honest().bundles()}
    assert lineage.tree(logs, RUN) == lineage.tree(honestly, RUN)


def test_one_s_own_log_is_shown_with_what_it_is_not_known_to_mean():
    learn([CONSENT])
    entry = Entry(CONSENT.name, TIME, NORTH, FACTS)
    told = {"kind": CONSENT.name, "time": TIME, "actor": NORTH}
    assert shown(entry.encode()) == told | {"facts": FACTS, "known": True}
    forget()
    assert shown(entry.encode()) == told | {"facts": {}, "known": False}
    with pytest.raises(MalformedEntryError):
        shown(b"{}")
