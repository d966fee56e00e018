"""The one thing in which two fits differ: the difference of their answers is about it.

Purely on tasks. A feature, a level of a feature, a threshold of the outcome, the share that is held out: two such
fits together can reveal the few persons affected by that one thing.
"""

from medspace.core.text import Text, msgid
from medspace.learning.glm.task import FeatureColumn, GlmTask


def difference(one: GlmTask, other: GlmTask) -> Text | None:
    """The one thing in which they differ, in words; None if there are more, none, or it is of another kind."""
    if one.family != other.family or one.target.column != other.target.column:
        return None
    found = [*_features(one, other), *_target(one, other), *_holdout(one, other), *_groups(one, other)]
    return found[0] if len(found) == 1 else None


def _features(one: GlmTask, other: GlmTask) -> list[Text]:
    before = {feature.name: feature for feature in one.features}
    after = {feature.name: feature for feature in other.features}
    only = sorted(before.keys() ^ after.keys())
    found = [Text(msgid("the feature {name}"), {"name": name}) for name in only]
    for name in sorted(before.keys() & after.keys()):
        found += _levels(before[name], after[name])
    return found


def _levels(one: FeatureColumn, other: FeatureColumn) -> list[Text]:
    if one.coded != other.coded:
        return [Text(msgid("the feature {name}"), {"name": one.name})]
    levels = sorted(set(one.levels) ^ set(other.levels))
    if not levels and one.levels[:1] != other.levels[:1]:
        levels = [other.levels[0]]  # another reference
    return [Text(msgid("the level {level} of {name}"), {"level": level, "name": one.name}) for level in levels]


def _target(one: GlmTask, other: GlmTask) -> list[Text]:
    if one.target == other.target:
        return []
    return [Text(msgid("the threshold of the outcome {name}"), {"name": one.target.column})]


def _holdout(one: GlmTask, other: GlmTask) -> list[Text]:
    if (one.evaluation.holdout, one.apart) == (other.evaluation.holdout, other.apart):
        return []
    return [Text(msgid("the share that is held out"))]


def _groups(one: GlmTask, other: GlmTask) -> list[Text]:
    before, after = (
        {} if task.judge is None else {group.column: group for group in task.judge.attributes}
        for task in (one, other)
    )
    names = sorted(before.keys() | after.keys())
    return [
        Text(msgid("the groups of {name}"), {"name": name}) for name in names if before.get(name) != after.get(name)
    ]
