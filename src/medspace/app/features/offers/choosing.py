"""The terms of a new offer, as answers to questions: for the configuration, in words, and in four cases."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from medspace.app.doors.views import Speak, clashing, contract
from medspace.app.features.offers.keeping import ChosenTerms
from medspace.app.node.node import Node
from medspace.app.node.offering.wishes import COUNT, MIN_SITES, WishError, Wishes, check, end
from medspace.app.node.offering.writing import PURPOSE
from medspace.core.canonical import Json, JsonObject
from medspace.core.clock import Clock, instant
from medspace.core.instants import bound, last_day
from medspace.core.text import Text, msgid
from medspace.policy import labels, odrl, purposes, templates
from medspace.policy.actions import DOWNLOAD
from medspace.policy.masks import protection
from medspace.policy.model import Policy, UseRequest
from medspace.policy.regions import REGIONS, WORLD
from medspace.policy.service import dry_run
from medspace.privacy.publication import LEAST

# What people are asked for what; the others of the vocabulary can be written into the configuration.
ASKED_PURPOSES = (
    PURPOSE,
    "ehds:TrainTestAndEvaluateAISystemsAlgorithms",
    "dpv:NonCommercialResearch",
    "dpv:CommercialResearch",
    "dpv:ImproveHealthcare",
    "ehds:PublicHealthSurveillance",
)
HIDDEN = ("open-use", "download")  # templates that let more out than a first offer should
FOREIGN = "dpv:Marketing"  # what a purpose that nobody offered for stands for in the answers
MOST_LISTED = 200
ASKED = ("purposes", "recipients", "regions", "until", "count", "min_sites")  # terms that questions ask for


@dataclass(frozen=True, slots=True)
class Choice:
    """Something that may be chosen, and what it is called."""

    name: str
    words: str

    def told(self) -> JsonObject:
        """As JSON."""
        return {"name": self.name, "words": self.words}


def choices(node: Node, speak: Speak, chosen: ChosenTerms) -> JsonObject:
    """What may be chosen for an offer of this connector; what a template has chosen already is among it."""
    named = {one.name: one.words for one in purposes.VOCABULARY}
    served = templates.offerable(node.kinds)
    members = [Choice(one.did, one.name) for one in node.members() if one.did != node.did]
    own = node.region(node.did) or node.config.participant.region
    places = [("EU", msgid("the European Union")), ("EEA", msgid("the European Economic Area"))]
    return {
        "purposes": [
            Choice(name, speak(named.get(name, name))).told()
            for name in dict.fromkeys((*ASKED_PURPOSES, *chosen.purposes))
        ],
        "templates": [
            Choice(name, speak(one.title)).told()
            for name, one in served.items()
            if name not in HIDDEN or name == chosen.template
        ],
        "members": [one.told() for one in _with(members[:MOST_LISTED], chosen.recipients)],
        "regions": [
            *([Choice(own, own).told()] if own in REGIONS.ancestors and own != WORLD else []),
            *(Choice(name, speak(words)).told() for name, words in places),
            *(Choice(name, name).told() for name in chosen.regions if name not in ("EU", "EEA", own)),
        ],
        "count": COUNT,
        "min_sites": MIN_SITES,
    }


def _with(known: list[Choice], names: Collection[str]) -> list[Choice]:
    there = {one.name for one in known}
    return [*known, *(Choice(name, name) for name in names if name not in there)]


def answered(chosen: ChosenTerms, template: str, terms: JsonObject, clock: Clock) -> ChosenTerms:
    """The answers that terms give to the questions; what is not asked for is kept as it is."""
    until = str(terms.get("until", ""))
    return replace(
        chosen,
        template=template,
        purposes=tuple(purposes.canonical(one) or one for one in _listed(terms.get("purposes"))),
        recipients=_listed(terms.get("recipients")),
        regions=_listed(terms.get("regions")),
        until=last_day(until)[:10] if until and bound(until, last=True) > clock.now() else "",
        count=int(terms.get("count", 0)),
        min_sites=int(terms["min_sites"]) if "min_sites" in terms else None,
        more={name: value for name, value in terms.items() if name not in ASKED},
    )


def _listed(value: Json) -> tuple[str, ...]:
    if value is None:
        return ()
    return tuple(map(str, value)) if isinstance(value, list | tuple) else (str(value),)


def wishes_of(chosen: ChosenTerms, file: Path | None = None) -> Wishes:
    """What is written into a configuration."""
    return Wishes(
        name="",
        port=1,
        offer=file,
        until=chosen.until,
        count={None: COUNT, 0: None}.get(chosen.count, chosen.count),
        min_sites=MIN_SITES if chosen.min_sites is None else chosen.min_sites,
        questions=chosen.questions,
        publish=chosen.publish,
    )


def check_chosen(chosen: ChosenTerms, node: Node) -> None:
    """Refuse terms that cannot be offered here.

    Raises:
        WishError: a number, an end or a purpose that cannot be meant.
        UnknownTemplateError, UnservedTemplateError: there is nothing here that could be done under it.
    """
    templates.check_offerable(chosen.template, node.kinds)
    check(wishes_of(chosen))
    if not chosen.purposes:
        raise WishError(option=Text(msgid("For what")), reason=Text(msgid("no purpose is chosen")))
    for purpose in chosen.purposes:
        if purposes.canonical(purpose) is None:
            raise WishError(option=Text(msgid("For what")), reason=Text(msgid("a purpose is not known")))
    for place in chosen.regions:
        if place not in REGIONS.ancestors:
            raise WishError(option=Text(msgid("Who may")), reason=Text(msgid("a place is not known")))
    templates.build_from(chosen.template, terms_of(chosen, node.clock))


def terms_of(chosen: ChosenTerms, clock: Clock) -> dict[str, Json]:
    """The terms of the offer, as the configuration has them."""
    wishes = wishes_of(chosen)
    lists = {"recipients": list(chosen.recipients), "regions": list(chosen.regions)}
    return {
        "purposes": list(chosen.purposes),
        "until": end(wishes, clock),
        **({} if wishes.count is None else {"count": wishes.count}),
        "min_sites": wishes.min_sites,
        **chosen.more,
        "min_cohort": max(LEAST, int(chosen.more.get("min_cohort", LEAST))),
        **{name: values for name, values in lists.items() if values},
    }


def label_of(chosen: ChosenTerms, clock: Clock) -> JsonObject:
    """The label of the dataset: what its offer allows, and nothing else."""
    return {
        "purposes": list(chosen.purposes),
        "kinds": list(templates.TEMPLATES[chosen.template].permits),
        "regions": list(chosen.regions) or [WORLD],
        "valid_until": end(wishes_of(chosen), clock),
    }


def foreseen(chosen: ChosenTerms, node: Node, speak: Speak) -> JsonObject:
    """The contract in words, and what it would say in four cases; nothing is written.

    Raises:
        MedspaceError: as `check_chosen`.
    """
    check_chosen(chosen, node)
    offer = templates.build_from(chosen.template, terms_of(chosen, node.clock))
    policy = odrl.parse(offer)
    label = labels.parse(label_of(chosen, node.clock))
    cases: list[JsonObject] = []
    for question, request in _cases(chosen, node, policy):
        run = dry_run(policy, label, request)
        against = [] if run.decision.permitted else [one for one in run.decision.premises if one.satisfied is False]
        reasons = (one.held.render(speak) for one in against)
        cases.append(
            {
                "question": question.render(speak),
                "permitted": run.decision.permitted,
                "reasons": list(dict.fromkeys(reasons)),
                "remedies": [text.render(speak) for text in run.remedies],
            }
        )
    told = {"contract": contract(offer, speak), "clashes": clashing(offer, speak, node.clock.now())}
    return {**told, "cases": cases}


def _cases(chosen: ChosenTerms, node: Node, policy: Policy) -> Iterator[tuple[Text, UseRequest]]:
    last = instant(str(terms_of(chosen, node.clock)["until"]))
    who = chosen.recipients[0] if chosen.recipients else node.did
    kind = templates.TEMPLATES[chosen.template].permits[0]
    usual = UseRequest(
        action=kind,
        assignee=who,
        purpose=chosen.purposes[0],
        region=chosen.regions[0] if chosen.regions else node.region(node.did) or WORLD,
        time=node.clock.now(),
        count=0,
        protection=protection(policy),
    )
    named = {one.name: one.words for one in purposes.VOCABULARY}
    purpose = Text(named[str(purposes.canonical(chosen.purposes[0]))])
    yield Text(msgid("A member trains a model, for {purpose}?"), {"purpose": purpose}), usual
    yield Text(msgid("The same for marketing?")), replace(usual, purpose=FOREIGN)
    yield Text(msgid("It wants to download the rows?")), replace(usual, action=DOWNLOAD)
    yield Text(msgid("It comes the day after the end?")), replace(usual, time=last + timedelta(days=1))
