"""What changes in the terms of a dataset, and which changes protect its patients less than before.

Pure. What cannot be compared counts as loosening: a person is asked once too often rather than once too seldom.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, TypeAlias

from medspace.app.node.config import Asset, Offer, PrivacyBudget
from medspace.core.canonical import Json, JsonObject
from medspace.core.errors import InvalidInputError
from medspace.core.hashing import digest, same_secret
from medspace.core.instants import BoundError, bound, last_day
from medspace.core.text import Text, msgid
from medspace.policy.hierarchy import Hierarchy
from medspace.policy.masks import COLLUDERS
from medspace.policy.model import Sensitivity
from medspace.policy.purposes import PURPOSES
from medspace.policy.regions import REGIONS
from medspace.policy.templates import TEMPLATES

_SENSITIVITY = tuple(each.value for each in Sensitivity)  # the least sensitive first
_ENDS = ("until", "valid_until")  # terms whose value is the end of a day
Wider: TypeAlias = Callable[[Any, Any], bool]  # whether the second of two values allows more than the first


class OfferLoosenedError(InvalidInputError):
    """A change would protect patients less than before, and nobody has confirmed that."""

    code = "offer.loosens"
    sentence = msgid("This would protect the patients less than before, and nobody has confirmed it: {changes}.")
    next_step = msgid("If it is meant, confirm it apart: at a terminal, or with --loosen where nobody can be asked.")


class OfferMovedError(InvalidInputError):
    """What would change is not what somebody saw when they confirmed it."""

    code = "offer.moved"
    sentence = msgid("The terms have changed since the looser ones were confirmed; now it would be: {changes}.")
    next_step = msgid("Look at the change again, then confirm it.")


@dataclass(frozen=True, slots=True)
class TermChange:
    """One term as it was and as it will be; None is no limit. `loosens`: it protects less than before."""

    term: str
    words: str
    before: Json
    after: Json
    loosens: bool

    @property
    def sentence(self) -> Text:
        """The old and the new value."""
        ends = self.term.rpartition(".")[2] in _ENDS
        old, new = (last_day(one) if ends and one is not None else one for one in (self.before, self.after))
        said = _told if self.term == "publish" else _said
        facts = {"term": Text(self.words), "old": said(old), "new": said(new)}
        return Text(msgid("{term}: {old} -> {new}"), facts)

    def told(self, speak: Callable[[str], str]) -> JsonObject:
        """As JSON."""
        return {
            "term": self.term,
            "before": self.before,
            "after": self.after,
            "loosens": self.loosens,
            "sentence": self.sentence.render(speak),
        }


_FIGURES = {"size": msgid("how many patients it has"), "missing": msgid("how often values are missing")}


def _told(value: Json) -> Text:
    """What is published, in words."""
    named = [Text(_FIGURES[name]) for name in _FIGURES if isinstance(value, list) and name in value]
    if not named:
        return Text(msgid("nothing of it"))
    return reduce(lambda one, other: Text(msgid("{one}; {other}"), {"one": one, "other": other}), named)


def _said(value: Json) -> Text:
    if value is None:
        return Text(msgid("no limit"))
    items = value if isinstance(value, list | tuple) else [value]
    return Text("{value}", {"value": ", ".join(str(one) for one in items)})


def _lower(before: float, after: float) -> bool:
    return after < before


def _higher(before: float, after: float) -> bool:
    return after > before


def _later(before: object, after: object) -> bool:
    return bound(after, last=True) > bound(before, last=True)


def _earlier(before: object, after: object) -> bool:
    return bound(after, last=False) < bound(before, last=False)


def _more(before: Collection[str], after: Collection[str]) -> bool:
    return not set(after) <= set(before)


def _beyond(terms: Hierarchy) -> Wider:
    """Whether something is allowed that is no kind of what was: a country is one of its union, for instance."""

    def wider(before: Collection[str], after: Collection[str]) -> bool:
        return not all(one in before or any(terms.within(one, other) for other in before) for one in after)

    return wider


def _fewer(before: Collection[str], after: Collection[str]) -> bool:
    return not set(before) <= set(after)


def _differs(before: object, after: object) -> bool:
    return before != after


def _less_sensitive(before: str, after: str) -> bool:
    return _SENSITIVITY.index(after) < _SENSITIVITY.index(before)


def _permits(before: str, after: str) -> bool:
    old, new = TEMPLATES[before], TEMPLATES[after]
    return _more(old.permits, new.permits) or _more(new.forbids, old.forbids)


# What the terms are called, and when one allows more than before.
_TERMS: Mapping[str, tuple[str, Wider]] = {
    "template": (msgid("kind of use"), _permits),
    "until": (msgid("last day"), _later),
    "not_before": (msgid("first day"), _earlier),
    "count": (msgid("uses under one agreement"), _higher),
    "min_sites": (msgid("hospitals in each sum"), _lower),
    "min_cohort": (msgid("persons behind each result"), _lower),
    "colluders": (msgid("hospitals that may tell what they see"), _lower),
    "purposes": (msgid("purposes"), _beyond(PURPOSES)),
    "recipients": (msgid("who may use it"), _more),
    "regions": (msgid("where they may be"), _beyond(REGIONS)),
    "holders": (msgid("hospitals that may take part"), _more),
    "outputs": (msgid("what may leave"), _more),
    "gate_groups": (msgid("groups that a model is judged for"), _fewer),
    "gate_auc": (msgid("AUC of a model, at least"), _lower),
    "gate_concordance": (msgid("concordance of a survival model, at least"), _lower),
    "gate_ece": (msgid("calibration error of a model, at most"), _higher),
    "gate_group_auc_gap": (msgid("gap between the AUCs of groups, at most"), _higher),
    "gate_group_sensitivity_gap": (msgid("gap between the sensitivities of groups, at most"), _higher),
    "gate_site_auc_below": (msgid("how far the AUC here may be below that of all"), _higher),
    "gate_holdout": (msgid("share that a model is measured on, kept out of the fit"), _lower),
    "epsilon": (msgid("privacy budget of an agreement"), _higher),
    "epsilon_per_task": (msgid("privacy budget of a task"), _higher),
    "delta": (msgid("delta of the privacy budget"), _higher),
    "delete_within": (msgid("days until what was made is deleted"), _higher),
    "inform_within": (msgid("days until you are told what became of a use"), _higher),
    "report_within": (msgid("days until a use is reported"), _higher),
    "attribute_within": (msgid("days until it is proven that you are named as a source"), _higher),
    "protection": (msgid("protection of what hospitals send"), _differs),
    "unit": (msgid("what the noise protects"), _differs),
    "questions": (msgid("questions a year, of all users"), _higher),
    "numbers": (msgid("numbers that leave, in all"), _higher),
    "budget": (msgid("privacy budget of the dataset"), _higher),
    "budget.agreement": (msgid("share of one agreement in the privacy budget"), _higher),
    "budget.task": (msgid("share of one task in the privacy budget"), _higher),
    "budget.delta": (msgid("delta of the privacy budget"), _higher),
    "budget.unit": (msgid("what the noise protects"), _differs),
    "budget.exact": (msgid("exact answers beside the privacy budget"), _higher),
    "publish": (msgid("what the catalogue says of its content"), _more),
    "offers": (msgid("offers"), _higher),
    "not_purposes": (msgid("purposes that are left out"), _fewer),
    "elapsed": (msgid("time after the agreement"), _differs),
    "roles": (msgid("roles of members who may use it"), _more),
    "security_level": (msgid("security level of connectors"), _differs),
    "applications": (msgid("programs that may run"), _more),
    "events": (msgid("events that must have happened"), _fewer),
    "states": (msgid("states in which it may be used"), _more),
    "credentials": (msgid("credentials that the user must prove"), _fewer),
    "route": (msgid("route by which the rows of a person pass"), _differs),
    "duties": (msgid("duties of the user"), _fewer),
    "made_from": (msgid("models that it was made of"), _fewer),
    "label.purposes": (msgid("purposes that the label allows"), _beyond(PURPOSES)),
    "label.kinds": (msgid("kinds of use that the label allows"), _more),
    "label.regions": (msgid("places that the label allows"), _beyond(REGIONS)),
    "label.valid_from": (msgid("first day of the label"), _earlier),
    "label.valid_until": (msgid("last day of the label"), _later),
    "label.review": (msgid("persons who review each result"), _lower),
    "label.sensitivity": (msgid("how sensitive the data are, by the label"), _less_sensitive),
    "label.events": (msgid("events that the label records"), _more),
    "label.states": (msgid("states that the label says hold"), _differs),
    "label.laws": (msgid("rule packs that the label names"), _fewer),
    "label.columns": (msgid("labels of columns"), _differs),
    "label.rows": (msgid("labels of rows"), _differs),
}
# What a label allows where it does not say it.
_UNSAID: Mapping[str, Json] = {
    "label.purposes": [],
    "label.kinds": [],
    "label.regions": [],
    "label.review": 0,
    "label.sensitivity": Sensitivity.NON_PUBLIC.value,
    "label.events": [],
    "label.states": [],
    "label.laws": [],
    "label.columns": [],
    "label.rows": [],
    "made_from": [],
}


def changes(before: Asset, after: Asset) -> list[TermChange]:
    """What differs between the terms of a dataset as they are and as they will be."""
    old, new = dict(_terms(before)), dict(_terms(after))
    made = []
    for place in dict.fromkeys((*old, *new)):
        one, other, name = old.get(place), new.get(place), place.lstrip("0123456789.")
        if one != other and _comparable(place, before, after):
            words, wider = _TERMS.get(name, (name, _differs))
            made.append(TermChange(place.removeprefix("1."), words, one, other, _loosens(name, wider, one, other)))
    return made


def label_changes(before: JsonObject, after: JsonObject) -> list[TermChange]:
    """What differs between two labels of a dataset; one that allows nothing loosens nothing."""
    old, new = ({f"label.{name}": _plain(value) for name, value in one.items()} for one in (before, after))
    opens = all(after.get(name) for name in ("purposes", "kinds", "regions"))
    return [
        TermChange(
            name,
            words,
            old.get(name),
            new.get(name),
            opens and _loosens(name, wider, old.get(name), new.get(name)),
        )
        for name, (words, wider) in _TERMS.items()
        if name.startswith("label.") and old.get(name) != new.get(name)
    ]


def beyond(usual: JsonObject, said: JsonObject) -> list[TermChange]:
    """The terms of a new offer that protect less than the usual ones do."""
    found = [
        TermChange(name, words, usual[name], said[name], _loosens(name, wider, usual[name], said[name]))
        for name, (words, wider) in _TERMS.items()
        if name in usual and name in said and usual[name] != said[name]
    ]
    return [one for one in found if one.loosens]


def beside(other: Asset, new: Asset) -> list[TermChange]:
    """What a new dataset allows beyond another one of the same table: its patients answer the questions of both."""
    looser = [one for one in changes(other, new) if one.loosens and one.term != "questions"]
    both = None if other.questions is None or new.questions is None else other.questions + new.questions
    return [*looser, TermChange("questions", _TERMS["questions"][0], other.questions, both, loosens=True)]


def _comparable(place: str, before: Asset, after: Asset) -> bool:
    """Whether both have it: of an offer or a budget that one of them lacks, that it is new or gone is told."""
    number = place.partition(".")[0]
    if number.isdecimal():
        return int(number) <= min(len(before.offers), len(after.offers))
    return not place.startswith("budget.") or None not in (before.budget, after.budget)


def _terms(asset: Asset) -> Iterator[tuple[str, Json]]:
    """All terms by their names; those of an offer begin with its number."""
    for number, offer in enumerate(asset.offers, 1):
        for term, value in _of_offer(offer).items():
            yield f"{number}.{term}", value
    yield from (("offers", len(asset.offers)), ("questions", asset.questions), ("numbers", asset.numbers))
    yield "publish", list(asset.publish)
    yield "made_from", list(asset.made_from)
    yield from _of_budget(asset.budget)
    for name, value in asset.label.items():
        yield f"label.{name}", _plain(value)


def _plain(value: Json) -> Json:
    """A value of a label as it is compared: a yes or no counts persons who review."""
    return int(value) if isinstance(value, bool) else value


def _of_offer(offer: Offer) -> dict[str, Json]:
    template = TEMPLATES.get(offer.template)
    presets: Mapping[str, Any] = (template.presets or {}) if template is not None else {}
    return {"template": offer.template, "colluders": COLLUDERS, **presets, **offer.terms}


def _of_budget(budget: PrivacyBudget | None) -> Iterator[tuple[str, Json]]:
    if budget is None:
        return
    yield "budget", budget.epsilon
    yield from ((f"budget.{name}", getattr(budget, name)) for name in ("agreement", "task", "delta", "unit"))
    yield "budget.exact", int(budget.exact)


def _loosens(name: str, wider: Wider, before: Json, after: Json) -> bool:
    unsaid = _UNSAID.get(name)
    before, after = unsaid if before is None else before, unsaid if after is None else after
    if after is None:
        return True
    if before is None:
        return name in ("questions", "numbers") or wider is _differs  # the connector had chosen: nobody knows what
    try:
        return bool(wider(before, after))
    except (TypeError, KeyError, ValueError, BoundError):
        return True


def seen_of(dataset: str, found: Sequence[TermChange]) -> str:
    """The digest of changes as they are shown: who confirms them says which ones they have seen."""
    return digest([dataset, [[one.term, one.before, one.after, one.loosens] for one in found]])


def check_confirmed(dataset: str, found: Sequence[TermChange], confirmed: Collection[str], seen: str) -> None:
    """Refuse what protects less than before, unless each of these terms was confirmed as it was `seen`.

    Raises:
        OfferLoosenedError: one was not, or nobody says what was seen.
        OfferMovedError: the terms, or what they would be, were others then.
    """
    looser = [one for one in found if one.loosens]
    open_ = [one for one in looser if not seen or one.term not in confirmed]
    if open_:
        raise OfferLoosenedError(changes=_joined([one.sentence for one in open_]))
    if looser and not same_secret(seen, seen_of(dataset, found)):
        raise OfferMovedError(changes=_joined([one.sentence for one in looser]))


def seen_of_all(found: Mapping[str, Sequence[TermChange]]) -> str:
    """The digest of the changes of several datasets as they are shown."""
    return digest([seen_of(dataset, terms) for dataset, terms in sorted(found.items()) if terms])


def check_seen(found: Mapping[str, Sequence[TermChange]], seen: str) -> None:
    """Refuse changes of datasets that protect less than before, unless they were confirmed as they were `seen`.

    Raises:
        OfferLoosenedError: nobody says what was seen.
        OfferMovedError: the terms, or what they would be, were others then.
    """
    looser = [
        Text(msgid("{dataset}: {change}"), {"dataset": dataset, "change": one.sentence})
        for dataset, terms in found.items()
        for one in terms
        if one.loosens
    ]
    if looser and not seen:
        raise OfferLoosenedError(changes=_joined(looser))
    if looser and not same_secret(seen, seen_of_all(found)):
        raise OfferMovedError(changes=_joined(looser))


def _joined(told: Sequence[Text]) -> Text:
    return reduce(lambda one, other: Text(msgid("{one}; {other}"), {"one": one, "other": other}), told)
