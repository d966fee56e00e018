"""Replaying masked runs from records: what does not follow is found, with whom it names."""

import json
from contextlib import suppress

import msgspec
import pytest

from medspace.core.canonical import exact
from medspace.core.hashing import digest, digest_bytes
from medspace.core.text import Text
from medspace.ledger.model import Entry
from medspace.ledger.report import AuditOutcome
from medspace.ledger.statements import LogLine, read
from medspace.runs.errors import RunError
from medspace.runs.masked import records, replay
from medspace.runs.masked.errors import RecordsMalformedError, TotalInvalidError
from medspace.runs.masked.messages import PROPOSE
from medspace.runs.masked.replay import Records, ShownRecord
from tests.masked import QUESTIONS, USER, Coordinated, Toy, names, seated

TASK = {"task": "toy"}
RUN = "urn:run:by-hand"
TIME = "2029-01-01T00:00:00.000Z"
SITES = names(4)
FIRST = SITES[0]


class Cheap(Toy):
    """A task at sites that do not look: whatever is proposed follows."""

    def follow(self, state, total, proposal, sites=0):
        return {"question": state["question"] + 1, "about": proposal["half"], "persons": total[2]}

    def propose(self, state, total):
        return {"half": str(total[0] // 2 + 1)}


class Doubtful(Toy):
    """A task whose totals are all doubted, so that a run ends at the first one."""

    def check(self, state, total, sites):
        raise TotalInvalidError(round=1, reason=Text("it is in doubt"))


def played(toy=None):
    """The records of each site of a run, in the order of its releases."""
    table = Coordinated(seated((11, 22, 33, 44), toy=toy))
    with suppress(RunError):
        table.to_the_end()
    return {
        site: [output.record.decode() for _, output in seat.said if output.record is not None]
        for site, seat in table.sites.items()
    }


@pytest.fixture(scope="module")
def honest():
    return played()


def log(site, texts, *, run=RUN, task=TASK):
    """A log that noted these records."""
    lines = []
    for number, text in enumerate(texts):
        facts = {
            "admission": f"urn:a:{number}",
            "agreement": "urn:agreement",
            "transfer": "urn:t",
            "user": USER,
            "asset": "a",
            "use_kind": "medspace:train",
            "purpose": "p",
            "task": digest(exact(task)),
            "round": number,
            "step": "contribute",
            "question": digest({}),
            "run": run,
            "manifest": digest({"manifest": 1}),
        }
        released = {"release": f"urn:r:{number}", "admission": f"urn:a:{number}", "output": "x", "round": number}
        released |= {"digest": digest({}), "record": digest_bytes(text.encode())}
        lines += [Entry("use.admitted", TIME, site, facts), Entry("use.released", TIME, site, released)]
    return read(site, [LogLine(index, entry) for index, entry in enumerate(lines)])


def shown(site, texts, **changes):
    said = {"format": replay.FORMAT, "origin": site, "run": RUN, "task": TASK} | changes
    return Records(**said, records=tuple(ShownRecord(2 * number + 1, text) for number, text in enumerate(texts)))


def changed(text, **fields):
    return records.written(msgspec.structs.replace(records.read(text), **fields)).decode()


def checked(noted, seen=None, task=Toy()):  # noqa: B008 - it has no state
    logs = {site: log(site, texts) for site, texts in noted.items()}
    files = [shown(site, texts) for site, texts in (noted if seen is None else seen).items()]
    return list(replay.check(files, lambda _: task, logs))


def wrong(found):
    return {(one.code, one.origin) for one in found if one.outcome is AuditOutcome.FAILED}


def test_every_record_of_an_honest_run_follows(honest):
    found = checked(honest)
    assert {one.outcome for one in found} == {AuditOutcome.VERIFIED}, found
    assert len(found) == 2 * QUESTIONS * len(SITES)
    assert all(len(texts) == QUESTIONS for texts in honest.values())


def test_records_of_one_question_are_the_same_but_for_their_salt(honest):
    first = [records.read(texts[0]) for texts in honest.values()]
    assert len({one.content for one in first}) == 1
    assert len({one.salt for one in first}) == len(SITES)


def test_the_records_of_one_site_suffice(honest):
    assert not wrong(checked({FIRST: honest[FIRST]}))


def test_a_proposal_that_does_not_follow_names_who_proposed_it(honest):
    dishonest = played(Cheap())
    found = checked(dishonest)
    assert {code for code, _ in wrong(found)} == {"run.followed.not_followed"}
    proposers = {records.read(texts[0]).proposer for texts in dishonest.values()}
    assert len(proposers) == 1
    assert any(proposers.pop() in str(one.text) for one in found if one.code == "run.followed.not_followed")


def test_a_fit_that_begins_again_without_a_site_that_left_follows():
    toy, gone = Toy(restarts=True), set()
    sites = seated(range(1, 11), leaving=range(10), toy=toy)
    table = Coordinated(sites, gone=lambda site, _step, _question: site in gone)
    table.until("contribute", 3)
    gone.add(names(10)[4])
    table.to_the_end()
    (texts,) = [[o.record.decode() for _, o in sites[FIRST].said if o.record is not None]]
    assert len(texts) == QUESTIONS + 3
    assert not wrong(checked({FIRST: texts}, task=toy))
    assert not wrong(checked({FIRST: texts[2:]}, task=toy))  # nobody knows who was there before
    assert wrong(checked({FIRST: texts}, task=Toy())) == {("run.followed.not_followed", FIRST)}
    stayed = [changed(text, sites=list(names(10))) for text in texts]  # a task begins again for no other reason
    assert wrong(checked({FIRST: stayed}, task=toy)) == {("run.followed.not_followed", FIRST)}


def test_control_the_same_records_follow_where_nobody_looks():
    assert not wrong(checked(played(Cheap()), task=Cheap()))


@pytest.mark.parametrize(
    ("number", "fields", "codes"),
    [
        (1, {"proposal": {"half": "7"}}, {"followed.not_followed", "record.other_record"}),
        (1, {"total": ["1", "2"]}, {"followed.total", "record.other_record"}),
        (1, {"total": ["-1", "0", "80"]}, {"followed.total", "record.other_record"}),
        (1, {"state": {}}, {"followed.other_state", "followed.no_state", "record.other_record"}),
        (0, {"state": {}}, {"followed.other_state", "followed.no_state", "record.other_record"}),
        (2, {"following": {}}, {"followed.other_following", "record.other_record"}),
        (2, {"following": None}, {"followed.no_reason", "record.other_record"}),
        (1, {"sites": []}, {"followed.total", "record.other_record"}),
    ],
)
def test_a_site_that_recorded_a_lie_is_named(honest, number, fields, codes):
    texts = list(honest[FIRST])
    texts[number] = changed(texts[number], **fields)
    found = checked({**honest, FIRST: texts})
    assert wrong(found) == {(f"run.{code}", FIRST) for code in codes}
    said = [str(one.text) for one in found if one.code == "run.record.other_record"]
    assert all(FIRST in sentence for sentence in said)


def test_behind_a_gap_a_state_is_taken_as_it_was_recorded(honest):
    texts = honest[FIRST]
    found = checked({FIRST: [texts[0], texts[2]]})
    assert not wrong(found)
    malformed = changed(texts[2], state={"question": "x", "about": "0"})
    assert wrong(checked({FIRST: [texts[0], malformed]})) == {("run.followed.no_state", FIRST)}


def test_a_question_after_the_last_does_not_follow(honest):
    texts = honest[FIRST]
    last = records.read(texts[-1])
    more = changed(texts[-1], question=last.question + 1, state=last.following, following={})
    assert ("run.followed.total", FIRST) in wrong(checked({FIRST: [*texts, more]}))


def test_a_run_that_led_nowhere_is_seen_to_have_led_nowhere():
    nowhere = played(Toy(nowhere=True))
    assert sum(map(len, nowhere.values())) == 1  # the proposer's: no other site heard of it
    found = checked({site: texts for site, texts in nowhere.items() if texts}, task=Toy(nowhere=True))
    assert not wrong(found)
    assert {code for code, _ in wrong(checked(nowhere))} == {"run.followed.no_reason"}


def test_a_total_that_was_refused_is_refused_again():
    doubted = {site: texts for site, texts in played(Doubtful()).items() if texts}
    assert not wrong(checked(doubted, task=Doubtful()))
    assert {code for code, _ in wrong(checked(doubted))} == {"run.followed.no_reason"}


# -- what is shown, against the log


def test_what_is_shown_is_what_the_log_noted(honest):
    texts = honest[FIRST]
    other = changed(texts[1], salt="0" * 64)
    for seen in ([texts[0], other, texts[2]], [texts[0], "no record", texts[2]], [texts[1], texts[0], texts[2]]):
        found = checked(honest, {FIRST: seen})
        assert {code for code, _ in wrong(found)} == {"run.record.changed"}


def test_what_the_log_noted_may_be_no_record(honest):
    found = checked({FIRST: ["no record", *honest[FIRST][1:]]})
    assert wrong(found) == {("run.record.malformed", FIRST)}


def test_what_is_not_shown_is_told(honest):
    found = checked(honest, {FIRST: honest[FIRST][:2]})
    assert [one.code for one in found if one.outcome is AuditOutcome.UNVERIFIABLE] == ["run.record.not_shown"]


def test_a_record_of_nothing_proves_nothing(honest):
    logs = {FIRST: log(FIRST, honest[FIRST])}
    text = honest[FIRST][0]
    files = [
        msgspec.structs.replace(
            shown(FIRST, []), records=(ShownRecord(0, text), ShownRecord(99, text), ShownRecord(1, text))
        )
    ]
    found = list(replay.check(files, lambda _: Toy(), logs))
    assert [one.code for one in found if one.outcome is AuditOutcome.FAILED] == ["run.record.no_release"] * 2


def test_a_record_twice_is_one(honest):
    file = shown(FIRST, honest[FIRST])
    twice = msgspec.structs.replace(file, records=(*file.records, file.records[0]))
    found = list(replay.check([twice], lambda _: Toy(), {FIRST: log(FIRST, honest[FIRST])}))
    assert sum(one.check == "run.record" for one in found) == QUESTIONS


@pytest.mark.parametrize("changes", [{"run": "urn:run:other"}, {"task": {"task": "other"}}, {"task": {"x": 2**60}}])
def test_records_under_another_name_are_found(honest, changes):
    files, logs = [shown(FIRST, honest[FIRST], **changes)], {FIRST: log(FIRST, honest[FIRST])}
    assert wrong(replay.check(files, lambda _: Toy(), logs)) == {("run.record.other_run", FIRST)}


def test_what_cannot_be_computed_here_is_told(honest):
    assert {one.code for one in checked(honest, task=None)} == {"run.record", "run.followed.no_task"}
    found = list(replay.check([shown(FIRST, honest[FIRST])], lambda _: Toy(), {}))
    assert [one.code for one in found] == ["run.record.no_log"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"no JSON", "not JSON"),
        (b"\xff", "not JSON"),
        (b'{"format":"medspace-records-2"}', "must be one of these"),
        (
            b'{"format":"medspace-records-1","origin":"x","run":"r","task":{},"records":[],"more":1}',
            "not a known setting",
        ),
    ],
)
def test_a_file_that_holds_something_else_is_refused(content, reason):
    with pytest.raises(RecordsMalformedError, match=reason):
        replay.read(content)


