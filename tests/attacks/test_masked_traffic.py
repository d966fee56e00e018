"""All bytes that go between connectors in a masked run are written down: no number of a hospital is found in them.

Masks alone hide the sums, so that is measured where nothing is sealed; seals hide the rest, which is measured too.
Looked for are the sums that each hospital added, to every question, and those of any two or three of the four, as
text, as doubles and as words of the ring, in whatever is text, base64 or hex of what went over TCP, in chunks or
packed; the names of columns and persons; the model. The dictionary of the data names columns, and each hospital has
published it: its page of the catalogue, which a run reads before it asks anything, is the one thing left out. The
controls are the same run where masks are zero as well, searched for the sums of the first two questions, and where
questions go in the open.

Somebody on the way then changes answers, and no hospital is out for it; the control believes the status that is seen
there.

The same hospitals are then led by a coordinator that lies, and meet one of them that proposes something else: who is
named stands in their logs.
"""

import base64
import itertools
import re
import struct
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, replace

import msgspec
import numpy as np
import pytest

from medspace.adapters.http import peers
from medspace.adapters.http.peers import JobClient
from medspace.app.doors.sdk import SpaceError
from medspace.connector.usage.seats import Seats
from medspace.connector.usage.service import UsageControl
from medspace.learning.exact import FRACTION
from medspace.learning.glm.summing import GlmSumming
from medspace.runs import covers
from medspace.runs.masked import contributing, leading, messages, opening
from medspace.runs.masked import site as sides
from medspace.runs.masked.site import RING
from tests.e2e import relay
from tests.e2e.relay import Message
from tests.e2e.space import HOSPITALS, MASKED, add_masked, staged

COLUMNS = ("person", "age", "sex", "sbp", "disease")
ENCODED = re.compile(rb"[A-Za-z0-9_\-+/]{16,}={0,2}")
PACKED = re.compile(rb"(?i)transfer-encoding|content-encoding")
MARKS = 24  # bits
LEAST = 8  # characters of a number in text; shorter ones are found everywhere


@dataclass(frozen=True)
class Exchange:
    """One request to a connector's public side, and its answer."""

    asked: Message
    answered: Message

    @property
    def both(self):
        return self.asked, self.answered

    @property
    def path(self) -> str:
        return self.asked.head.split(b" ", 2)[1].decode()


@dataclass(frozen=True)
class Traffic:
    """What went over all connections while a run went on: as bytes of each direction, and read."""

    raw: list[bytes]
    exchanges: list[Exchange]

    @property
    def contents(self) -> list[bytes]:
        """Everything that is searched: the bytes as they went, and the bodies that went in chunks or packed."""
        return self.raw + [said.body for one in self.exchanges for said in one.both if PACKED.search(said.head)]


def exchanges(one):
    return [
        Exchange(*both)
        for both in zip(*(relay.messages(bytes(way)) for way in (one.said, one.answered)), strict=False)
    ]


def so_far(stage):
    """How much each connection has carried."""
    return {id(one): (len(one.said), len(one.answered), len(exchanges(one))) for one in stage.heard}


def since(stage, before):
    """What went over the wire since then."""
    raw, read = [], []
    for one in list(stage.heard):
        said, answered, count = before.get(id(one), (0, 0, 0))
        raw += [bytes(one.said[said:]), bytes(one.answered[answered:])]
        read += exchanges(one)[count:]
    return Traffic(raw, read)


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    with staged(tmp_path_factory.mktemp("traffic"), listens=True) as stage:
        add_masked(stage)
        stage.open()
        stage.admit()
        stage.agreements = [stage.agree("user", key) for key in HOSPITALS]
        yield stage


@contextmanager
def added(patch):
    """What each hospital adds to each total, in integers: by question and hospital."""
    found: dict[int, dict[str, list[int]]] = defaultdict(dict)
    honest = GlmSumming.told_sums

    def noted(self, admission, task, asked, shape, material, step_round):
        numbers, *rest = honest(self, admission, task, asked, shape, material, step_round)
        found[step_round][admission.holder] = numbers
        return numbers, *rest

    with patch.context() as noting:
        noting.setattr(GlmSumming, "told_sums", noted)
        yield found


