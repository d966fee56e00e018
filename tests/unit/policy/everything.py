"""Policies, requests and states of the world in which everything that ODRL has occurs, for hypothesis."""

from hypothesis import strategies as st

from tests.unit.policy.reference import PLACES, PURPOSES

TIMES = ["2026-01-01T00:00:00Z", "2026-06-01T00:00:00Z", "2026-06-01T02:00:00+02:00", "2027-01-01T00:00:00Z"]
ACTIONS = ["use", "read", "play", "display", "distribute", "transfer", "sell", "ex:share", "ex:other"]
DUTIES = ["inform", "compensate", "delete"]
ASSETS = ["urn:heart", "urn:registry", "urn:all", "urn:lung"]
PARTIES = ["urn:alice", "urn:staff", "urn:hospital", "urn:bob"]
TAGS = ["urn:tag:a", "urn:tag:b", "urn:tag:c"]
NUMBERS = [0, 1, 2, 2.5]
VALUES = {"purpose": PURPOSES, "spatial": PLACES, "urn:tag": TAGS, "recipient": PARTIES}
SINGLE, MANY, ORDER = (
    ("eq", "neq", "isA", "isPartOf", "hasPart"),
    ("isAnyOf", "isNoneOf", "isAllOf"),
    ("lt", "lteq", "gt", "gteq"),
)


def compared(operand, operators, right):
    return st.fixed_dictionaries(
        {"leftOperand": st.just(operand), "operator": st.sampled_from(operators), "rightOperand": right}
    )


ATOMS = st.one_of(
    *(compared(name, SINGLE, st.sampled_from(values)) for name, values in VALUES.items()),
    *(
        compared(name, MANY, st.lists(st.sampled_from(values), min_size=1, max_size=3))
        for name, values in VALUES.items()
    ),
    compared("dateTime", (*ORDER, "eq", "neq"), st.sampled_from(TIMES)),
    compared("count", (*ORDER, "eq", "neq"), st.sampled_from(NUMBERS)),
)
CONDITIONS = st.recursive(
    ATOMS,
    lambda inner: st.builds(
        lambda name, parts: {name: parts},
        st.sampled_from(["and", "or", "xone", "andSequence"]),
        st.lists(inner, min_size=1, max_size=3),
    ),
    max_leaves=4,
)
SOME = st.lists(CONDITIONS, max_size=2)
FACTS = st.fixed_dictionaries(
    {},
    optional={
        **{
            name: st.sampled_from(values) | st.lists(st.sampled_from(values), max_size=2, unique=True)
            for name, values in VALUES.items()
            if name != "recipient"
        },
        "count": st.sampled_from(NUMBERS),
    },
)


def scope(names):
    refined = st.fixed_dictionaries(
        {"refinement": st.lists(CONDITIONS, min_size=1, max_size=1)}, optional={"source": st.sampled_from(names)}
    )
    return st.sampled_from(names) | refined


def action(names):
    refined = st.builds(
        lambda name, one: {"rdf:value": name, "refinement": [one]}, st.sampled_from(names), CONDITIONS
    )
    return st.sampled_from(names) | refined


def rule(names, **more):
    fields = {"target": scope(ASSETS), "assignee": scope(PARTIES), "constraint": SOME, **more}
    return st.fixed_dictionaries({"action": action(names)}, optional=fields)


