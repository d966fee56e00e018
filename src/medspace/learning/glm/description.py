"""A fitted GLM as people and programs see it: coefficients, and quality per hospital and overall."""

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from medspace.core.canonical import JsonObject
from medspace.core.text import Fact, Text, msgid
from medspace.learning.evaluation.description import sentences, tables
from medspace.learning.glm.evaluation import Quality
from medspace.learning.glm.intervals import SiteIntervals
from medspace.learning.glm.model import Fitted, NoiseSpent, SiteQuality, Term
from medspace.learning.glm.outcome import held
from medspace.learning.glm.task import JOINED
from medspace.learning.mitigation import description as mitigation
from medspace.runs.masked.grouping import Robust
from medspace.runs.ports import ModelDescription, ReportTable, Result

MEASURES: Mapping[str, str] = {"auc": "AUC", "brier": "Brier", "ece": "ECE", "rmse": "RMSE"}
OF_FAMILY: Mapping[str, tuple[str, ...]] = {"binomial": ("auc", "brier", "ece")}
PROTECTED: Mapping[str, Text] = {
    "patient": Text(msgid("all rows of a patient together")),
    "event": Text(msgid("each row by itself")),
}
NOT_KNOWN: Mapping[bool, str] = {
    False: msgid("Nobody was counted with {levels}: the model says nothing about them."),
    True: msgid("Too few patients have {levels} to stand out from the noise: the model says nothing about them."),
}
UNCERTAIN = msgid("± says how far an AUC may lie from the exact one: it was counted from groups of patients.")
TOO_GOOD = 0.99  # an AUC that no forecast of a disease has
DOUBTED = msgid(
    "Its AUC is above 0.99, which hardly any honest forecast reaches: look whether a column was written down after "
    "the outcome, or because of it. A hospital where a single column tells the outcome sees which one with the use."
)
OWN_INTERVALS = msgid(
    "In brackets are 95 % intervals at single hospitals, rounded outwards to hundredths. They take rows as "
    "independent of one another."
)
LEAST_SHOWN = 0.0005  # of a number with three digits behind the point
MEASURED: Mapping[str, str] = {
    "training rows": msgid("The quality was measured on the rows that the model was fitted on."),
    "held-out rows": msgid("The quality was measured on rows that were held out of the fit."),
}


def describe(result: Result, names: Mapping[str, str]) -> ModelDescription:
    """What a finished fit is; `names` are those of the hospitals, by their DIDs."""
    fitted = held(result.content)
    facts = _facts(fitted, result.rows, names)
    return ModelDescription(
        Text(msgid("Generalised linear model ({family})"), {"family": fitted.family}),
        facts,
        (_coefficients(fitted), *tables(fitted.judged), *mitigation.tables(fitted.mitigated)),
        quality_table(fitted.family, facts["quality"]),
        (
            *_sentences(fitted),
            *sentences(fitted.judged),
            *mitigation.sentences(fitted.mitigated),
            *_noise(fitted),
            *_left(fitted.noise, result.content),
        ),
    )


def _facts(fitted: Fitted, rows: int, names: Mapping[str, str]) -> JsonObject:
    return {
        "family": fitted.family,
        "coefficients": [
            {"name": t.name, "value": t.coefficient, "standard_error": t.standard_error} for t in fitted.terms
        ],
        "terms": [_term(t) for t in fitted.terms],
        "persons": fitted.persons,
        "quality": quality_facts(fitted.sites, fitted.pooled, rows, fitted.persons, names),
        "joined": [
            {"site": j.site, "name": names.get(j.site, j.site), "feature": j.feature, "levels": j.levels}
            for j in fitted.joined
        ],
        "uncarried": list(fitted.uncarried),
        "measured_on": fitted.measured_on,
        **({} if fitted.noise is None else {"noise": msgspec.to_builtins(fitted.noise)}),
        **({} if fitted.judged is None else {"judged": msgspec.to_builtins(fitted.judged)}),
        **({} if fitted.mitigated is None else {"mitigated": msgspec.to_builtins(fitted.mitigated)}),
    }


