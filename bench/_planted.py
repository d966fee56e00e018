"""Offers in which nothing clashes, and offers with a conflict planted: what a check should leave, and find."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

Json = dict[str, Any]
DIDS = [f"did:web:hospital{at}.example" for at in range(6)]
# Purposes none of which includes another, and what is within some of them.
APART = ["ehds:HealthcareScientificResearch", "dpv:AcademicResearch", "dpv:PublicPolicyMaking", "dpv:Marketing"]
BROAD = {"dpv:ScientificResearch": "ehds:HealthcareScientificResearch", "dpv:Marketing": "dpv:DirectMarketing"}
COUNTRIES = ["DE", "FR", "ES", "IT", "SG", "CN", "US", "JP"]
OUTPUTS = ["glm.model", "glm.progress", "cox.model"]
ACTIONS = ["medspace:train", "medspace:statistics", "medspace:score", "medspace:annotate"]


@dataclass(frozen=True)
class Planted:
    """An offer, the code of its clash, and the clauses that clash: the fewest, as pointers; all empty where clean."""

    offer: Json
    code: str = ""
    clauses: frozenset[str] = frozenset()


def compare(operand: str, comparison: str, right: Any) -> Json:  # noqa: ANN401 - JSON
    """A constraint."""
    return {"leftOperand": operand, "operator": comparison, "rightOperand": right}


def _day(random: Random, year: int) -> str:
    return f"{year}-{random.randint(1, 12):02}-{random.randint(1, 28):02}T00:00:00Z"


# Conditions of offers that make sense together, at most one of each.
USUAL: list[Callable[[Random], Json]] = [
    lambda random: compare("purpose", "isAnyOf", random.sample(APART, random.randint(1, 3))),
    lambda random: compare("dateTime", "lteq", _day(random, 2030)),
    lambda random: compare("dateTime", "gteq", _day(random, 2028)),
    lambda random: compare("spatial", "isAnyOf", random.sample(COUNTRIES, random.randint(1, 4))),
    lambda random: compare("recipient", "isAnyOf", random.sample(DIDS, random.randint(1, 4))),
    lambda random: compare("count", "lteq", random.randint(1, 100)),
    lambda random: compare("medspace:minCohort", "gteq", random.randint(5, 100)),
    lambda random: compare("medspace:minSites", "gteq", random.randint(3, 9)),
    lambda random: compare("medspace:output", "isAnyOf", random.sample(OUTPUTS, 2)),
    lambda random: compare("medspace:protection", "eq", random.choice(["masked-sums", "coordinator-sees-sums"])),
    lambda random: compare("medspace:colluders", "gteq", random.randint(1, 3)),
    lambda random: compare("medspace:holders", "isAnyOf", random.sample(DIDS, 3)),
    lambda random: {
        "or": [compare("spatial", "isPartOf", "EEA"), compare("recipient", "eq", random.choice(DIDS))],
    },
]


def _clean(random: Random) -> Json:
    actions = random.sample(ACTIONS, random.randint(1, 2))
    permissions = []
    for action in actions:
        constraints = _apart([make(random) for make in random.sample(USUAL, random.randint(0, 6))])
        permissions.append({"action": action, "constraint": constraints} if constraints else {"action": action})
    offer: Json = {"@id": "urn:offer", "@type": "Offer", "permission": permissions}
    if random.random() < 0.5:
        offer["prohibition"] = [{"action": "medspace:download"}]
    if random.random() < 0.3:
        others = [action for action in ACTIONS if action not in actions]
        offer.setdefault("prohibition", []).append({"action": random.choice(others)})
    if random.random() < 0.3:
        offer["obligation"] = [{"action": "medspace:log"}]
    return offer


def _apart(constraints: list[Json]) -> list[Json]:
    """Those of which no two are about the same: a joint condition beside one on a part of it may well clash."""
    joint = any("or" in one for one in constraints)
    return [one for one in constraints if not joint or one.get("leftOperand") not in ("spatial", "recipient")]


def clean(seed: int) -> Planted:
    """An offer in which nothing clashes."""
    return Planted(_clean(Random(seed)))


# Pairs of conditions that cannot hold together.
APART_PAIRS: list[Callable[[Random], tuple[Json, Json]]] = [
    lambda random: (compare("dateTime", "gteq", _day(random, 2029)), compare("dateTime", "lt", _day(random, 2028))),
    lambda _: (compare("purpose", "isA", APART[0]), compare("purpose", "isNoneOf", ["dpv:ScientificResearch"])),
    lambda _: (compare("purpose", "isAnyOf", APART[1:2]), compare("purpose", "isAnyOf", APART[2:])),
    lambda _: (compare("spatial", "isPartOf", "EU"), compare("spatial", "isAnyOf", ["CN", "US"])),
    lambda random: (compare("spatial", "isNoneOf", ["EEA"]), compare("spatial", "eq", random.choice(["DE", "NO"]))),
    lambda _: (compare("recipient", "eq", DIDS[0]), compare("assignee", "isAnyOf", DIDS[1:4])),
    lambda random: (compare("count", "lteq", random.randint(1, 5)), compare("count", "gt", random.randint(5, 9))),
    lambda _: (
        compare("medspace:protection", "eq", "masked-sums"),
        compare("medspace:protection", "eq", "coordinator-sees-sums"),
    ),
    lambda _: (
        compare("medspace:output", "isAnyOf", ["glm.model"]),
        compare("medspace:output", "isAnyOf", ["cox.model", "glm.progress"]),
    ),
    lambda _: (
        {"or": [compare("spatial", "eq", "CN"), compare("count", "lt", 1)]},
        compare("spatial", "isPartOf", "EEA"),
    ),
]
# Pairs of which the second says nothing that the first does not.
IMPLIED_PAIRS: list[Callable[[Random], tuple[Json, Json]]] = [
    lambda random: (compare("count", "lteq", random.randint(1, 5)), compare("count", "lteq", random.randint(6, 9))),
    lambda random: (compare("dateTime", "lteq", _day(random, 2028)), compare("dateTime", "lt", _day(random, 2030))),
    lambda random: (compare("spatial", "eq", random.choice(["DE", "FR"])), compare("spatial", "isPartOf", "EU")),
    lambda random: (
        compare("medspace:minCohort", "gteq", random.randint(50, 90)),
        compare("medspace:minCohort", "gteq", random.randint(5, 20)),
    ),
    lambda _: (
        compare("purpose", "isA", "ehds:HealthcareScientificResearch"),
        compare("purpose", "isA", "dpv:ResearchAndDevelopment"),
    ),
]


def _constrained(random: Random, pair: tuple[Json, Json]) -> tuple[Json, frozenset[str]]:
    """An offer with both conditions in one of its permissions, among others on other operands."""
    about = {one.get("leftOperand", "") for one in pair} | {"spatial", "count", "recipient"}
    offer = {"@id": "urn:offer", "@type": "Offer", "permission": [{"action": random.choice(ACTIONS)}]}
    others = [made for make in USUAL if (made := make(random)).get("leftOperand", "spatial") not in about]
    placed = [*pair, *random.sample(others, random.randint(0, min(4, len(others))))]
    random.shuffle(placed)
    offer["permission"][0]["constraint"] = placed  # type: ignore[index]
    where = frozenset(f"/permission/0/constraint/{placed.index(one)}" for one in pair)
    return offer, where


def _unusable(random: Random) -> Planted:
    offer, where = _constrained(random, random.choice(APART_PAIRS)(random))
    return Planted(offer, "policy.never_usable", where)


def _implied(random: Random) -> Planted:
    offer, where = _constrained(random, random.choice(IMPLIED_PAIRS)(random))
    return Planted(offer, "policy.redundant", where)


def _barred(random: Random) -> Planted:
    """A prohibition of all that one of the permissions allows, among others that leave it alone."""
    action = random.choice(ACTIONS)
    harmless = {"action": "medspace:download"}
    bar: Json = {"action": random.choice([action, "use"])}
    permission: Json = {"action": action}
    where = {"/permission/0"}
    if random.random() < 0.5:
        narrow, wide = random.choice(IMPLIED_PAIRS[1:3])(random)
        permission["constraint"], bar["constraint"] = [narrow], [wide]
        where.add("/permission/0/constraint/0")
    first = random.random() < 0.5
    offer = {"@id": "urn:offer", "@type": "Offer", "permission": [permission]}
    offer["prohibition"] = [bar, harmless] if first else [harmless, bar]
    return Planted(offer, "policy.all_prohibited", frozenset({*where, f"/prohibition/{0 if first else 1}"}))


def _twice(random: Random) -> Planted:
    """Two permissions of which one allows all that the other does."""
    action = random.choice(ACTIONS)
    constraint = random.choice(USUAL)(random)
    wide: Json = {"action": random.choice([action, "use"])}
    offer = {
        "@id": "urn:offer",
        "@type": "Offer",
        "permission": [wide, {"action": action, "constraint": [constraint]}],
    }
    return Planted(offer, "policy.redundant", frozenset({"/permission/0", "/permission/1"}))


KINDS = (_unusable, _unusable, _barred, _implied, _twice)


def planted(seed: int) -> Planted:
    """An offer with a clash of one of the kinds, in turn."""
    return KINDS[seed % len(KINDS)](Random(seed))


def several(make: Callable[[int], Planted], count: int) -> Iterator[Planted]:
    """So many offers."""
    return map(make, range(count))
