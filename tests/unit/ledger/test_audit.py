import json
from datetime import timedelta

import msgspec
import pytest

from medspace.core.canonical import LARGEST_INTEGER
from medspace.core.clock import stamp
from medspace.core.errors import ProofError
from medspace.core.hashing import digest
from medspace.ledger import audit, merkle, note, statements
from medspace.ledger.bundle import FORMAT, Bundle
from medspace.ledger.kinds import ENTRY_KINDS, FactType
from medspace.ledger.model import Checkpoint, Entry
from medspace.ledger.note import SignedNote
from medspace.ledger.report import (
    BUDGET,
    CHECKS,
    DELEGATED,
    ENTRIES,
    FOLLOWED,
    HISTORY,
    INCLUDED,
    MASKED,
    PAID,
    QUESTION,
    RECORD,
    SIGNED,
    AuditOutcome,
)
from medspace.ledger.statements import FIRST, LAST, later
from tests.unit.ledger.story import (
    AUTHORITY,
    BEGIN,
    COMPANY,
    MEMBERS,
    NORTH,
    NOW,
    RUN,
    SIGNERS,
    honest,
    trained,
    verify,
)


def signed(texts):
    """A bundle of the northern hospital that holds whatever it likes, properly signed."""
    tree = merkle.Tree(merkle.leaf_hash(text.encode()) for text in texts)
    state = Checkpoint(NORTH, tree.size, tree.root(tree.size))
    text = SignedNote(note.checkpoint_text(state)).signed(NORTH, SIGNERS[NORTH]).render()
    return Bundle(format=FORMAT, origin=NORTH, checkpoint=text, members=MEMBERS, entries=tuple(texts))


def test_an_honest_story_is_verified():
    space = honest()
    report = space.audit()
    assert report.outcome is AuditOutcome.VERIFIED
    assert report.findings == ()
    assert report.logs == tuple(sorted(space.logs))
    assert report.entries == sum(len(log) for log in space.logs.values())
    asked = {check.name for check in CHECKS} - {HISTORY.name, INCLUDED.name, QUESTION.name, DELEGATED.name}
    asked -= {MASKED.name, RECORD.name, FOLLOWED.name, SIGNED.name, BUDGET.name, PAID.name}
    assert {count.check for count in report.counts} == asked
    assert all(count.outcome is AuditOutcome.VERIFIED and count.verified for count in report.counts)


def test_earlier_checkpoints_are_held_against_the_log():
    space = honest()
    kept = [space.checkpoint(NORTH, size=size).note for size in (0, 1, 5, 11)]
    report = verify(space.bundles(), kept)
    assert report.outcome is AuditOutcome.VERIFIED
    assert report.count(HISTORY).verified == 4


def test_earlier_checkpoints_may_travel_in_the_bundle():
    space = honest()
    earlier = tuple(space.checkpoint(NORTH, size=size).note for size in (3, 11))
    report = verify([msgspec.structs.replace(space.bundle(NORTH), earlier=earlier)])
    assert report.count(HISTORY).verified == 2


def test_an_empty_log_proves_nothing():
    report = verify([signed([])])
    assert (report.entries, report.logs, report.outcome) == (0, (NORTH,), AuditOutcome.UNVERIFIABLE)
    assert report.count(ENTRIES).outcome is AuditOutcome.UNVERIFIABLE
    assert [finding.code for finding in report.findings] == ["log.entries.empty"]


def test_what_a_newer_program_wrote_is_unverifiable_here():
    text = json.dumps(
        {"actor": NORTH, "facts": {}, "kind": "moon.landed", "time": stamp(BEGIN)}, separators=(",", ":")
    )
    report = verify([signed([text])])
    assert [finding.code for finding in report.findings] == ["log.entries.unknown_kind"]
    assert report.outcome is AuditOutcome.UNVERIFIABLE
    assert "moon.landed" in str(report.findings[0].text)


def test_an_entry_with_personal_data_is_a_failure_even_if_signed():
    entry = Entry("offer.withdrawn", stamp(BEGIN), NORTH, {"asset": "heart"}).encode().decode()
    report = verify([signed([entry.replace("heart", "Anna Lindgren"), entry])])
    assert [(finding.code, finding.index) for finding in report.findings] == [("log.entries.malformed", 0)]
    assert "Lindgren" not in str(report.findings[0].text)
    assert report.count(ENTRIES).verified == 1
    assert report.logs == (NORTH,)  # it is what the member signed all the same


