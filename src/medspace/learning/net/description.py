"""A trained net as people and programs see it: how it was trained, its curve, and how well it does."""

from collections.abc import Mapping

import msgspec

from medspace.core.canonical import JsonObject
from medspace.core.text import Fact, Text, msgid
from medspace.learning.evaluation.description import sentences, tables
from medspace.learning.glm.description import MEASURED, NOT_KNOWN, doubts, own_intervals, quality_facts, quality_table
from medspace.learning.mitigation import description as mitigation
from medspace.learning.net.model import NetFitted
from medspace.runs.ports import ModelDescription, ReportTable, Result

IN_TURN = msgid("The hospitals trained in turn ({hospitals}): what each of them changed was shown to the others.")
SEARCHED = msgid(
    "Its values were chosen among {trials} combinations, by the loss on patients set apart; all of them together "
    "were trained for {all} rounds. Patients held out were not looked at."
)
SHOWN = 12  # rounds of the curve, as people see it


def describe(result: Result, names: Mapping[str, str]) -> ModelDescription:
    """What a trained net is; `names` are those of the hospitals, by their DIDs."""
    fitted = held(result.content)
    facts = _facts(fitted, result.rows, names)
    said = (*tables(fitted.judged), *mitigation.tables(fitted.mitigated))
    shown = (_curve(fitted), *_trials(fitted), *said)
    return ModelDescription(_title(fitted), facts, shown, _quality(fitted, facts), _said(fitted, names))


def held(content: JsonObject) -> NetFitted:
    """What the content of such a model says; what sites signed of it stands beside."""
    return msgspec.convert(content, NetFitted)


def _title(fitted: NetFitted) -> Text:
    hidden = fitted.widths[1:-1]
    if fitted.dense:
        return Text(msgid("DenseNet ({widths})"), {"widths": "-".join(map(str, fitted.widths))})
    if fitted.images:
        return Text(msgid("Convolutional network ({widths})"), {"widths": "-".join(map(str, fitted.widths))})
    if not hidden:
        return Text(msgid("Linear model, trained by gradient descent"))
    return Text(msgid("Neural network ({widths})"), {"widths": "-".join(map(str, fitted.widths))})


def _facts(fitted: NetFitted, rows: int, names: Mapping[str, str]) -> JsonObject:
    return {
        "family": "net",
        "widths": list(fitted.widths),
        "inputs": list(fitted.inputs),
        "weights": list(fitted.weights),
        "layout": {
            name: list(map(str, getattr(fitted.layout, name))) for name in ("fill", "kept", "centre", "scale")
        },
        "trained_rounds": fitted.rounds,
        "best_round": fitted.best_round,
        "losses": list(fitted.losses),
        "validation_losses": list(fitted.checked),
        "persons": fitted.persons,
        "classes": list(fitted.classes),
        "quality": _measured(fitted, rows, names),
        "uncarried": list(fitted.uncarried),
        "measured_on": fitted.measured_on,
        **({"trials": msgspec.to_builtins(fitted.trials)} if fitted.trials else {}),
        **({"cycle": list(fitted.cycle)} if fitted.cycle else {}),
        **({} if fitted.judged is None else {"judged": msgspec.to_builtins(fitted.judged)}),
        **({} if fitted.mitigated is None else {"mitigated": msgspec.to_builtins(fitted.mitigated)}),
    }


def _quality(fitted: NetFitted, facts: JsonObject) -> ReportTable:
    if fitted.graded is None:
        return quality_table("binomial", facts["quality"])
    found = fitted.graded
    columns = (
        Text(msgid("patients")),
        Text(msgid("rows")),
        Text(msgid("accuracy")),
        Text(msgid("kappa")),
        Text("{name}", {"name": "AUC"}),
        Text("{name}", {"name": "Brier"}),
        Text("{name}", {"name": "ECE"}),
    )
    area = "-" if found.auc is None else f"{found.auc:.3f} ± {found.auc_resolution:.3f}"
    kappa = "-" if found.kappa is None else f"{found.kappa:.3f}"
    numbers = f"{found.accuracy:.3f}", kappa, area, f"{found.brier:.3f}", f"{found.ece:.3f}"
    return ReportTable(columns, ((found.persons, found.rows, *numbers),))


