"""A judgement as people read it: a table of the groups, one of the gaps, and what is not shown."""

from collections.abc import Mapping

from medspace.core.text import Text, msgid
from medspace.learning.evaluation.model import Estimate, GroupQuality, Judgement
from medspace.runs.ports import ReportTable

MEASURES: Mapping[str, Text] = {
    "auc": Text("AUC"),
    "average_precision": Text(msgid("average precision")),
    "brier": Text("Brier"),
    "ece": Text("ECE"),
    "slope": Text(msgid("calibration slope")),
    "intercept": Text(msgid("calibration intercept")),
    "sensitivity": Text(msgid("sensitivity")),
    "specificity": Text(msgid("specificity")),
}
_SHOWN = ("auc", "average_precision", "brier", "ece", "slope", "intercept")


def name_of(column: str, group: str) -> Text:
    """A group, as a row of a table is called."""
    if not column:
        return Text(msgid("all together"))
    return Text(msgid("{column}: {group}"), {"column": column, "group": group})


def told(found: Estimate | None) -> str:
    """A figure with its interval."""
    return "-" if found is None else f"{found.value:.3f} [{found.low:.3f}, {found.high:.3f}]"


def tables(judged: Judgement | None) -> tuple[ReportTable, ...]:
    """The tables of a judgement; none where nothing was judged."""
    if judged is None:
        return ()
    made = [_groups(judged), _matrices(judged), _gaps(judged)]
    return tuple(table for table in made if table.rows)


def _groups(judged: Judgement) -> ReportTable:
    columns = (Text(msgid("group")), Text(msgid("hospitals")), Text(msgid("patients")), Text(msgid("cases")))
    rows = tuple(
        (
            name_of(one.column, one.group),
            one.sites,
            one.persons,
            "-" if one.cases is None else one.cases,
            *(told(getattr(one, name)) for name in _SHOWN),
        )
        for one in judged.groups
    )
    measures = (MEASURES[name] for name in _SHOWN)
    return ReportTable((*columns, *measures), rows, Text(msgid("Quality by group of patients (with 95 % intervals)")))


def _matrices(judged: Judgement) -> ReportTable:
    columns = (msgid("group"), msgid("threshold"), msgid("sensitivity"), msgid("specificity"))
    counts = (msgid("true positives"), msgid("false positives"), msgid("false negatives"), msgid("true negatives"))
    rows = tuple(row for one in judged.groups for row in _thresholds(one))
    title = Text(msgid("Right and wrong at thresholds"))
    return ReportTable(tuple(Text(name) for name in (*columns, *counts)), rows, title)


def _thresholds(one: GroupQuality) -> tuple[tuple[str | int | Text, ...], ...]:
    return tuple(
        (
            name_of(one.column, one.group),
            f"{matrix.threshold:g}",
            told(matrix.share("sensitivity")),
            told(matrix.share("specificity")),
            matrix.true_positives,
            matrix.false_positives,
            matrix.false_negatives,
            matrix.true_negatives,
        )
        for matrix in one.confusion
    )


def _gaps(judged: Judgement) -> ReportTable:
    columns = (msgid("column"), msgid("measure"), msgid("gap"), msgid("best group"), msgid("worst group"))
    rows = tuple(
        (
            one.column,
            MEASURES[one.measure] if one.threshold is None else _at(one.measure, one.threshold),
            told(one.gap),
            one.best,
            one.worst,
        )
        for one in judged.gaps
    )
    return ReportTable(tuple(Text(name) for name in columns), rows, Text(msgid("Gaps between groups")))


def _at(measure: str, threshold: float) -> Text:
    return Text(msgid("{measure} at {threshold}"), {"measure": MEASURES[measure], "threshold": f"{threshold:g}"})


def sentences(judged: Judgement | None) -> tuple[Text, ...]:
    """What is not shown, and how intervals are meant."""
    if judged is None:
        return ()
    said = [
        Text(
            msgid(
                "The intervals assume that rows are independent; those of gaps do not allow for the groups having "
                "been picked."
            )
        )
    ]
    if judged.hidden:
        names = ", ".join(f"{one.column} = {one.group}" for one in judged.hidden)
        sentence = msgid("Not shown, since too few persons or hospitals have them: {groups}.")
        said.append(Text(sentence, {"groups": names}))
    if any(one.cases is None for one in judged.groups):
        said.append(Text(msgid("In groups without figures, too few persons have the outcome, or too few do not.")))
    return tuple(said)
