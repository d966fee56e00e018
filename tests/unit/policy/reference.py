"""A naive evaluator of whole ODRL, for tests only: plain JSON in, no code of the policy room, slow and literal.

A constraint that cannot be decided is tried both ways, and hierarchies are walked at each question. It understands
the documents that `everything.py` writes, no more.
"""

from datetime import datetime
from itertools import product

INCLUDED_IN = {
    "read": "use",
    "play": "use",
    "display": "play",
    "distribute": "use",
    "delete": "use",
    "inform": "use",
    "compensate": "use",
    "sell": "transfer",
    "ex:share": "use",
}
IMPLIES = {"ex:share": "distribute"}
ACTIONS = {"use", "transfer", *INCLUDED_IN}
# What the purposes and places of these tests are within, besides themselves.
WITHIN = {
    ("ehds:HealthcareScientificResearch", "dpv:ScientificResearch"),
    ("DE", "EU"),
    ("FR", "EU"),
}
PURPOSES = ("ehds:HealthcareScientificResearch", "dpv:ScientificResearch", "dpv:Marketing")
PLACES = ("DE", "FR", "EU", "CN")


def climb(start, steps):
    """Everything above a name, itself included; `steps` are pairs of a name and what is directly above it."""
    found, before = {start}, set()
    while found != before:
        before = set(found)
        found |= {above for below, above in steps if below in before}
    return found


def action_steps():
    return set(INCLUDED_IN.items())


def inside(narrow, wide):
    if narrow == wide:
        return True
    if narrow not in ACTIONS or wide not in ACTIONS:
        return None
    return wide in climb(narrow, action_steps())


def any_true(answers):
    answers = list(answers)
    return True if True in answers else None if None in answers else False


def all_true(answers):
    answers = list(answers)
    return False if False in answers else None if None in answers else True


def opposite(answer):
    return None if answer is None else not answer


# --- comparing ------------------------------------------------------------------------------------------------


def when(text):
    return datetime.fromisoformat(text)


def meaning(operand, value):
    if operand == "dateTime":
        return when(value)
    return float(value) if operand == "count" else value


def related(held, wanted):
    """Narrower, broader, or unrelated terms of the vocabularies of these tests; None for any other terms."""
    for terms in (PURPOSES, PLACES):
        if held in terms and wanted in terms:
            if held == wanted or (held, wanted) in WITHIN:
                return "within"
            return "around" if (wanted, held) in WITHIN else "apart"
    return None


def kin(held, wanted):
    relation = related(held, wanted) if isinstance(held, str) and isinstance(wanted, str) else None
    if relation is not None:
        return {"within": True, "around": None, "apart": False}[relation]
    return held == wanted if type(held) is type(wanted) else None


def equal(held, wanted):
    if held in PURPOSES and wanted in PURPOSES:
        return True if held == wanted else (False if related(held, wanted) == "apart" else None)
    return kin(held, wanted)


def below(held, wanted, steps):
    if not isinstance(held, str) or not isinstance(wanted, str):
        return None
    if wanted in climb(held, steps):
        return True
    if related(held, wanted) is not None:
        return kin(held, wanted)
    stated = any(lower == held for lower, _ in steps)
    return False if stated and held not in climb(wanted, steps) else None


def compared(constraint, facts, state):
    operand, comparison, right = (constraint[name] for name in ("leftOperand", "operator", "rightOperand"))
    held = facts.get(operand)
    if held is None:
        return None
    held = [meaning(operand, one) for one in (held if isinstance(held, list) else [held])]
    wanted = [meaning(operand, one) for one in (right if isinstance(right, list) else [right])]
    if comparison.endswith("Of") and comparison != "isPartOf":
        rows = [[kin(one, other) for one in held] for other in wanted]
        some = any_true(answer for row in rows for answer in row)
        every = all_true(any_true(row) for row in rows)
        return {"isAnyOf": some, "isNoneOf": opposite(some), "isAllOf": every}[comparison]
    return single(comparison, held[0], wanted[0], state) if len(held) == 1 else None


def single(comparison, held, wanted, state):
    parts, kinds = ({(a, b) for a, found in state[name].items() for b in found} for name in ("parts", "kinds"))
    if comparison not in ("lt", "lteq", "gt", "gteq"):
        return {
            "eq": lambda: equal(held, wanted),
            "neq": lambda: opposite(equal(held, wanted)),
            "isA": lambda: below(held, wanted, kinds),
            "isPartOf": lambda: below(held, wanted, parts),
            "hasPart": lambda: below(wanted, held, parts),
        }[comparison]()
    if isinstance(held, str) or type(held) is not type(wanted):
        return None
    answers = {"lt": held < wanted, "lteq": held <= wanted, "gt": held > wanted, "gteq": held >= wanted}
    return answers[comparison]


JOINS = {
    "and": all,
    "andSequence": all,
    "or": any,
    "xone": lambda answers: list(answers).count(True) == 1,
}


def leaves(constraint):
    for name in JOINS:
        if name in constraint:
            return [leaf for part in constraint[name] for leaf in leaves(part)]
    return [constraint]


def filled(constraint, answers):
    for name, join in JOINS.items():
        if name in constraint:
            return join([filled(part, answers) for part in constraint[name]])
    return answers.pop(0)


def holds(constraint, facts, state):
    known = [compared(leaf, facts, state) for leaf in leaves(constraint)]
    worlds = product(*[[True, False] if answer is None else [answer] for answer in known])
    found = {filled(constraint, list(answers)) for answers in worlds}
    return found.pop() if len(found) == 1 else None


# --- scopes ---------------------------------------------------------------------------------------------------