def _measured(fitted: NetFitted, rows: int, names: Mapping[str, str]) -> JsonObject:
    """The quality as facts; of several classes, over all hospitals only."""
    if fitted.graded is None:
        return quality_facts(fitted.sites, fitted.pooled, rows, fitted.persons, names)
    return {"sites": [], "pooled": {"rows": rows} | msgspec.to_builtins(fitted.graded)}


def _curve(fitted: NetFitted) -> ReportTable:
    """The losses of some rounds, evenly spread, the first and the last among them."""
    last = len(fitted.losses) - 1
    places = sorted({round(step * last / (SHOWN - 1)) for step in range(SHOWN)}) if last >= SHOWN else range(last + 1)
    columns = [Text(msgid("rounds trained")), Text(msgid("loss"))]
    if fitted.checked:
        columns.append(Text(msgid("loss on patients set apart")))
    curves = (fitted.losses, fitted.checked) if len(fitted.checked) == len(fitted.losses) else (fitted.losses,)
    rows: tuple[tuple[str | int | Text, ...], ...] = tuple(
        (place, *(f"{float(curve[place]):.4f}" for curve in curves)) for place in places
    )
    return ReportTable(tuple(columns[: len(curves) + 1]), rows, Text(msgid("Training")))


def _trials(fitted: NetFitted) -> tuple[ReportTable, ...]:
    """What was tried, if anything was."""
    if not fitted.trials:
        return ()
    names = list(fitted.trials[0].values)
    columns = (*map(Text, names), Text(msgid("rounds trained")), Text(msgid("least loss on patients set apart")))
    rows: tuple[tuple[str | int, ...], ...] = tuple(
        (*(f"{float(one.values[name]):g}" for name in names), one.rounds, f"{float(one.loss):.4f}")
        for one in fitted.trials
    )
    return (ReportTable((*columns, Text(msgid("chosen"))), _marked(rows, fitted), Text(msgid("Search"))),)


def _marked(rows: tuple[tuple[str | int, ...], ...], fitted: NetFitted) -> tuple[tuple[str | int | Text, ...], ...]:
    return tuple(
        (*row, Text(msgid("yes")) if one.chosen else "") for row, one in zip(rows, fitted.trials, strict=True)
    )


def _said(fitted: NetFitted, names: Mapping[str, str]) -> tuple[Text, ...]:
    facts: dict[str, Fact | Text] = {"rounds": fitted.rounds, "best": fitted.best_round}
    said = [
        Text(
            msgid("It was trained for {rounds} rounds, at the hospitals; its weights are those after {best}."), facts
        )
    ]
    if fitted.cycle:
        listed = ", ".join(names.get(one, one) for one in fitted.cycle)
        said.append(Text(IN_TURN, {"hospitals": listed}))
    if fitted.trials:
        tried: dict[str, Fact | Text] = {
            "trials": len(fitted.trials),
            "all": sum(one.rounds for one in fitted.trials),
        }
        said.append(Text(SEARCHED, tried))
    if fitted.checked:
        said.append(
            Text(msgid("The round was chosen by the loss on patients whom each hospital set apart from training."))
        )
    if fitted.classes:
        said.append(Text(msgid("It tells these apart: {classes}."), {"classes": ", ".join(fitted.classes)}))
    if fitted.measured_on in MEASURED:
        said.append(Text(MEASURED[fitted.measured_on]))
    if fitted.uncarried:
        said.append(Text(NOT_KNOWN[False], {"levels": ", ".join(fitted.uncarried)}))
    return (
        *said,
        *own_intervals(fitted.sites),
        *doubts(fitted.pooled),
        *sentences(fitted.judged),
        *mitigation.sentences(fitted.mitigated),
    )