def test_the_reader_of_the_members_list_is_told_list_and_key():
    told = []

    def read_list(text, authority_key):
        told.append((text, authority_key))
        raise ProofError(reason="no")

    report = audit.verify([signed([])], AUTHORITY, NOW, read_list)
    assert told == [(MEMBERS, AUTHORITY)]
    assert report.outcome is AuditOutcome.FAILED


def stopped():
    """A run that failed before it noted an answer, beside a hospital's entries on a privacy budget."""
    space = trained()
    space.drop(COMPANY, space.find(COMPANY, "run.round", 1))
    space.note(COMPANY, "run.failed", run=RUN, code="run.lost")
    said = {"asset": "heart", "agreement": "urn:agreement:1", "transfer": "urn:transfer:1", "rho": "2"}
    period = {"since": stamp(BEGIN), "until": stamp(BEGIN + timedelta(days=365))}
    limit = {"epsilon": "1", "delta": "0.00001", "unit": "patient", "rho": "2"}
    paid = {"user": COMPANY, "task": digest(1), "rounds": 2, "each": ["1", "1"], "opens": ["open"], "taken": "2"}
    space.note(NORTH, "budget.set", asset="heart", **limit, **period)
    space.note(NORTH, "budget.debited", **said, **paid)
    space.note(NORTH, "budget.refunded", **said)
    space.note(NORTH, "budget.renewed", asset="heart", **period, vouched=stamp(BEGIN))
    return space


def spoiled(entry):
    """The entry with each of its values in turn at the edge of what its form takes."""
    edges = {
        FactType.TIME: (FIRST, LAST),
        FactType.NUMBER: (0, LARGEST_INTEGER),
        FactType.TOKEN: ("9" * 256, "-1", "1e999", "nan"),
        FactType.TOKENS: ([], ["9" * 256], ["nan", "-1"]),
        FactType.DIDS: ([],),
        FactType.ANSWERS: ([],),
    }
    forms = {**ENTRY_KINDS[entry.kind].required, **ENTRY_KINDS[entry.kind].optional}
    for time in (FIRST, LAST):
        yield Entry(entry.kind, time, entry.actor, entry.facts)
    for name in entry.facts:
        for edge in edges.get(forms[name], ()):
            yield Entry(entry.kind, entry.time, entry.actor, entry.facts | {name: edge})


def test_no_value_that_an_entry_may_have_ends_the_audit():
    space, seen = stopped(), set()
    for log in space.logs.values():
        for index, entry in enumerate(log):
            if entry.kind not in seen:
                seen.add(entry.kind)
                for spoilt in spoiled(entry):
                    log[index] = spoilt
                    assert len(space.audit().logs) == len(space.logs)
                log[index] = entry
    assert {"run.failed", "budget.debited", "budget.renewed", "use.admitted"} <= seen


def test_later_stays_within_the_times_that_there_are():
    assert later(LAST, timedelta(seconds=1)) == LAST
    assert later(FIRST, -timedelta(seconds=1)) == FIRST
    assert later(FIRST, timedelta(seconds=1)) == "0001-01-01T00:00:01.000Z"


@pytest.mark.parametrize(("after", "code"), [(0, []), (1, ["budget.kept.unsigned"])])
def test_a_new_period_is_vouched_for_by_a_members_list_among_the_bundles(after, code):
    space, year = honest(), timedelta(days=365)
    limit = {"epsilon": "1", "delta": "0.00001", "unit": "patient", "rho": "2"}
    space.note(NORTH, "budget.set", asset="heart", **limit, since=stamp(BEGIN - year), until=stamp(BEGIN))
    vouched = stamp(BEGIN + timedelta(seconds=after))  # the list of the story is dated BEGIN
    space.note(NORTH, "budget.renewed", asset="heart", since=vouched, until=stamp(BEGIN + 2 * year), vouched=vouched)
    assert [one.code for one in space.audit().findings] == code
    assert space.audit().budgets[0].periods[1].vouched == vouched


def test_findings_are_sentences():
    report = honest().audit(without=[NORTH])
    assert {str(finding.text) for finding in report.findings} == {f"The log of {NORTH} is not here, or not proven."}
    assert str(report.counts[0].says) == "Each members list is signed by the authority."


def test_a_log_is_readable_without_proof():
    read = audit.readable(signed(["no entry", *honest().bundle(NORTH).entries]))
    assert len(read.releases) == len(read.admissions) == 2
    assert next(iter(read.agreements.values())).digests == {digest({"@id": "urn:agreement:north.example"})}


def test_every_kind_of_entry_has_a_reader():
    """A kind that no audit can read would end the audit of every log that has one."""
    assert {kind.partition(".")[0] for kind in ENTRY_KINDS} == set(statements._READERS)