def walked(stage, patch):
    """A run, what was heard of it, and what each hospital has added."""
    before = so_far(stage)
    with added(patch) as sums:
        run = stage.space("user").train(MASKED, stage.agreements, wait=240)
    assert run["state"] == "finished", run
    return run, since(stage, before), sums


def layers(content, depth=4):
    """The bytes, and whatever they encode, each once."""
    seen, waiting = set(), [(bytes(content), depth)]
    while waiting:
        one, left = waiting.pop()
        if one in seen:
            continue
        seen.add(one)
        if left:
            waiting += [(inner, left - 1) for text in ENCODED.findall(one) for inner in decoded(text)]
    return seen


def decoded(text):
    plain = text.rstrip(b"=").replace(b"-", b"+").replace(b"_", b"/")
    yield base64.b64decode(plain + b"=" * (-len(plain) % 4)) if len(plain) % 4 != 1 else b""
    if re.fullmatch(rb"[0-9a-f]+", text) and len(text) % 2 == 0:
        yield bytes.fromhex(text.decode())


def needles(sums):
    """Every form of every number of one to three hospitals: which number it is of."""
    found = {}
    for question, vectors in sums.items():
        for size in (1, 2, 3):
            for chosen in itertools.combinations(sorted(vectors), size):
                for place, number in enumerate(map(sum, zip(*(vectors[site] for site in chosen), strict=True))):
                    found |= dict.fromkeys(forms(number), (question, chosen, place))
    return found


def forms(number):
    value = number / 2**FRACTION
    if not number:
        return set()
    texts = {
        str(number),
        repr(value),
        f"{value:.10g}",
        f"{value:.12g}",
        number.to_bytes(24, "big", signed=True).hex(),
    }
    plain = {text.encode() for text in texts if len(text) >= LEAST}
    words = RING.to_bytes(RING.encode([number]))
    doubles = {struct.pack("<d", value), struct.pack(">d", value)} if value != round(value) else set()
    return plain | doubles | {words, words[::-1]}


def protocol(heard):
    """The questions of the run, each with its answer."""
    return [one for one in heard.exchanges if re.fullmatch(r"/jobs/[^/]+(/steps/[^/]+)?", one.path)]


def hits(contents, wanted):
    """The numbers of which some form is found."""
    begin = defaultdict(list)
    for form in wanted:
        begin[int.from_bytes(form[:LEAST], "little")].append(form)
    marks = np.zeros(1 << MARKS, dtype=bool)
    marks[marked(np.array(list(begin), dtype="<u8"))] = True
    seen, found = set(), set()
    for content in contents:
        for layer in layers(content) - seen:
            seen.add(layer)
            begun = {int(word) for words in windows(layer) for word in np.unique(words[marks[marked(words)]])}
            likely = (form for word in begun & begin.keys() for form in begin[word] if wanted[form] not in found)
            found |= {wanted[form] for form in likely if form in layer}
    return found


def marked(words):
    """Where words are marked in a table that most others can be told apart by, at once (Fibonacci hashing)."""
    return words * np.uint64(0x9E3779B97F4A7C15) >> np.uint64(64 - MARKS)


