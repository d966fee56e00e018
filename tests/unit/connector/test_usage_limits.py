"""Whatever the gate lets through fits through the door and into the client; what is larger is refused before."""

import random
import threading
from dataclasses import replace

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medspace.adapters.http.client import HttpClient
from medspace.adapters.http.errors import AnswerTooLargeError
from medspace.adapters.http.guard import Guard
from medspace.adapters.http.peers import LARGEST_ANSWER, JobClient
from medspace.adapters.runner.thread import ThreadPool
from medspace.app.doors.bodies import LARGEST_STEP
from medspace.app.doors.protocol.public import _answer
from medspace.connector.usage import legible, rules
from medspace.connector.usage.errors import ReleaseTooLargeError, StepError, UnknownJobError
from medspace.core.engine import WORD
from medspace.core.errors import InvalidInputError
from medspace.core.limits import ANSWER, DEEPEST, ENVELOPE, FEW, LEAVES, MAIL, PART, PARTS, RELEASE, STEP
from medspace.core.parts import Part, flaw_of_part
from medspace.core.text import Text
from medspace.core.usage import Output, Release, Step, release_digest
from tests.admissions import admission
from tests.unit.adapters.http_servers import answer, serving
from tests.unit.adapters.test_http_parts import Named
from tests.unit.connector.uses import TASK, admitted_house, call

HOLDER = "did:web:hospital.example"
LONGEST_PART = Part("f" * 64, f"{'a' * 49}/{'b' * 50}", PART)

leaves = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(-(2**53) + 1, 2**53 - 1),
    st.booleans(),
    st.none(),
    st.text(max_size=WORD),
)
trees = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=20), inner, max_size=5),
    max_leaves=20,
)


def released(values, parts=()):
    """The release that the gate makes of values, or None."""
    output = Output("count.sum", values, 50, parts)
    found = rules.measured(admission(), output, 1)
    if rules.oversized(found) or not found.digest:
        return None
    return Release("urn:uuid:" + "0" * 36, "a" * 36, output.kind, 10**6, values, 2**53, found.digest, 2**53, parts)


def sent(release):
    return msgspec.json.encode(_answer(release))


