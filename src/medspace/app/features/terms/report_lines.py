"""Reports on policies as lines for a terminal."""

from collections.abc import Sequence

from medspace.app.doors.cli.screen import Screen
from medspace.core.canonical import JsonObject
from medspace.core.text import Text, msgid

_VERDICTS = {
    "policy.permitted": msgid("{request} is permitted by {policy} ({code})."),
    "policy.no_permission": msgid("{request} is denied: no permission of {policy} is active for it ({code})."),
    "policy.prohibited": msgid("{request} is denied: {policy} prohibits it ({code})."),
    "policy.duty_violated": msgid("{request} is denied: an obligation of {policy} was violated ({code})."),
    "policy.conflict": msgid(
        "{request} is denied: {policy} both permits and prohibits it, and does not say which counts ({code})."
    ),
    "policy.undecided": msgid("{request} is denied: too little is known to decide {policy} ({code})."),
}
_KINDS = {
    "permission": msgid("permission"),
    "prohibition": msgid("prohibition"),
    "obligation": msgid("obligation"),
    "duty": msgid("duty"),
    "remedy": msgid("remedy"),
    "consequence": msgid("consequence"),
}
_ACTIVE = {True: msgid("active"), False: msgid("inactive"), None: msgid("not decided")}
_HELD = {True: msgid("holds"), False: msgid("NO"), None: msgid("?")}
_STATES = {"NonSet": msgid("open"), "Fulfilled": msgid("fulfilled"), "Violated": msgid("violated")}


def show_reports(screen: Screen, reports: Sequence[JsonObject]) -> None:
    """Each report: the verdict, then each rule with its premises."""
    for report in reports:
        facts = {name: str(report[name]) for name in ("request", "policy", "code")}
        screen.line(Text(_VERDICTS[report["code"]], facts))
        for rule in report["rules"]:
            _rule(screen, rule, "  ")


def _rule(screen: Screen, rule: JsonObject, indent: str) -> None:
    ruled = rule["kind"] in ("permission", "prohibition")
    how = _ACTIVE[rule["active"]] if ruled else _STATES[rule["state"]]
    facts = {"kind": Text(_KINDS[rule["kind"]]), "action": rule["action"], "how": Text(how), "clause": rule["clause"]}
    line = Text(msgid("{kind} {action}: {how}  [{clause}]"), facts)
    screen.line(Text("{indent}{line}", {"indent": indent, "line": line}))
    for premise in rule["premises"]:
        _premise(screen, premise, indent + "  ")
    for one in rule["depends"]:
        _rule(screen, one, indent + "  ")


def _premise(screen: Screen, premise: JsonObject, indent: str) -> None:
    held = "?" if premise["held"] is None else ", ".join(premise["held"]) or "-"
    asked = ", ".join(premise["asked"]) or "*"
    facts = {"indent": indent, "mark": Text(_HELD[premise["satisfied"]]), "about": premise["about"]}
    if premise["parts"] and not premise["operator"] and premise["held"] is None:
        screen.line(Text("{indent}{mark} {about}", facts))
    else:
        facts |= {"operator": premise["operator"] or "=", "held": held, "asked": asked}
        screen.line(Text("{indent}{mark} {about} {held} {operator} {asked}", facts))
    for part in premise["parts"]:
        _premise(screen, part, indent + "  ")


def show_clashes(screen: Screen, clashes: Sequence[JsonObject]) -> None:
    """Each clash with the clauses that make it one."""
    if not clashes:
        screen.line(Text(msgid("Nothing clashes in these terms.")))
    for one in clashes:
        screen.line(Text(msgid("{sentence} ({code})"), {"sentence": one["sentence"], "code": one["code"]}))
        for clause in one["clauses"]:
            screen.line(Text("  - {says}  [{clause}]", {"says": clause["says"], "clause": clause["clause"]}))
