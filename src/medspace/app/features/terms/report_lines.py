"""Reports on policies in words: as lines, for a terminal and for pages."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from medspace.app.doors.cli.screen import Screen
from medspace.core.canonical import JsonObject
from medspace.core.text import Fact, Text, msgid

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


@dataclass(frozen=True, slots=True)
class ReportLine:
    """One line of a report, `depth` steps in: the verdict, a rule, or a premise (`holds`: None where it is open)."""

    depth: int
    text: Text
    premise: bool = False
    holds: bool | None = None

    @property
    def mark(self) -> str:
        """How it is with a premise, in a word."""
        return _HELD[self.holds]


def lines(report: JsonObject) -> Iterator[ReportLine]:
    """A report in words: the verdict, then each rule with its premises."""
    facts = {name: str(report[name]) for name in ("request", "policy", "code")}
    yield ReportLine(0, Text(_VERDICTS[report["code"]], facts))
    for rule in report["rules"]:
        yield from _rule(rule, 1)


def _rule(rule: JsonObject, depth: int) -> Iterator[ReportLine]:
    ruled = rule["kind"] in ("permission", "prohibition")
    how = _ACTIVE[rule["active"]] if ruled else _STATES[rule["state"]]
    facts = {"kind": Text(_KINDS[rule["kind"]]), "action": rule["action"], "how": Text(how), "clause": rule["clause"]}
    yield ReportLine(depth, Text(msgid("{kind} {action}: {how}  [{clause}]"), facts))
    for premise in rule["premises"]:
        yield from _premise(premise, depth + 1)
    for one in rule["depends"]:
        yield from _rule(one, depth + 1)


def _premise(premise: JsonObject, depth: int) -> Iterator[ReportLine]:
    held = "?" if premise["held"] is None else ", ".join(premise["held"]) or "-"
    asked = ", ".join(premise["asked"]) or "*"
    facts = {"about": premise["about"], "operator": premise["operator"] or "=", "held": held, "asked": asked}
    alone = premise["parts"] and not premise["operator"] and premise["held"] is None
    said = "{about}" if alone else "{about} {held} {operator} {asked}"
    yield ReportLine(depth, Text(said, facts), premise=True, holds=premise["satisfied"])
    for part in premise["parts"]:
        yield from _premise(part, depth + 1)


def show_reports(screen: Screen, reports: Sequence[JsonObject]) -> None:
    """Each report: the verdict, then each rule with its premises."""
    for one in (line for report in reports for line in lines(report)):
        mark = Text("{mark} ", {"mark": Text(one.mark)}) if one.premise else ""
        facts: dict[str, Fact | Text] = {"indent": "  " * one.depth, "mark": mark, "line": one.text}
        screen.line(Text("{indent}{mark}{line}", facts))


def show_clashes(screen: Screen, clashes: Sequence[JsonObject]) -> None:
    """Each clash with the clauses that make it one."""
    if not clashes:
        screen.line(Text(msgid("Nothing clashes in these terms.")))
    for one in clashes:
        screen.line(Text(msgid("{sentence} ({code})"), {"sentence": one["sentence"], "code": one["code"]}))
        for clause in one["clauses"]:
            screen.line(Text("  - {says}  [{clause}]", {"says": clause["says"], "clause": clause["clause"]}))