def windows(layer):
    """All runs of eight bytes, as integers."""
    for first in range(min(LEAST, len(layer) - LEAST + 1)):
        yield np.frombuffer(layer, "<u8", (len(layer) - first) // LEAST, first)


def in_the_open(patch):
    """Whoever leads the run seals nothing."""
    honest = JobClient.ask

    async def plain(self, *args, cover=None, **more):
        return await honest(self, *args, **more)

    patch.setattr(JobClient, "ask", plain)


def unsealed(patch):
    """Nothing is sealed on the way, and nobody minds: only masks are left."""
    in_the_open(patch)
    patch.setattr(Seats, "_check_sealed", lambda *_: None)


def test_no_sum_of_any_hospital_goes_over_the_wire(stage, monkeypatch, attack_report):
    unsealed(monkeypatch)
    _, heard, sums = walked(stage, monkeypatch)
    assert len(sums) > 3
    assert all(len(vectors) == 4 for vectors in sums.values())
    assert len(protocol(heard)) > 4 * 3 * len(sums)
    carried = [one for one in heard.exchanges if "/parts" in one.path]  # the vectors of the last question are large
    vector = len(sums[len(sums)][stage.nodes["north"].did]) * RING.size
    assert sum(len(one.answered.body) for one in carried) > 4 * vector
    wanted = needles(sums)
    assert hits(heard.contents, wanted) == set()
    of = len(set(wanted.values()))
    attack_report("masked rounds: sums of one to three hospitals on the wire", got=0, of=of, unit="numbers")


def names_found(stage, run, heard, published=r"/catalog/datasets/"):
    """Which names of columns and persons, and numbers of the model, are read where, but for what is published."""
    wanted = [f'"{name}"'.encode() for name in COLUMNS] + [b"Heart patients", b"sex=m", b"disease > 0"]
    wanted += [f'"p{seed}-'.encode() for seed in range(1, 5)]
    terms = stage.space("user").model(run["model"]["id"])["terms"]
    wanted += [one[name].encode() for one in terms for name in ("coefficient", "mean") if len(one[name]) > LEAST]
    found = set()
    for one in heard.exchanges:
        if not re.search(published, one.path):
            read = set().union(*(layers(part) for said in one.both for part in (said.head, said.body)))
            found |= {(needle, "/jobs/" in one.path) for needle in wanted for layer in read if needle in layer}
    return found


def test_no_column_and_no_person_goes_over_the_wire(stage, monkeypatch, attack_report):
    run, heard, sums = walked(stage, monkeypatch)
    assert hits(heard.contents, needles(sums)) == set()
    assert names_found(stage, run, heard) == set()
    assert (b'"sbp"', False) in names_found(stage, run, heard, "nothing")  # they would be read if they were there
    attack_report("masked rounds: names of columns read on the way", got=0, of=len(COLUMNS) - 1, unit="columns")


def test_in_the_open_all_of_them_would(stage, monkeypatch, attack_report):
    unsealed(monkeypatch)
    run, heard, _ = walked(stage, monkeypatch)
    found = {needle for needle, asked in names_found(stage, run, heard) if asked}
    columns = found & {f'"{name}"'.encode() for name in COLUMNS}
    assert len(columns) == len(COLUMNS) - 1  # that of the persons is in no task
    assert found - columns  # numbers of the model as well
    attack_report(
        "masked rounds: names of columns read on the way", control=len(columns), of=len(COLUMNS) - 1, unit="columns"
    )


def test_a_question_in_the_open_is_refused(stage, monkeypatch):
    in_the_open(monkeypatch)
    before = {key: len(stage.entries(key, "use.admitted")) for key in HOSPITALS}
    with pytest.raises(SpaceError) as refused:
        stage.space("user").train(MASKED, stage.agreements, wait=240)
    assert "not sealed" in str(refused.value)
    assert before == {key: len(stage.entries(key, "use.admitted")) for key in HOSPITALS}


def test_an_answer_that_is_asked_for_later_is_sealed_as_well(stage, monkeypatch):
    honest = UsageControl.ask

    def impatient(self, call, seconds, answers=None):
        return honest(self, call, 0.0 if answers and call.step.name in ("share", "result") else seconds, answers)

    monkeypatch.setattr(UsageControl, "ask", impatient)
    run, heard, _ = walked(stage, monkeypatch)
    later = [one for one in protocol(heard) if "/steps/" in one.path]
    assert len(later) >= 4
    assert all(covers.MEDIA_TYPE.encode() in one.answered.head for one in later)
    assert names_found(stage, run, heard) == set()


def test_without_masks_all_of_them_would(stage, monkeypatch, attack_report):
    unsealed(monkeypatch)
    monkeypatch.setattr(contributing, "masked", lambda words, *_: words)
    monkeypatch.setattr(opening, "unmasked", lambda total, *_: total)
    _, heard, sums = walked(stage, monkeypatch)
    wanted = needles({question: sums[question] for question in (1, 2)})
    found = hits(heard.raw, wanted)
    alone = {number for number in wanted.values() if len(number[1]) == 1}
    assert alone <= found
    attack_report(
        "masked rounds: sums of one to three hospitals on the wire",
        control=len(found),
        of=len(set(wanted.values())),
        unit="numbers",
    )


# --- somebody on the way who changes what goes over it --------------------------------------------------------------
SEALED = b"content-type: " + covers.MEDIA_TYPE.encode()
NO = b'{"code":"use.refused","reason":["No."]}'
REFUSAL = b"HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(NO), NO)


def other_status(block):
    return re.sub(rb"\AHTTP/1.1 20[02] [^\r]*", b"HTTP/1.1 403 Forbidden", block)


def in_its_place(_block):
    return REFUSAL


@contextmanager
def meddling(patch, change, most):
    """So many sealed answers are changed on the way; yields those that were."""
    changed = []

    def passed_on(block):
        is_one = block.startswith(b"HTTP/1.1 20") and SEALED in block.lower()
        if not is_one or len(changed) >= most:
            return block
        changed.append(block)
        return change(block)

    with patch.context() as between:
        between.setattr(relay, "passed_on", passed_on)
        yield changed


MEDDLERS = {
    "the status of all of them": (other_status, 10_000),
    "a refusal in the open": (in_its_place, 1),
}


@pytest.mark.parametrize("way", MEDDLERS)
def test_who_changes_answers_on_the_way_puts_no_hospital_out(stage, monkeypatch, way):
    with meddling(monkeypatch, *MEDDLERS[way]) as changed:
        run = stage.space("user").train(MASKED, stage.agreements, wait=240)
    assert (run["state"], run["faults"]) == ("finished", [])
    assert changed


@pytest.mark.parametrize("way", MEDDLERS)
def test_where_what_is_seen_on_the_way_counts_it_would(stage, monkeypatch, way):
    honest = peers._uncovered

    def believing(url, answer, *sealed):
        return replace(honest(url, answer, *sealed), status=answer.status)

    monkeypatch.setattr(peers, "_uncovered", believing)
    monkeypatch.setattr(peers, "_in_the_open", lambda _url, answer: peers._refusal(answer))
    with meddling(monkeypatch, *MEDDLERS[way]), pytest.raises(SpaceError) as refused:
        stage.space("user").train(MASKED, stage.agreements, wait=240)
    assert str(refused.value).startswith(("http.403", "use.refused"))


# --- who is named in the logs --------------------------------------------------------------------------------------
def named(stage, patch):
    """Whom each hospital names after a run that fails, and with which code."""
    before = {key: len(stage.entries(key, "use.withheld")) for key in HOSPITALS}
    with pytest.raises(SpaceError):
        stage.space("user").train(MASKED, stage.agreements, wait=240)
    patch.undo()
    facts = [entry["facts"] for key in HOSPITALS for entry in stage.entries(key, "use.withheld")[before[key] :]]
    return {(one["code"], one.get("named")) for one in facts}


def test_a_coordinator_that_lies_stands_in_the_logs(stage, monkeypatch):
    def other_signatures(self):
        first = min(self.said)
        return {site: str(self.said[first]["signed"]) for site in self.said}

    honest = leading.Gathered.open

    def lying(self):
        made = honest(self)
        return msgspec.structs.replace(made, texts=other_signatures(self))

    monkeypatch.setitem(leading._AFTER, leading.AGREE, lying)
    assert named(stage, monkeypatch) == {("masked.refused", stage.nodes["user"].did)}


def test_a_proposer_that_lies_stands_in_the_logs(stage, monkeypatch):
    chosen = []
    honest = sides._Sitting.propose

    def proposing(self):
        chosen.append(self.keys.holder)
        return honest(self)

    written = messages.written

    def lying(message):
        another = {"step": ["1"] * 4}
        is_one = isinstance(message, messages.QuestionProposal)
        return written(msgspec.structs.replace(message, proposal=another) if is_one else message)

    monkeypatch.setitem(sides._STEPS, "propose", proposing)
    monkeypatch.setattr(messages, "written", lying)
    assert named(stage, monkeypatch) == {("masked.message", chosen[0])}
