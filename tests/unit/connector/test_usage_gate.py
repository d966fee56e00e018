"""The gate: what may leave, and that what may not leave leaves no more than an entry."""

import math
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medspace.connector.model import AGREEMENTS
from medspace.connector.ports import TransferEvent
from medspace.connector.usage import rules
from medspace.connector.usage.calls import told
from medspace.connector.usage.door import LONGEST_ADMISSION
from medspace.connector.usage.errors import JobClosedError, StepError, WithheldError
from medspace.core.canonical import LARGEST_INTEGER
from medspace.core.decision import combine
from medspace.core.engine import WORD
from medspace.core.errors import InvalidInputError, MedspaceError, RefusedError
from medspace.core.text import Text
from medspace.core.usage import Output, release_digest
from tests.admissions import admission
from tests.examples import most
from tests.unit.connector.uses import LABEL, NOW, House, admitted_house, call


async def withheld(house: House, token: str, code: str, error=WithheldError) -> Exception:
    """The output does not leave, the log says why, and asking again does not bring it out."""
    with pytest.raises(error) as refusal:
        await house.control.step(call(token))
    admitted, noted = await house.log()
    assert (noted.kind, noted.facts["code"]) == ("use.withheld", code)
    assert noted.facts["admission"] == admitted.facts["admission"]
    with pytest.raises(MedspaceError):
        await house.control.step(call(token))
    assert "use.released" not in await house.kinds()
    return refusal.value


async def kept_back(house: House, token: str, cause: str) -> str:
    """The output does not leave for a reason that lies in the rows: only the holder's own log knows which."""
    error = await withheld(house, token, rules.WITHHELD)
    assert house.told[-1] == (house.engine.asked[-1].id, cause)
    assert cause not in str(error)
    return str(error)