def quality_facts(
    sites: Sequence[SiteQuality], pooled: Quality | None, rows: int, persons: int, names: Mapping[str, str]
) -> JsonObject:
    """How well a model does, at each hospital that shows it and over all, whose fit had so many rows and persons."""
    own = [
        {
            "site": one.site,
            "name": names.get(one.site, one.site),
            "rows": one.rows,
            "persons": one.persons,
            **_quality(one.quality),
            **({} if one.intervals is None else {"intervals": _ends(one.intervals)}),
            **({"groups": msgspec.to_builtins(one.groups)} if one.groups else {}),
        }
        for one in sites
    ]
    return {"sites": own, "pooled": {"rows": rows, "persons": persons, **_quality(pooled)}}


def _ends(found: SiteIntervals) -> JsonObject:
    """The intervals that are known, by the names of the measures."""
    known = ((name, getattr(found, name)) for name in MEASURES)
    return {name: list(ends) for name, ends in known if ends is not None}


def _term(term: Term) -> JsonObject:
    return {name: getattr(term, name) for name in ("name", "coefficient", "standard_error", "fill", "mean", "scale")}


def _quality(quality: Quality | None) -> JsonObject:
    measures = ("auc", "auc_resolution", "brier", "ece", "rmse")
    if quality is None:  # the site had left before it was measured
        return {"n": 0, "measured_persons": 0} | dict.fromkeys(measures)
    measured = {"n": quality.rows, "measured_persons": quality.persons}
    return measured | {name: getattr(quality, name) for name in measures}


def _coefficients(fitted: Fitted) -> ReportTable:
    columns = (Text(msgid("term")), Text(msgid("coefficient")), Text(msgid("standard error")))
    rows = tuple((t.name, f"{float(t.coefficient):+.4f}", _rounded(t.standard_error)) for t in fitted.terms)
    return ReportTable(columns, rows)


def quality_table(family: str, quality: JsonObject) -> ReportTable:
    """The quality at each hospital that shows it, and over all (`quality_facts`)."""
    shown = OF_FAMILY.get(family, ("rmse",))
    measures = [name for name in shown if quality["pooled"][name] is not None]
    columns = (Text(msgid("hospital")), Text(msgid("patients")), Text(msgid("rows")))
    everyone = {"name": Text(msgid("all together"))} | quality["pooled"]
    rows = tuple(
        (one["name"], one["persons"], one["rows"], *(_measured(one, name) for name in measures))
        for one in (*quality["sites"], everyone)
    )
    return ReportTable((*columns, *(Text("{name}", {"name": MEASURES[name]}) for name in measures)), rows)


def _sentences(fitted: Fitted) -> tuple[Text, ...]:
    said = [Text(MEASURED[fitted.measured_on])] if fitted.measured_on in MEASURED else []
    if any(_uncertain(one.quality) for one in fitted.sites) or _uncertain(fitted.pooled):
        said += [Text(UNCERTAIN)] if fitted.noise is None else []  # what it is under noise is said with the noise
    said += own_intervals(fitted.sites)
    said += doubts(fitted.pooled) if fitted.noise is None else ()
    return (*said, *unknown_levels(fitted.uncarried, noisy=fitted.noise is not None))


def own_intervals(sites: Sequence[SiteQuality]) -> Iterator[Text]:
    """What the intervals of hospitals are, where there are any."""
    if any(one.intervals is not None for one in sites):
        yield Text(OWN_INTERVALS)


def doubts(pooled: Quality | None) -> Iterator[Text]:
    """Whether a model is too good to be true."""
    if pooled is not None and pooled.auc is not None and pooled.auc - (pooled.auc_resolution or 0.0) > TOO_GOOD:
        yield Text(DOUBTED)