def filled(leaf, size=RELEASE):
    """Values of just below so many bytes, or of as many leaves as there may be."""
    cost = len(msgspec.json.encode(leaf)) + 1
    return {"v": [leaf] * min((size - len('{"v":[]}')) // cost, LEAVES)}


def test_the_limits_agree():
    assert (LARGEST_ANSWER, LARGEST_STEP, RELEASE + MAIL + ENVELOPE) == (ANSWER, STEP, ANSWER)
    assert flaw_of_part(LONGEST_PART) is None
    assert len(msgspec.json.encode([LONGEST_PART] * PARTS)) < ENVELOPE // 2
    step = Step({}, 1, "a" * 64, parts=(LONGEST_PART,) * PARTS)
    assert len(msgspec.json.encode(step)) < STEP // 4


@given(st.dictionaries(st.text(max_size=WORD), trees, max_size=5))
def test_what_the_gate_lets_through_is_what_arrives(values):
    release = released(values, (LONGEST_PART,))
    if release is None:
        return
    said = msgspec.json.decode(sent(release))
    parts = msgspec.convert(said["parts"], tuple[Part, ...])
    assert release_digest(said["kind"], 1, 50, said["values"], parts=parts) == release.digest


@settings(max_examples=4)
@given(leaves)
def test_the_largest_release_of_any_leaf_fits_with_all_that_is_said_beside_it(leaf):
    values = filled(leaf)
    output = Output("k" * 100, values, 50, (LONGEST_PART,) * PARTS)
    assert rules._count(values, DEEPEST) <= LEAVES
    size = len(msgspec.json.encode(values))
    assert size <= RELEASE
    whole = Release("r" * 100, "a" * 100, output.kind, 10**6, values, 2**53, "d" * 71, 2**53, output.parts)
    assert len(sent(whole)) <= ANSWER


async def test_the_largest_release_comes_through_the_client():
    """Numbers of full length, more of them than ever came through, up to the last byte."""
    rng = random.Random(3)
    values = {"v": [rng.uniform(-1, 1) * 10.0 ** rng.randrange(-300, 300) for _ in range(340_000)]}
    release = released(values)
    assert release is not None
    body = sent(release)
    async with serving(answer(body=body), answer(body=b'{"v":"%s"}' % (b"0" * ANSWER))) as server:
        client = HttpClient(Guard(loopback=True))
        jobs = JobClient(client, Named())
        got = await jobs.ask(server.url(), "token", Step({}, 1, "sum"), HOLDER)
        assert got["digest"] == release.digest
        assert release_digest(got["kind"], 1, 50, got["values"]) == release.digest
        with pytest.raises(AnswerTooLargeError):
            await jobs.ask(server.url(), "token", Step({}, 1, "sum"), HOLDER)
        await client.close()


@pytest.mark.parametrize(
    "values",
    [{"v": [0] * (LEAVES + 1)}, {"v": [1.0000000000000002e-300] * 440_000}, {"v": ["x" * 100] * 100_000}],
    ids=["numbers", "doubles", "words"],
)
async def test_what_is_too_large_is_refused_and_said_before_it_is_logged(values):
    house, token = await admitted_house()
    house.engine.output = Output("count.sum", values, 50)
    with pytest.raises(StepError) as refused:
        await house.control.step(call(token))
    assert isinstance(refused.value.__cause__, ReleaseTooLargeError)
    admitted, ended = await house.log()
    assert (ended.kind, ended.facts["code"]) == ("use.withheld", "release.too_large")
    assert ended.facts["admission"] == admitted.facts["admission"]
    house.engine.output = Output("count.sum", {"v": [1.0] * 1000}, 50)  # the control
    await house.control.step(call(token, round=2))


async def test_a_step_is_digested_for_who_has_a_right_to_ask_and_for_nobody_else():
    house, token = await admitted_house()
    for shown, error in (("guessed", UnknownJobError), (token, StepError)):
        with pytest.raises(error):
            await house.control.step(call(shown, inputs={"x": float("nan")}))


@pytest.mark.parametrize("small", [False, True])
async def test_counting_and_digesting_hold_up_neither_the_loop_nor_the_log(monkeypatch, small):
    """What is large is never looked through in the loop; nothing is, within the transaction."""
    house, token = await admitted_house()
    if not small:
        house.engine.output = Output("count.sum", {"v": list(range(FEW + 1))}, 50)
    here, seen = threading.get_ident(), []

    def noted(module, name):
        work = getattr(module, name)

        def note(*given):
            seen.append((name, threading.get_ident() == here, house.writing))
            return work(*given)

        monkeypatch.setattr(module, name, note)

    write = house.database.write

    async def writing(work):
        house.writing = True
        try:
            return await write(work)
        finally:
            house.writing = False

    house.writing = False
    monkeypatch.setattr(house.database, "write", writing)
    noted(rules, "measured")
    noted(legible, "digests_of")
    await house.control.step(replace(call(token), small=small))
    assert seen == [("digests_of", small, False), ("measured", small, False)]


async def test_a_small_task_is_shown_to_its_engine_once_and_what_it_cannot_run_each_time():
    house, token = await admitted_house(count=5)
    looked = []

    def check(task):
        looked.append(task)
        if "moon" in task:
            raise InvalidInputError(reason=Text("it asks for the moon"))

    house.engine.check = check
    for number in (1, 2):
        assert await house.control.step(replace(call(token, round=number), small=True))
    assert looked == [TASK]
    with pytest.raises(StepError, match="sum, mean"):
        await house.control.step(replace(call(token, round=3, name="median"), small=True))
    moon = TASK | {"moon": 1.5}
    for _ in range(2):
        with pytest.raises(StepError, match="the moon"):
            await house.control.step(replace(call(token, round=3, task=moon), small=True))
    assert looked == [TASK, moon, moon]


async def test_of_small_tasks_the_last_are_remembered_by_what_they_say(monkeypatch):
    monkeypatch.setattr(legible, "KEPT", 1)
    house, _ = await admitted_house()
    looked = []
    house.engine.check = looked.append
    read = legible.Legible(ThreadPool())
    for number in (1.5, 1.5, "1.5", 1.5):
        await read.digests(house.engine, replace(call("", task={"x": number}), small=True))
    assert looked == [{"x": 1.5}, {"x": "1.5"}, {"x": 1.5}]


SMALL_VALUES = {"a": [1, 2.5, True, None, "word"], "b": ({"c": -1},)}


@pytest.mark.parametrize(
    ("values", "more", "small"),
    [
        (SMALL_VALUES, {}, True),
        ({"v": [0] * (FEW - 1)}, {}, True),
        ({"v": [0] * FEW}, {}, False),
        ({str(number): [] for number in range(FEW + 1)}, {}, False),
        ({"v": "x" * (WORD + 1)}, {}, False),
        ({"x" * (WORD + 1): 1}, {}, False),
        ({"v": b"bytes"}, {}, False),
        ({"v": {1, 2}}, {}, False),
        (SMALL_VALUES, {"outbox": {HOLDER: "sealed"}}, False),
        (SMALL_VALUES, {"parts": (LONGEST_PART,)}, False),
    ],
)
def test_only_few_plain_leaves_are_small(values, more, small):
    assert rules.is_small(Output("count.sum", values, 50, **more)) is small
