"""Reports of evaluations as JSON, and in Turtle as a compliance report in the vocabulary of FORCE.

FORCE knows satisfied and unsatisfied premises, active and inactive rules. What could not be decided is unsatisfied
and inactive there, and marked `medspace:undecided`.
"""

import re
from collections.abc import Iterator

from medspace.core.canonical import JsonObject
from medspace.core.clock import stamp
from medspace.policy.evaluation.deciding import PolicyReport, PremiseReport, RuleReport
from medspace.policy.evaluation.model import DutyState, RuleKind, Value
from medspace.policy.evaluation.values import datatype, written
from medspace.policy.evaluation.worlds import MEDSPACE, REPORT
from medspace.policy.purposes import iri

_HEAD = f"""@prefix dct: <http://purl.org/dc/terms/> .
@prefix odrl: <http://www.w3.org/ns/odrl/2/> .
@prefix xsd: <http://www.w3.org/2001/XMLSchema#> .
@prefix report: <{REPORT}> .
@prefix medspace: <{MEDSPACE}> .
"""
_CLASSES = {RuleKind.PERMISSION: "PermissionReport", RuleKind.PROHIBITION: "ProhibitionReport"}
_PREMISES = {"action": "ActionReport", "target": "TargetReport", "assignee": "PartyReport"}
_LOGICAL = frozenset({"and", "or", "xone", "andSequence"})
_IRI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[!-~]*")
_UNSAFE = re.compile(r'[\x00-\x20<>"{}|^`\\]|[^!-~]')  # what an IRI may not contain (Turtle 1.1, IRIREF)
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*")


# --- JSON -----------------------------------------------------------------------------------------------------


def as_json(report: PolicyReport) -> JsonObject:
    """A report as JSON: verdict, code, and per rule what was attempted, active, in which state, and each premise."""
    return {
        "policy": report.policy,
        "request": report.request,
        "time": None if report.time is None else stamp(report.time),
        "verdict": report.verdict.value,
        "code": report.code,
        "rules": [_rule(rule) for rule in report.rules],
    }


def _rule(report: RuleReport) -> JsonObject:
    return {
        "rule": report.rule.id,
        "clause": report.rule.clause,
        "kind": report.rule.kind.value,
        "action": report.rule.action,
        "attempted": report.attempted,
        "active": report.active,
        "state": report.state.value,
        "premises": [_premise(premise) for premise in report.premises],
        "depends": [_rule(one) for one in report.depends],
    }


def _premise(premise: PremiseReport) -> JsonObject:
    return {
        "about": premise.about,
        "clause": premise.clause,
        "satisfied": premise.satisfied,
        "operator": premise.operator,
        "held": None if premise.held is None else [written(one) for one in premise.held],
        "asked": [written(one) for one in premise.right],
        "parts": [_premise(part) for part in premise.parts],
    }


# --- Turtle ---------------------------------------------------------------------------------------------------


def as_turtle(*reports: PolicyReport) -> str:
    """Reports as one Turtle document."""
    lines = [_HEAD]
    for at, report in enumerate(reports):
        lines += _policy(report, f"_:report{at}")
    return "\n".join(lines) + "\n"


def _policy(report: PolicyReport, name: str) -> Iterator[str]:
    stated = [("a", "report:PolicyReport")]
    if report.time is not None:
        stated.append(("dct:created", _value(report.time)))
    stated += [("report:policy", _iri(report.policy)), ("report:policyRequest", _iri(report.request))]
    stated += [("medspace:verdict", _text(report.verdict.value)), ("medspace:code", _text(report.code))]
    names = [f"{name}_rule{at}" for at in range(len(report.rules))]
    stated += [("report:ruleReport", one) for one in names]
    yield _node(name, stated)
    for one, rule in zip(names, report.rules, strict=True):
        yield from _rule_node(rule, one, report.request)


def _rule_node(report: RuleReport, name: str, request: str) -> Iterator[str]:
    duty = report.rule.kind not in _CLASSES
    stated = [
        ("a", f"report:{_CLASSES.get(report.rule.kind, 'DutyReport')}"),
        ("report:rule", _iri(report.rule.id)),
        ("report:ruleRequest", _iri(request)),
        ("report:attemptState", "report:Attempted" if report.attempted else "report:NotAttempted"),
        ("report:activationState", "report:Active" if report.active else "report:Inactive"),
    ]
    if duty:
        stated.append(("report:performanceState", f"report:{'Performed' if report.attempted else 'Unperformed'}"))
    if duty or report.state is not DutyState.NOT_SET:
        stated.append(("report:deonticState", f"report:{report.state.value}"))
    stated += [("medspace:undecided", "true")] if report.active is None else []
    premises = [f"{name}_premise{at}" for at in range(len(report.premises))]
    depends = [f"{name}_condition{at}" for at in range(len(report.depends))]
    stated += [("report:premiseReport", one) for one in premises]
    stated += [("report:conditionReport", one) for one in depends]
    yield _node(name, stated)
    for one, premise in zip(premises, report.premises, strict=True):
        yield from _premise_node(premise, one)
    for one, rule in zip(depends, report.depends, strict=True):
        yield from _rule_node(rule, one, request)


def _premise_node(premise: PremiseReport, name: str) -> Iterator[str]:
    state = "report:Satisfied" if premise.satisfied else "report:Unsatisfied"
    stated = [
        ("a", f"report:{_PREMISES.get(premise.about, 'ConstraintReport')}"),
        ("medspace:clause", _text(premise.clause)),
        ("report:satisfactionState", state),
    ]
    stated += [("medspace:undecided", "true")] if premise.satisfied is None else []
    if premise.about in _LOGICAL and premise.parts:
        stated.append(("report:constraintLogicalOperand", f"odrl:{premise.about}"))
    elif premise.operator:
        stated.append(("medspace:leftOperand", _term(premise.about)))
        stated += [("report:constraintLeftOperand", _value(one)) for one in premise.held or ()]
        stated.append(("report:constraintOperator", f"odrl:{premise.operator}"))
        stated += [("report:constraintRightOperand", _value(one)) for one in premise.right]
    else:
        stated += [("medspace:held", _value(one)) for one in premise.held or ()]
        stated += [("medspace:asked", _value(one)) for one in premise.right]
    parts = [f"{name}_{at}" for at in range(len(premise.parts))]
    stated += [("report:premiseReport", one) for one in parts]
    yield _node(name, stated)
    for one, part in zip(parts, premise.parts, strict=True):
        yield from _premise_node(part, one)


def _node(name: str, stated: list[tuple[str, str]]) -> str:
    return f"{name} " + " ;\n  ".join(f"{left} {right}" for left, right in stated) + " .\n"


def _value(value: Value) -> str:
    kind = datatype(value)
    if kind is not None:
        return f"{_text(written(value))}^^xsd:{kind}"
    full = iri(written(value))
    return _iri(full) if _IRI.fullmatch(full) else _text(full)


def _term(name: str) -> str:
    return f"odrl:{name}" if _NAME.fullmatch(name) else _value(name)


def _iri(name: str) -> str:
    """An identifier as an IRI: one that is none becomes one, and what an IRI may not contain is escaped."""
    whole = name if ":" in name and not name.startswith("_:") else f"{MEDSPACE}{name}"
    return "<" + _UNSAFE.sub(lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode()), whole) + ">"


def _text(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r")
    return f'"{escaped}"'