@pytest.mark.parametrize(
    ("output", "code"),
    [
        (Output("rows", {"sum": 1.0}, 50), "release.output"),
        (Output("count.mean", {"sum": 1.0}, 50), "release.output"),
        (Output("count.sum", {"sum": 1.0}, 9), "release.cohort"),
        (Output("count.sum", {"sum": 1.0}, 0), "release.cohort"),
        (Output("count.sum", {"sum": math.nan}, 50), "release.content"),
        (Output("count.sum", {"sums": [1.0, math.inf]}, 50), "release.content"),
        (Output("count.sum", {"sums": [[-math.inf]]}, 50), "release.content"),
        (Output("count.sum", {"sum": 2**53}, 50), "release.content"),
        (Output("count.sum", {"sum": b"bytes"}, 50), "release.content"),
        (Output("count.sum", {"sum": {1, 2}}, 50), "release.content"),
        (Output("count.sum", {"note": "x" * (WORD + 1)}, 50), "release.content"),
        (Output("count.sum", {"x" * (WORD + 1): 1}, 50), "release.content"),
        (Output("count.sum", {"sums": {7: 1}}, 50), "release.content"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_an_output_that_may_not_leave_is_withheld(output, code):
    house, token = await admitted_house(outputs=["count.sum"])
    house.engine.output = output
    if code == "release.output":  # nothing that lies in the rows
        await withheld(house, token, code)
    else:
        await kept_back(house, token, code)


async def test_an_output_that_is_too_deep_is_withheld():
    house, token = await admitted_house()
    value = 1
    for _ in range(rules.DEEPEST):
        value = [value]
    house.engine.output = Output("count.sum", {"sum": value}, 50)
    await kept_back(house, token, "release.content")


async def test_how_many_patients_are_too_few_is_not_said():
    house, token = await admitted_house(min_cohort=123)
    house.engine.output = Output("count.sum", {"sum": 1.0}, 77)
    assert "77" not in await kept_back(house, token, "release.cohort")
    assert "77" not in str((await house.log())[-1])


async def test_what_is_worked_out_too_late_does_not_leave():
    house, token = await admitted_house()
    house.engine.before = lambda: house.clock.advance(LONGEST_ADMISSION.total_seconds())
    await withheld(house, token, "release.expired")


async def test_nothing_leaves_after_the_agreement_has_ended():
    house, token = await admitted_house(until="2026-11-23T12:00:30Z")
    house.engine.before = lambda: house.clock.advance(31)
    error = await withheld(house, token, "release.expired")
    assert "before 2026-11-23 12:00:30 UTC" in str(error)


@pytest.mark.parametrize("event", [TransferEvent.SUSPENDED, TransferEvent.COMPLETED, TransferEvent.TERMINATED])
async def test_nothing_leaves_when_the_use_was_ended_meanwhile(event):
    house, token = await admitted_house()
    house.engine.before = lambda: _now(house.tell(event))
    await withheld(house, token, "use.closed", JobClosedError)


async def test_nothing_leaves_while_the_holder_is_ending_the_use():
    house, token = await admitted_house()
    house.engine.before = lambda: _now(house.tell(TransferEvent.CLOSING))
    await withheld(house, token, "use.closed", JobClosedError)


async def test_nothing_leaves_once_the_label_was_changed():
    house, token = await admitted_house()
    house.engine.before = lambda: _now(house.relabel(LABEL | {"kinds": ["medspace:statistics"]}))
    await withheld(house, token, "label.kinds")


async def test_nothing_leaves_under_an_agreement_that_is_gone():
    house, token = await admitted_house()

    def lose(tx):
        tx.delete(AGREEMENTS, tx.get(AGREEMENTS, "urn:agreement:1"))

    house.engine.before = lambda: _now(house.database.write(lose))
    await withheld(house, token, "decision.none")


def _now(coroutine) -> None:
    """Run a coroutine that never waits; the engine's thread has no loop."""
    with pytest.raises(StopIteration):
        coroutine.send(None)


async def test_what_an_engine_refuses_is_noted_and_told():
    house, token = await admitted_house()
    house.engine.error = InvalidInputError(reason=Text("no such column"))
    error = await withheld(house, token, "input.invalid", StepError)
    assert "no such column" in str(error)


async def test_after_a_withheld_output_a_better_one_may_leave():
    house, token = await admitted_house()
    good, house.engine.output = house.engine.output, Output("count.sum", {"sum": 1.0}, 3)
    await kept_back(house, token, "release.cohort")
    house.engine.output = good
    assert (await house.control.step(call(token))).values == {"sum": 1.5}


@pytest.mark.parametrize(
    "spoil",
    [
        lambda engine: setattr(engine, "output", Output("count.sum", {"sum": 1.0}, 3)),
        lambda engine: setattr(engine, "output", Output("count.sum", {"sum": math.inf}, 50)),
        lambda engine: setattr(engine, "error", PrivateError(reason=Text("a level that one has"))),
        lambda engine: setattr(engine, "error", PrivateError(reason=Text("a level that nobody has"))),
    ],
)
async def test_every_reason_that_lies_in_the_rows_is_told_alike(spoil):
    house, token = await admitted_house()
    spoil(house.engine)
    error = await withheld(house, token, rules.WITHHELD)
    plain = WithheldError(**told(rules.WITHHELD, rules.withheld()))
    assert (str(error), error.facts) == (str(plain), plain.facts)


class PrivateError(RefusedError):
    """An engine's refusal that says something of the rows."""

    cause_code = "engine.private"


# --- the rules by themselves -----------------------------------------------------------------------------------


def inspect(allowed, output, now):
    """The whole gate."""
    found = rules.measured(allowed, output, 0)
    return combine(rules.in_the_open(allowed, output, now), rules.behind_the_gate(allowed, output, found))


ADMISSION = admission(outputs=("count.sum",), min_cohort=10, expires=NOW + timedelta(hours=1))
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats()
    | st.text(max_size=120)
    | st.binary(max_size=3)
)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)


def leaves(value) -> list:
    """Every value that is neither list nor object."""
    if isinstance(value, dict | list):
        return [leaf for item in (value.values() if isinstance(value, dict) else value) for leaf in leaves(item)]
    return [value]


def is_plain(leaf) -> bool:
    if isinstance(leaf, float):
        return math.isfinite(leaf)
    if isinstance(leaf, int):
        return abs(leaf) <= LARGEST_INTEGER
    return leaf is None or (isinstance(leaf, str) and len(leaf) <= WORD)


@settings(max_examples=most(100), deadline=None)
@given(value=VALUES)
def test_only_plain_values_leave_and_whatever_leaves_has_a_digest(value):
    output = Output("count.sum", {"value": value}, 10)
    decision = inspect(ADMISSION, output, NOW)
    assert decision.permitted is all(map(is_plain, leaves(value)))
    if decision.permitted:
        assert release_digest(output.kind, 1, output.cohort, output.values)


@settings(max_examples=most(100), deadline=None)
@given(
    cohort=st.integers(-5, 30), seconds=st.integers(-10, 10), kind=st.sampled_from(["count.sum", "count.mean", ""])
)
def test_every_check_of_the_gate_must_be_met(cohort, seconds, kind):
    now = ADMISSION.expires + timedelta(seconds=seconds)
    decision = inspect(ADMISSION, Output(kind, {"sum": 1}, cohort), now)
    assert decision.permitted is (cohort >= 10 and seconds < 0 and kind == "count.sum")


def test_an_admission_without_outputs_lets_nothing_out():
    closed = replace(ADMISSION, outputs=())
    assert not inspect(closed, Output("", {}, 10), NOW).permitted