UIDS = st.sampled_from(["urn:duty:1", "urn:duty:2", "urn:duty:3"])
DEADLINE = st.lists(compared("dateTime", ("lt", "lteq"), st.sampled_from(TIMES)) | CONDITIONS, max_size=2)
PLAIN_DUTY = rule(DUTIES, constraint=DEADLINE, uid=UIDS)
DUTY = rule(DUTIES, constraint=DEADLINE, uid=UIDS, consequence=st.lists(PLAIN_DUTY, min_size=1, max_size=2))
PERMISSION = rule(ACTIONS, duty=st.lists(DUTY, max_size=2))
PROHIBITION = rule(ACTIONS, remedy=st.lists(PLAIN_DUTY, max_size=2))
RULES = {
    "permission": st.lists(PERMISSION, min_size=1, max_size=2),
    "prohibition": st.lists(PROHIBITION, max_size=2),
    "obligation": st.lists(DUTY, max_size=1),
}
CONFLICT = {"conflict": st.sampled_from(["perm", "prohibit", "invalid"])}
SHARED = {"target": scope(ASSETS), "assignee": scope(PARTIES)}


def policy(uid, **more):
    return st.fixed_dictionaries(
        {"uid": st.just(uid), "@type": st.sampled_from(["Set", "Offer"]), "permission": RULES["permission"], **more},
        optional={name: one for name, one in {**RULES, **CONFLICT, **SHARED}.items() if name != "permission"},
    )


POLICIES = policy("urn:policy").map(lambda one: [one]) | st.tuples(
    policy("urn:policy", inheritFrom=st.just(["urn:parent"])), policy("urn:parent")
).map(list)
ASKED = st.fixed_dictionaries(
    {"action": st.sampled_from(ACTIONS)},
    optional={"target": st.sampled_from(ASSETS), "assignee": st.sampled_from(PARTIES), "fact": FACTS},
)
EVENTS = st.lists(
    st.fixed_dictionaries(
        {"action": st.sampled_from(ACTIONS + DUTIES), "time": st.sampled_from(TIMES)},
        optional={"target": st.sampled_from(ASSETS), "assignee": st.sampled_from(PARTIES), "fact": FACTS},
    ),
    max_size=3,
)
# Each thing is only part of those that stand behind it in its list, so that nothing contains itself.
ABOVE = {name: listed[at + 1 :] for listed in (ASSETS[:3], PARTIES[:3], TAGS) for at, name in enumerate(listed[:-1])}


def steps():
    return st.fixed_dictionaries(
        {},
        optional={name: st.lists(st.sampled_from(above), unique=True, min_size=1) for name, above in ABOVE.items()},
    )


STATES = st.fixed_dictionaries(
    {
        "now": st.sampled_from(TIMES),
        "facts": FACTS,
        "parts": steps(),
        "kinds": steps(),
        "properties": st.dictionaries(st.sampled_from(ASSETS + PARTIES), FACTS, max_size=3),
        "events": EVENTS,
        "duties": st.dictionaries(UIDS, st.sampled_from(["NonSet", "Fulfilled", "Violated"]), max_size=2),
    }
)
SHARE = {"@id": "ex:share", "includedIn": "use", "implies": "distribute"}


def documents(policies, asked, state):
    """The same three as the JSON-LD documents that the evaluator reads."""
    # The share is declared by a rule that is about nothing that anybody asks for.
    declared = {"action": SHARE, "target": "urn:nowhere", "assignee": "urn:nobody"}
    first = {**policies[0], "obligation": [*policies[0].get("obligation", []), declared]}
    stated = [
        {"leftOperand": name, "operator": "eq", "rightOperand": one}
        for name, value in asked.get("fact", {}).items()
        for one in (value if isinstance(value, list) else [value])
    ]
    permission = {name: one for name, one in asked.items() if name != "fact"} | {"constraint": stated}
    request = {"uid": "urn:request", "@type": "Request", "permission": [permission]}
    nodes = [{"currentTime": state["now"], "fact": state["facts"], "performed": state["events"]}]
    for member, name in (("parts", "partOf"), ("kinds", "kindOf")):
        nodes += [{"@id": one, name: found} for one, found in state[member].items()]
    nodes += [{"@id": one, "fact": found} for one, found in state["properties"].items()]
    nodes += [{"rule": one, "deonticState": said} for one, said in state["duties"].items()]
    return {"@graph": [first, *policies[1:]]}, request, {"@graph": nodes}