def belongs(scope, named, state):
    if scope is None:
        return True
    if named is None:
        return None
    if isinstance(scope, str):
        scope = {"source": scope}
    steps = {(a, b) for a, found in state["parts"].items() for b in found}
    if "source" in scope and scope["source"] not in climb(named, steps):
        return False
    own = state["properties"].get(named, {})
    return all_true(holds(one, own, state) for one in scope.get("refinement", []))


def action_of(rule):
    action = rule["action"]
    if isinstance(action, str):
        return action, []
    return action["rdf:value"], action.get("refinement", [])


# --- duties ---------------------------------------------------------------------------------------------------


def deadlines(constraints):
    for one in constraints:
        if one.get("leftOperand") == "dateTime" and one["operator"] in ("lt", "lteq"):
            yield one
        for name in ("and", "andSequence"):
            yield from deadlines(one.get(name, []))


def without_deadlines(constraint):
    """The constraint with its deadlines replaced by something that always holds."""
    for name in JOINS:
        if name in constraint:
            within = without_deadlines if name in ("and", "andSequence") else (lambda part: part)
            return {name: [within(part) for part in constraint[name]]}
    return ALWAYS if list(deadlines([constraint])) else constraint


ALWAYS = {"leftOperand": "always", "operator": "eq", "rightOperand": "so"}


def happened(event, rule, state, late):
    if when(event["time"]) > when(state["now"]):
        return False
    name, refined = action_of(rule)
    if inside(event["action"], name) is not True:
        return False
    if not all(belongs(rule.get(place), event.get(place), state) is True for place in ("target", "assignee")):
        return False
    facts = {**event.get("fact", {}), "dateTime": event["time"], "always": "so"}
    if "assignee" in event:
        facts["recipient"] = event["assignee"]
    constraints = rule.get("constraint", [])
    if late:
        constraints = [without_deadlines(one) for one in constraints]
    return all(holds(one, facts, state) is True for one in (*refined, *constraints))


def duty_state(duty, state):
    said = state["duties"].get(duty.get("uid"))
    if said is None:
        if any(happened(event, duty, state, late=False) for event in state["events"]):
            return "Fulfilled"
        now = {"dateTime": state["now"]}
        over = any(compared(one, now, state) is False for one in deadlines(duty.get("constraint", [])))
        said = "Violated" if over else "NonSet"
    if said == "Violated" and duty.get("consequence"):
        done = any(happened(event, duty, state, late=True) for event in state["events"])
        if done and all(duty_state(one, state) == "Fulfilled" for one in duty["consequence"]):
            return "Fulfilled"
    return said


# --- policies -------------------------------------------------------------------------------------------------


def with_shared(policy, rule):
    """A rule, and what hangs on it, about what the policy says they are about."""
    made = {**{name: policy[name] for name in ("target", "assignee") if name in policy}, **rule}
    about = {name: made[name] for name in ("target", "assignee") if name in made}
    for name in ("duty", "remedy", "consequence"):
        if name in made:
            made[name] = [with_shared(about, one) for one in made[name]]
    return made


def reached(asked, forbidden):
    if inside(forbidden, asked) is True:
        return True
    implied = {asked} | {wide for narrow, wide in IMPLIES.items() if narrow == asked}
    return any_true(inside(one, forbidden) for one in implied)


def premises(rule, asked, facts, state, action_met):
    _, refined = action_of(rule)
    action = all_true([action_met, *(holds(one, facts, state) for one in refined)])
    scopes = [belongs(rule.get(name), asked.get(name), state) for name in ("target", "assignee")]
    return [action, *scopes, *(holds(one, facts, state) for one in rule.get("constraint", []))]


def evaluate(policies, asked, state):
    """The code of the decision, and for each rule (attempted, active, state, premises), in the order of the report.

    `policies` are the policy and those that it inherits from.
    """
    facts = {**asked.get("fact", {}), **state["facts"], "dateTime": state["now"]}
    if "assignee" in asked:
        facts["recipient"] = asked["assignee"]
    listed = {
        name: [with_shared(one, rule) for one in policies for rule in one.get(name, [])]
        for name in ("permission", "prohibition", "obligation")
    }
    report, allowed, barred = [], [], []
    for rule in listed["permission"]:
        found = premises(rule, asked, facts, state, inside(asked["action"], action_of(rule)[0]))
        broken = any(duty_state(duty, state) == "Violated" for duty in rule.get("duty", []))
        allowed.append(False if broken else all_true(found))
        report.append((all_true(found[:3]), allowed[-1], "NonSet", found))
    for rule in listed["prohibition"]:
        found = premises(rule, asked, facts, state, reached(asked["action"], action_of(rule)[0]))
        barred.append(all_true(found))
        infringed = any(happened(event, rule, state, late=False) for event in state["events"])
        made_good = [duty_state(one, state) == "Fulfilled" for one in rule.get("remedy", [])]
        stands = ("Fulfilled" if made_good and all(made_good) else "Violated") if infringed else "NonSet"
        report.append((all_true(found[:3]), barred[-1], stands, found))
    states = [duty_state(rule, state) for rule in listed["obligation"]]
    strategies = {one.get("conflict", "invalid") for one in policies}
    strategy = strategies.pop() if len(strategies) == 1 else "invalid"
    return code(strategy, allowed, barred, states), report, states


def code(strategy, allowed, barred, obligations):
    if "Violated" in obligations:
        return "policy.duty_violated"
    if strategy == "perm" and True in allowed:
        return "policy.permitted"
    if strategy == "invalid" and True in allowed and True in barred:
        return "policy.conflict"
    if True in barred:
        return "policy.prohibited"
    if None in barred or (None in allowed and True not in allowed):
        return "policy.undecided"
    return "policy.permitted" if True in allowed else "policy.no_permission"
