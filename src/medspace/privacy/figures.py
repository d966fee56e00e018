"""How many patients a dataset has, and of how many a value is missing, as a catalogue may say it: in coarse steps.

Anyone reads a catalogue without a contract, and reads it again tomorrow. So a figure is rounded to a step that is at
least twice what a result needs, it says nothing below one step, and it stays as it is until the count is a good step
away from it: one patient who joins or leaves between two versions moves no figure that was just published (see
`docs/decisions/0040-published-figures.md` for what remains). Everything here is in whole numbers.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

STEP = 50  # patients, at least
SHARES = (10, 25, 50)  # percent: the steps of shares, the finest first
WHOLE = 100


@dataclass(frozen=True, slots=True)
class PatientCounts:
    """What was counted in a dataset: its `persons`, and by column those of whom no value is known. Exact: they stay.

    Only columns that the catalogue shows are counted.
    """

    persons: int
    missing: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DatasetFigures:
    """What may be said of these counts.

    `persons` is a multiple of `persons_step`, 0 where they are too few to be told; `missing` has percent of the
    patients by column, multiples of `missing_step`; none where the patients are too few for any step.
    """

    persons: int = 0
    persons_step: int = 0
    missing: Mapping[str, int] = field(default_factory=dict)
    missing_step: int = 0


def figures_of(counts: PatientCounts, least: int, before: DatasetFigures | None = None) -> DatasetFigures:
    """The figures of a dataset of which nothing fewer than `least` persons have is told.

    `before` are those that were published last: with the same step a figure stays until its count has left it.
    """
    before = before or DatasetFigures()
    step = -(-2 * least // STEP) * STEP
    persons = counts.persons // step * step
    if before.persons_step == step and abs(2 * (counts.persons - before.persons) - step) < 2 * step:
        persons = before.persons  # the count lies less than a step from the middle of what it says
    share = next((one for one in SHARES if persons * one >= 2 * least * WHOLE), 0)
    kept = before.missing if before.missing_step == share else {}
    missing = {name: _share(count, counts.persons, share, kept.get(name)) for name, count in counts.missing.items()}
    return DatasetFigures(persons, step, missing if share else {}, share)


def _share(count: int, persons: int, step: int, before: int | None) -> int:
    """Percent of the persons, to the nearest step, or what was said before where it is less than a step away."""
    if not step or not persons:
        return 0
    if before is not None and abs(WHOLE * count - before * persons) < step * persons:
        return before
    return min((2 * WHOLE * count + step * persons) // (2 * step * persons) * step, WHOLE)