def unknown_levels(uncarried: Sequence[str], *, noisy: bool) -> Iterator[Text]:
    """Of which levels the model says nothing; that no hospital had any to join is no news of a level."""
    levels = [name for name in uncarried if not name.endswith(f"={JOINED}")]
    if levels:
        yield Text(NOT_KNOWN[noisy], {"levels": ", ".join(levels)})


def _uncertain(quality: Quality | None) -> bool:
    """Whether it is shown how far the AUC may be off: as far as three digits can tell."""
    return quality is not None and (quality.auc_resolution or 0.0) >= LEAST_SHOWN


def _noise(fitted: Fitted) -> tuple[Text, ...]:
    """How much a noisy fit reveals about a patient at most, and what it does not show."""
    if fitted.noise is None:
        return ()
    spent = fitted.noise
    facts: dict[str, Fact | Text] = {"epsilon": spent.epsilon, "delta": spent.delta, "unit": PROTECTED[spent.unit]}
    said = msgid("All totals carried noise: epsilon {epsilon} (delta {delta}) at each hospital, for {unit}.")
    return (Text(said, facts), *_robust(spent.robust), *(Text(one) for one in _meant(fitted, spent)))


def _meant(fitted: Fitted, spent: NoiseSpent) -> Iterator[str]:
    if spent.mechanism == "gradient":
        yield msgid(
            "It was fitted with noisy gradients, which shrink the coefficients towards 0: they rank patients "
            "correctly, but predicted probabilities are too close to the middle. Standard errors are not known."
        )
    elif any(term.standard_error is not None for term in fitted.terms):
        yield msgid("It was fitted with noisy Newton sums. Standard errors include the noise.")
    else:
        yield msgid(
            "It was fitted with noisy Newton sums, in which the noise is too large for standard errors to be known."
        )
    yield msgid("The number of patients is known only with noise.")
    if fitted.pooled is None:
        yield msgid(
            "Quality is not known: measuring it takes a share of the budget (`evaluation` of the noise) and less "
            "noise."
        )
    elif fitted.pooled.auc is None:
        yield msgid("Quality was measured on noisy sums.")
    else:
        yield msgid("Quality was measured on noisy counts; the AUC is given with its 95 % interval.")


def _left(spent: NoiseSpent | None, content: JsonObject) -> tuple[Text, ...]:
    """That hospitals left a noisy fit, which does not start over; what sites signed says who was in which total."""
    opened = content.get("opened")
    took = opened["outcome"]["took"] if spent is not None and opened else []
    if not took or len(took[-1]) == len(took[0]):
        return ()
    facts: dict[str, Fact | Text] = {"first": len(took[0]), "last": len(took[-1])}
    said = msgid(
        "Hospitals left during the run: {first} were in the first total and {last} in the last. What was found "
        "with all of them is kept, including the number of patients."
    )
    return (Text(said, facts),)


def _robust(robust: Robust | None) -> tuple[Text, ...]:
    """What one bad hospital could not do to the model, and what it could."""
    if robust is None:
        return ()
    facts = {"groups": robust.groups, "trim": robust.trim}
    return (
        Text(
            msgid(
                "The hospitals were in {groups} groups. Of each number the {trim} smallest and the {trim} largest of "
                "the groups were left out: as long as no more than {trim} hospitals lie, it stays within what honest "
                "groups say. A lie within that range is not seen, and honest hospitals that differ are left out too."
            ),
            facts,
        ),
    )


def _measured(one: JsonObject, name: str) -> str:
    """A measure as text; an AUC with how far the counts leave it open, if that shows; with its interval, if known."""
    ends = (one.get("intervals") or {}).get(name)
    said = _rounded(one[name])
    if name == "auc" and one["auc"] is not None and (one["auc_resolution"] or 0.0) >= LEAST_SHOWN:
        said = f"{said} ± {one['auc_resolution']:.3f}"
    return said if ends is None or one[name] is None else f"{said} [{ends[0]:.2f}, {ends[1]:.2f}]"


def _rounded(value: float | str | None) -> str:
    return "-" if value is None else f"{float(value):.3f}"
