"""What is kept of a table between two steps: the same rows are read once, other ones never taken for them."""

from dataclasses import dataclass, replace

import pytest

from medspace.learning.glm.design import sample
from medspace.learning.glm.engine import GlmEngine
from medspace.learning.glm.samples import Samples
from medspace.learning.glm.task import parse
from tests.unit.learning.simulated import TableRows, TableSource, admission
from tests.unit.learning.test_auditing import TASK, question, table
from tests.workplaces import workplace


@dataclass(frozen=True)
class CountedRows(TableRows):
    reads: tuple = ()

    def numbers(self, column):
        self.reads.append(column)
        return super().numbers(column)


def engine_reads(engine, columns, allowed, steps):
    """How many columns the engine reads for these steps, and what it answers."""
    rows = CountedRows(columns, len(columns["x"]), reads=[])
    place = replace(workplace(TableSource(columns), allowed), material=rows)
    answers = [engine.answer(allowed, step, place) for step in steps]
    return len(rows.reads), answers


def test_the_rounds_of_a_run_read_the_rows_once():
    engine, allowed = GlmEngine(), replace(admission(), min_cohort=5)
    steps = [question(shift, 0.5, number) for number, shift in ((2, 0.0), (3, 0.3), (4, 0.6))]
    read, answers = engine_reads(engine, table(), allowed, steps)
    assert read == 2  # x and y
    assert engine_reads(engine, table(), allowed, steps) == (0, answers)
    fresh = [engine_reads(GlmEngine(), table(), allowed, [step])[1][0] for step in steps]
    assert fresh == answers


@pytest.mark.parametrize(
    "other",
    [
        {"min_cohort": 7},
        {"seed": b"another secret"},
        {"asset": "urn:uuid:other"},
        {"columns": "changed"},
        {"columns": "narrowed"},
        {"task": {**TASK, "missing": "drop"}},
        {"task": {**TASK, "target": "y > 0", "family": "binomial"}},
    ],
    ids=str,
)
def test_other_rows_are_never_taken_for_those_that_are_kept(other):
    engine, allowed, columns, step = GlmEngine(), replace(admission(), min_cohort=5), table(), question(0.0, 0.5)
    engine_reads(engine, columns, allowed, [step])
    wanted = dict(other)
    if wanted.pop("columns", "") == "changed":
        columns = {**columns, "x": [9.0, *columns["x"][1:]]}
    elif "columns" in other:
        columns = {name: values[:-50] for name, values in columns.items()}
    step = replace(step, task=wanted.pop("task", step.task))
    changed = replace(allowed, **wanted)
    read, answers = engine_reads(engine, columns, changed, [step])
    assert read == 2
    assert answers == engine_reads(GlmEngine(), columns, changed, [step])[1]


def sample_of(count):
    """A sample of that many rows, of 24 bytes each: x, y and the person."""
    columns = table(count)
    return sample(parse(TASK), TableRows(columns, count), key=b"k")


def test_no_more_is_kept_than_fits_and_what_was_used_last_stays():
    samples, made = Samples(most=10 * 24), []

    def of(key, count):
        def make():
            made.append(key)
            return sample_of(count)

        return samples.of(key, make)

    for key, count in (("a", 4), ("b", 4), ("a", 4), ("c", 4), ("a", 4), ("b", 4), ("large", 11), ("large", 11)):
        assert len(of(key, count).target) == count
    assert made == ["a", "b", "c", "b", "large", "large"]


def test_of_two_that_are_made_at_once_the_first_is_kept():
    samples, first, second = Samples(), sample_of(3), sample_of(3)

    def slow():
        assert samples.of("a", lambda: first) is first
        return second

    assert samples.of("a", slow) is second
    assert samples.of("a", lambda: pytest.fail("it is kept")) is first
