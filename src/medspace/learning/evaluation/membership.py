"""Which rows of a site are in which group. Nobody is in a group that fewer than the least number of persons have."""

import numpy as np

from medspace.core.material import Columns, Material
from medspace.learning.evaluation.plan import GroupAttribute, JudgePlan
from medspace.privacy.disclosure import Labels, Mask, Matrix, Persons, joined
from medspace.privacy.exposure import differs_by_few


def labels(attribute: GroupAttribute, rows: Columns) -> Labels:
    """The place of each row's group; the number of groups for other codes and for no value."""
    other = len(attribute.groups)
    if attribute.coded:
        place: dict[str | None, int] = {code: at for at, code in enumerate(attribute.codes)}
        found = rows.codes(attribute.column)
        return np.fromiter((place.get(code, other) for code in found), np.int64, len(found))
    given = rows.numbers(attribute.column)
    values = np.asarray(given if isinstance(given, np.ndarray) else list(given), dtype=np.float64)
    places = np.searchsorted(np.asarray(attribute.bands), values, side="right").astype(np.int64)
    return np.where(np.isfinite(values), places, other)


def members(attribute: GroupAttribute, rows: Material, chosen: Mask, persons: Persons, least: int) -> Labels:
    """The same of the chosen rows, with rare groups among the others, and others that are few joined by the next.

    So neither a group nor what is left of all rows without the groups is about few persons. `persons` are those of
    the chosen rows.
    """
    names = attribute.groups
    made = joined(labels(attribute, rows)[chosen], names, persons, least, hide=False)
    return np.where(made < 0, len(names), made)


def sets(plan: JudgePlan, rows: Material, chosen: Mask, persons: Persons) -> Matrix:
    """Who is in which group, for the audit of all answers: rows x (everyone, each group of each attribute, rest)."""
    columns = [np.ones(int(chosen.sum()))]
    for attribute in plan.attributes:
        found = members(attribute, rows, chosen, persons, plan.least)
        columns += [(found == place).astype(np.float64) for place in range(len(attribute.groups) + 1)]
    return np.column_stack(columns)


def alike(found: Matrix, persons: Persons, least: int) -> bool:
    """Whether two of these sets of rows differ, but by fewer persons than `least`."""
    _, place = np.unique(persons, return_inverse=True)
    having = [np.bincount(place[column > 0.0], minlength=int(place.max(initial=-1)) + 1) > 0 for column in found.T]
    filled = [one for one in having if one.any()]
    return any(differs_by_few(one, other, least) for at, one in enumerate(filled) for other in filled[:at])
