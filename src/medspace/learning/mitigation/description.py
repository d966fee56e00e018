"""What was done so that a model is fairer, as people read it."""

from collections.abc import Iterator, Mapping

from medspace.core.text import Text, msgid
from medspace.learning.evaluation.description import MEASURES, name_of
from medspace.learning.mitigation.model import GroupTreatment, Mitigated
from medspace.runs.ports import ReportTable

EQUAL: Mapping[str, Text] = {**MEASURES, "positives": Text(msgid("share of positives"))}


def tables(done: Mitigated | None) -> tuple[ReportTable, ...]:
    """The weights and the thresholds of groups; none where nothing was done for them."""
    if done is None:
        return ()
    made = [_weights(done)] if done.reweighing else []
    made += [_thresholds(done)] if done.equal is not None else []
    return tuple(made)


def _weights(done: Mitigated) -> ReportTable:
    columns = (msgid("group"), msgid("weight without the outcome"), msgid("weight with the outcome"))
    rows = tuple((_name(done, one), _number(one.without), _number(one.having)) for one in done.groups)
    return ReportTable(tuple(Text(one) for one in columns), rows, Text(msgid("How much patients counted in the fit")))


def _thresholds(done: Mitigated) -> ReportTable:
    columns = (Text(msgid("group")), Text(msgid("threshold")), *(EQUAL[name] for name in _SHARES))
    rows: tuple[tuple[str | int | Text, ...], ...] = tuple(
        (_name(done, one), *_treated(done, one)) for one in done.groups
    )
    facts = {"threshold": f"{done.threshold:g}"}
    title = Text(msgid("Thresholds of the groups (shares at {threshold} → at the group's own)"), facts)
    return ReportTable(columns, rows, title)


def _treated(done: Mitigated, one: GroupTreatment) -> Iterator[str]:
    yield f"{done.threshold if one.threshold is None else one.threshold:g}"
    for name in _SHARES:
        yield f"{_number(getattr(one, name + '_before'))} → {_number(getattr(one, name + '_after'))}"


_SHARES = ("sensitivity", "specificity", "positives")


def _name(done: Mitigated, one: GroupTreatment) -> Text:
    return name_of(done.attribute.column, one.group)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def sentences(done: Mitigated | None) -> Iterator[Text]:
    """What was done, what it changed, and where that is not known."""
    if done is None:
        return
    column = {"column": done.attribute.column}
    if done.reweighing:
        yield Text(
            msgid("Patients were reweighed in the fit, so that the outcome is independent of {column} among them."),
            column,
        )
    if done.penalty:
        facts = column | {"penalty": f"{done.penalty:g}"}
        sentence = msgid("Differences between the mean scores of the groups of {column} were penalised ({penalty}).")
        yield Text(sentence, facts)
    if done.reweighing or done.penalty:
        yield Text(
            msgid("What this changed is seen beside a model of the same task without it: compare the gaps of both.")
        )
    if done.equal is not None:
        yield from _equalised(done)


def _equalised(done: Mitigated) -> Iterator[Text]:
    measure = EQUAL[done.equal or "sensitivity"]
    if done.gap_before is None or done.gap_after is None:
        yield Text(
            msgid(
                "Each group of {column} has a threshold of its own, for an equal {measure}; what it changed is not "
                "shown, since too few patients lie between the thresholds."
            ),
            {"column": done.attribute.column, "measure": measure},
        )
        return
    facts = {"before": f"{done.gap_before:.3f}", "after": f"{done.gap_after:.3f}"}
    yield Text(
        msgid(
            "Each group of {column} has a threshold of its own, for an equal {measure}: it differs by {after} "
            "between the groups at most, and by {before} at one threshold for all."
        ),
        {"column": done.attribute.column, "measure": measure, **facts},
    )