def test_a_file_is_read_as_it_was_written(honest, monkeypatch):
    file = shown(FIRST, honest[FIRST])
    content = json.dumps(msgspec.to_builtins(file)).encode()
    assert replay.read(content) == file
    monkeypatch.setattr(replay, "LARGEST_FILE", 10)
    with pytest.raises(RecordsMalformedError, match="larger than 10 bytes"):
        replay.read(content)


def test_the_proposer_records_at_its_turn_and_the_others_at_the_next_question():
    table = Coordinated(seated((11, 22, 33, 44)))
    table.until("contribute", 2)
    recorded = {site for site, seat in table.sites.items() for _, output in seat.said if output.record is not None}
    asked = {site for site, seat in table.sites.items() for step, _ in seat.said if step.name == PROPOSE}
    assert recorded == asked


class Anew(Toy):
    """A task that begins again once a site has left."""

    def without(self, state):
        return self.first()

    def asked(self, state):
        return None if state["question"] > 2 else super().asked(state)


def test_a_task_that_begins_again_with_fewer_sites_has_followed():
    gone = set()
    table = Coordinated(
        seated(range(1, 11), leaving=range(10), toy=Anew()), gone=lambda site, _step, _question: site in gone
    )
    table.until("contribute", 2)
    gone.add(names(10)[4])
    with suppress(RunError):
        table.to_the_end()
    texts = [output.record.decode() for _, output in table.sites[FIRST].said if output.record is not None]
    found = [records.read(text) for text in texts]
    assert [len(one.sites) for one in found] == [10, 9, 9, 9]
    assert found[1].following == Anew().first()
    assert not wrong(checked({FIRST: texts}, task=Anew()))
    assert not wrong(checked({FIRST: texts[1:]}, task=Anew()))  # how many there were before is not shown
    assert wrong(checked({FIRST: texts}, task=Toy())) == {("run.followed.not_followed", FIRST)}


def test_with_as_many_sites_as_before_nothing_begins_again(honest):
    texts = list(honest[FIRST])
    texts[1] = changed(texts[1], following=Toy().first())
    assert ("run.followed.other_following", FIRST) in wrong(checked({FIRST: texts}, task=Anew()))


def led(honest, outcome, texts=None):
    logs = {FIRST: log(FIRST, texts or honest[FIRST])}
    return wrong(replay.check([shown(FIRST, texts or honest[FIRST])], lambda _: Toy(), logs, {RUN: outcome}))


def test_what_was_signed_is_what_the_last_question_leads_to(honest):
    state = records.read(honest[FIRST][-1]).following
    assert led(honest, Toy().outcome(state)) == set()
    assert led(honest, {"about": "1", "persons": 80}) == {("run.followed.other_outcome", FIRST)}


def test_without_an_end_nothing_is_told_of_the_outcome(honest):
    texts = list(honest[FIRST])
    for following, code in (({}, "run.followed.other_following"), (None, "run.followed.no_reason")):
        lies = [*texts[:2], changed(texts[2], following=following)]
        assert led(honest, {}, lies) == {(code, FIRST)}
