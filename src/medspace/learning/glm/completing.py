"""What a task with noise leaves to the sites: the ranges of its columns, as all sites publish them."""

from collections.abc import Sequence
from typing import Any

from medspace.core.canonical import JsonObject
from medspace.runs.ports import Spans


def lacks(task: JsonObject) -> bool:
    """Whether a range is missing where noise needs one; the task has not been checked yet."""
    return _noisy(task) and any(_open(feature) for feature in _ranged(task))


def completed(task: JsonObject, published: Sequence[Spans]) -> JsonObject:
    """The task with the widest range of all sites for each number without one, if all of them publish it."""
    if not _noisy(task) or not published:
        return task
    made = dict(task)
    if isinstance(task.get("features"), list):
        made["features"] = [_with_range(feature, published, "name") for feature in task["features"]]
    if task.get("family") != "binomial":
        target = task.get("target")
        named = {"column": target} if isinstance(target, str) and not set("<>=") & set(target) else target
        made["target"] = _with_range(named, published, "column")
    return made


def _noisy(task: JsonObject) -> bool:
    return isinstance(task.get("noise"), dict)


def _ranged(task: JsonObject) -> list[Any]:
    features = task.get("features")
    found = list(features) if isinstance(features, list) else []
    target = task.get("target")
    if task.get("family") != "binomial":
        found.append({"column": target} if isinstance(target, str) else target)
    return found


def _open(said: Any) -> bool:  # noqa: ANN401 - a document of somebody
    plain = isinstance(said, dict) and said.get("kind", "numeric") == "numeric"
    return plain and "range" not in said and "level" not in said and "comparison" not in said


def _with_range(said: Any, published: Sequence[Spans], key: str) -> Any:  # noqa: ANN401 - a document of somebody
    if not _open(said) or not isinstance(said.get(key), str):
        return said
    ends = [spans[said[key]] for spans in published if said[key] in spans]
    if len(ends) < len(published):
        return said
    return said | {"range": [min(low for low, _ in ends), max(high for _, high in ends)]}
