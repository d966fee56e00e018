"""A survival model as people and programs see it: hazard ratios with intervals, and how well it orders patients."""

import math
from collections.abc import Mapping

import msgspec

from medspace.core.canonical import JsonObject
from medspace.core.text import Text, msgid
from medspace.learning.cox.model import CoxFitted, SurvivalQuality
from medspace.learning.glm.description import MEASURED, OWN_INTERVALS, unknown_levels
from medspace.learning.glm.intervals import Ends
from medspace.learning.glm.model import Term
from medspace.runs.ports import ModelDescription, ReportTable, Result

STRATA = msgid(
    "Every hospital has its own baseline risk: only patients of one hospital were compared. The model says whose "
    "risk is higher, not how high it is."
)
SHARED = msgid(
    "All hospitals have one baseline risk: patients of different hospitals were compared, at times rounded up to "
    "{times} common ones. The concordance is within hospitals. The model says whose risk is higher, not how "
    "high it is."
)
ROBUST = msgid(
    "Standard errors are robust (Lin and Wei 1989): they hold where hazards are not proportional, and count the rows "
    "of a patient together."
)
NORMAL_95 = 1.959963984540054  # of a standard normal variable, two-sided


def describe(result: Result, names: Mapping[str, str]) -> ModelDescription:
    """What a finished fit is; `names` are those of the hospitals, by their DIDs."""
    fitted = held(result.content)
    return ModelDescription(
        Text(msgid("Survival model (Cox proportional hazards)")),
        _facts(fitted, result.rows, names),
        (_ratios(fitted),),
        _quality_table(fitted, result.rows, names),
        _sentences(fitted),
    )


def held(content: JsonObject) -> CoxFitted:
    """What the content of such a model says."""
    return msgspec.convert(content, CoxFitted)


def _facts(fitted: CoxFitted, rows: int, names: Mapping[str, str]) -> JsonObject:
    sites = [
        {
            "site": one.site,
            "name": names.get(one.site, one.site),
            "rows": one.rows,
            **_measures(one.quality),
            **({} if one.interval is None else {"intervals": {"concordance": list(one.interval)}}),
        }
        for one in fitted.sites
    ]
    return {
        "family": "cox",
        "ties": fitted.ties,
        "errors": fitted.errors,
        "grid": list(fitted.grid),
        "coefficients": [
            {"name": term.name, "value": term.coefficient, "standard_error": term.standard_error}
            for term in fitted.terms
        ],
        "hazard_ratios": [{"name": term.name, **_interval(term)} for term in fitted.terms],
        "events": fitted.events,
        "persons": fitted.persons,
        "deviance": fitted.deviance,
        "null_deviance": fitted.null_deviance,
        "quality": {"sites": sites, "pooled": {"rows": rows, **_measures(fitted.pooled)}},
        "uncarried": list(fitted.uncarried),
        "measured_on": fitted.measured_on,
    }


def _measures(quality: SurvivalQuality) -> JsonObject:
    return {
        "n": quality.rows,
        "persons": quality.persons,
        "events": quality.events,
        "concordance": quality.concordance,
    }


def _interval(term: Term) -> JsonObject:
    """The hazard ratio of a term with its 95 % interval and two-sided p-value (Wald); None where not known."""
    value = float(term.coefficient)
    if term.standard_error is None or float(term.standard_error) == 0.0:
        return {"ratio": _exp(value), "low": None, "high": None, "p": None}
    error = float(term.standard_error)
    low, high = (_exp(value + side * NORMAL_95 * error) for side in (-1.0, 1.0))
    return {"ratio": _exp(value), "low": low, "high": high, "p": math.erfc(abs(value / error) / math.sqrt(2.0))}


def _exp(value: float) -> float | None:
    """E to the power of a number; None where that is no finite float."""
    try:
        return math.exp(value)
    except OverflowError:
        return None


def _ratios(fitted: CoxFitted) -> ReportTable:
    columns = (
        Text(msgid("term")),
        Text(msgid("coefficient")),
        Text(msgid("standard error")),
        Text(msgid("hazard ratio")),
        Text(msgid("95 % interval")),
        Text(msgid("p-value")),
    )
    return ReportTable(columns, tuple(_row(term) for term in fitted.terms))


def _row(term: Term) -> tuple[str, ...]:
    found = _interval(term)
    limits = "-" if found["low"] is None else f"{_number(found['low'])} – {_number(found['high'])}"
    error = "-" if term.standard_error is None else f"{float(term.standard_error):.4f}"
    p = "-" if found["p"] is None else f"{found['p']:.2g}"
    return term.name, f"{float(term.coefficient):+.4f}", error, _number(found["ratio"]), limits, p


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"


def _quality_table(fitted: CoxFitted, rows: int, names: Mapping[str, str]) -> ReportTable:
    columns = (
        Text(msgid("hospital")),
        Text(msgid("patients")),
        Text(msgid("rows")),
        Text(msgid("events")),
        Text(msgid("concordance")),
    )
    own = [_measured(names.get(one.site, one.site), one.rows, one.quality, one.interval) for one in fitted.sites]
    return ReportTable(columns, (*own, _measured(Text(msgid("all together")), rows, fitted.pooled)))


def _measured(
    name: str | Text, rows: int, quality: SurvivalQuality, ends: Ends | None = None
) -> tuple[str | int | Text, ...]:
    within = "" if ends is None else f" [{ends[0]:.2f}, {ends[1]:.2f}]"
    return name, quality.persons, rows, quality.events, _share(quality.concordance) + within


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _sentences(fitted: CoxFitted) -> tuple[Text, ...]:
    said = [Text(SHARED, {"times": len(fitted.grid)}) if fitted.grid else Text(STRATA)]
    if fitted.errors == "robust":
        said.append(Text(ROBUST))
    if fitted.measured_on in MEASURED:
        said.append(Text(MEASURED[fitted.measured_on]))
    if any(one.interval is not None for one in fitted.sites):
        said.append(Text(OWN_INTERVALS))
    return (*said, *unknown_levels(fitted.uncarried, noisy=False))
