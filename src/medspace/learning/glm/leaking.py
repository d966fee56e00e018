"""Which columns tell the outcome by themselves, for the holder of the rows alone.

Such a column was mostly written down after the outcome, or because of it (a discharge code, a drug that only the
sick get): a model that uses it looks excellent and knows nothing in advance (Kaufman et al., ACM TKDD 6, 2012). Of a
yes/no outcome and of classes a column tells as many rows as the best rule on it gets right: the usual outcome of each
code or of each of few values, or one threshold. Of a number it tells all rows where hardly any variance is left. The
rows are those that are summed, with rare values joined.
"""

from collections.abc import Iterator

import numpy as np

from medspace.core.usage import HolderNote, HolderNoteKind
from medspace.learning.glm.design import DesignBlock, Mask, Matrix, Vector, starts, widths
from medspace.learning.glm.task import GlmTask
from medspace.privacy.disclosure import Labels

FEWEST = 10  # rows that have not the usual outcome: of fewer, a column tells them by chance
CLEAR = 0.02  # of these, the share that may be told wrong
LEFT = 1e-3  # of the variance of a number
FEW_VALUES = 20
EACH = 5  # rows per code at least, in the mean
MOST_SEEN = 50_000  # rows that are looked at


def leaks(
    task: GlmTask, part: DesignBlock, outcome: Vector | None = None, *, measured: bool
) -> tuple[HolderNote, ...]:
    """The columns of a task that tell the target of some rows, or another outcome of them; `measured`: a number."""
    target = part.target if outcome is None else outcome
    seen = slice(None, None, -(-len(target) // MOST_SEEN) or 1)
    rule = _Numbers(target[seen]) if measured else _Classes(target[seen])
    if not rule.tellable:
        return ()
    return tuple(_notes(task, part.values[seen], rule))


def _notes(task: GlmTask, values: Matrix, rule: "_Numbers | _Classes") -> Iterator[HolderNote]:
    for feature, first, width in zip(task.features, starts(task.features), widths(task), strict=True):
        own = values[:, first : first + width]
        gaps = np.isnan(own[:, 0])
        told = rule.by_codes(gaps.astype(np.int64))
        if told is not None:
            yield HolderNote(HolderNoteKind.GAPS, told, len(own), feature.name)
            continue
        told = rule.by_codes(_places(own, gaps)) if feature.coded else rule.by_numbers(own[:, 0], gaps)
        if told is not None:
            yield HolderNote(HolderNoteKind.TELLS, told, len(own), feature.name)


def _places(indicators: Matrix, gaps: Mask) -> Labels:
    """The code of each row: 0 for a gap, 1 for the reference."""
    has = np.nan_to_num(indicators)
    found: Labels = np.where(has.any(axis=1), has.argmax(axis=1) + 2, 1)
    return np.where(gaps, 0, found)


def _thick(places: Labels) -> bool:
    """Whether the codes have so many rows that they do not tell them by chance."""
    return len(places) >= EACH * len(np.unique(places))


class _Classes:
    """What columns tell of an outcome of few kinds."""

    def __init__(self, target: Vector) -> None:
        self._kinds, self._target = np.unique(target, return_inverse=True)
        self._rows = len(target)
        self._rest = self._rows - int(np.bincount(self._target, minlength=1).max(initial=0))

    @property
    def tellable(self) -> bool:
        """Whether enough rows have another outcome than the usual one."""
        return self._rest >= FEWEST

    def by_codes(self, places: Labels) -> int | None:
        """How many rows the usual outcome of each code gets right, if that is nearly all."""
        if not _thick(places):
            return None
        return self._clear(int(self._counts(places).max(axis=1).sum()))

    def by_numbers(self, values: Vector, gaps: Mask) -> int | None:
        """The same of numbers: by each of few values, or by a threshold; gaps by themselves."""
        different, places = np.unique(np.where(gaps, np.inf, values), return_inverse=True)
        if len(different) <= FEW_VALUES:
            return self.by_codes(places.astype(np.int64))
        if len(self._kinds) != 2:  # noqa: PLR2004 - a threshold tells yes from no
            return None
        counts = self._counts(places.astype(np.int64))
        apart = int(counts[-1].max()) if gaps.any() else 0  # gaps come last
        below = np.cumsum(counts[:-1] if gaps.any() else counts, axis=0)
        total = below[-1]
        right = [below[:, at] + total[1 - at] - below[:, 1 - at] for at in (0, 1)]
        return self._clear(apart + int(max(one.max() for one in right)))

    def _counts(self, places: Labels) -> Labels:
        """Rows by place and outcome."""
        width = len(self._kinds)
        flat = np.bincount(places * width + self._target, minlength=(int(places.max(initial=0)) + 1) * width)
        return flat.reshape(-1, width)

    def _clear(self, right: int) -> int | None:
        return right if self._rows - right <= CLEAR * self._rest else None


class _Numbers:
    """What columns tell of a number: as a line, or as the mean of each code."""

    def __init__(self, target: Vector) -> None:
        self._target = target - target.mean() if len(target) else target
        self._whole = float(np.square(self._target).sum())

    @property
    def tellable(self) -> bool:
        """Whether enough different numbers are there."""
        return len(np.unique(self._target)) >= FEWEST and self._whole > 0.0

    def by_codes(self, places: Labels) -> int | None:
        """All rows, if the codes leave hardly any variance."""
        if not _thick(places):
            return None
        counts = np.maximum(np.bincount(places), 1)
        means = np.bincount(places, self._target) / counts
        return self._clear(self._target - means[places], np.ones(len(places), dtype=np.bool_))

    def by_numbers(self, values: Vector, gaps: Mask) -> int | None:
        """The rows with a value, if a line through them leaves hardly any variance."""
        known = ~gaps
        if known.sum() < FEWEST or not (spread := float(np.var(values[known]))) > 0.0:
            return None
        own = self._target[known] - self._target[known].mean()
        line = values[known] - values[known].mean()
        slope = float(line @ own) / (spread * len(line))
        return self._clear(own - slope * line, known)

    def _clear(self, left: Vector, rows: Mask) -> int | None:
        own = self._target[rows]
        whole = float(np.square(own - own.mean()).sum())
        enough = whole > LEFT * self._whole
        return int(rows.sum()) if enough and float(np.square(left).sum()) <= LEFT * whole else None
