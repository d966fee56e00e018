"""All bytes that go between connectors in a masked run are written down: no number of a hospital is found in them.

Looked for are the sums that each hospital added, to every question, and those of any two or three of the four, as
text, as doubles and as words of the ring, in whatever is text, base64 or hex of what went over TCP, in chunks or
not; and names of columns and persons. The document of the task names columns, since its user chose them: it is taken
out of each question first. The control is the same run where masks are zero, searched
for the sums of the first two questions.

The same hospitals are then led by a coordinator that lies, and meet one of them that proposes something else: who is
named stands in their logs.
"""

import base64
import itertools
import json
import re
import struct
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass

import msgspec
import numpy as np
import pytest

from medspace.app.sdk import SpaceError
from medspace.learning.glm.exact import FRACTION
from medspace.learning.glm.summing import GlmSumming
from medspace.runs.masked import contributing, leading, messages, opening
from medspace.runs.masked import site as sides
from medspace.runs.masked.site import RING
from tests.e2e import relay
from tests.e2e.relay import Message
from tests.e2e.space import HOSPITALS, MASKED, add_masked, staged

COLUMNS = ("person", "age", "sex", "sbp", "disease")
ENCODED = re.compile(rb"[A-Za-z0-9_\-+/]{16,}={0,2}")
MARKS = 24  # bits
LEAST = 8  # characters of a number in text; shorter ones are found everywhere


@dataclass(frozen=True)
class Exchange:
    """One request to a connector's public side, and its answer."""

    asked: Message
    answered: Message

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
        """Everything that is searched: the bytes as they went, and the bodies that went in chunks."""
        said = [message for one in self.exchanges for message in (one.asked, one.answered)]
        return self.raw + [message.body for message in said if b"chunked" in message.head.lower()]


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
    honest = GlmSumming.sums

    def noted(self, admission, task, asked, shape, material, step_round):
        numbers, persons = honest(self, admission, task, asked, shape, material, step_round)
        found[step_round][admission.holder] = numbers
        return numbers, persons

    with patch.context() as noting:
        noting.setattr(GlmSumming, "sums", noted)
        yield found


def walked(stage, patch):
    """A run, what was heard of it, and what each hospital has added."""
    before = so_far(stage)
    with added(patch) as sums:
        run = stage.space("user").train(MASKED, stage.agreements, wait=240)
    assert run["state"] == "finished", run
    return run, since(stage, before), sums


def without_task(body):
    """A question without the document of its task."""
    try:
        said = json.loads(body)
    except ValueError:
        return bytes(body)
    if isinstance(said, dict):
        said.pop("task", None)
    return json.dumps(said).encode()


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


def test_no_sum_of_any_hospital_goes_over_the_wire(stage, monkeypatch, attack_report):
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


def test_no_column_and_no_person_goes_over_the_wire(stage, monkeypatch):
    _, heard, _ = walked(stage, monkeypatch)
    wanted = [f'"{name}"'.encode() for name in COLUMNS] + [b"Heart patients", b"sex=m", b"disease > 0"]
    wanted += [f'"p{seed}-'.encode() for seed in range(1, 5)]
    for one in protocol(heard):
        said = without_task(one.asked.body)
        outcome = b'"glm.model"' in one.answered.body  # the model has its terms, and goes to its user
        for content in (said, b"" if outcome else one.answered.body, one.asked.head, one.answered.head):
            for layer in layers(content):
                assert [needle for needle in wanted if needle in layer] == [], (one.path, said[:200])


def test_without_masks_all_of_them_would(stage, monkeypatch, attack_report):
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
        is_one = isinstance(message, messages.Proposal)
        return written(msgspec.structs.replace(message, proposal=another) if is_one else message)

    monkeypatch.setitem(sides._STEPS, "propose", proposing)
    monkeypatch.setattr(messages, "written", lying)
    assert named(stage, monkeypatch) == {("masked.message", chosen[0])}
