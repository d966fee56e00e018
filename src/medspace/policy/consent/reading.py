"""FHIR R4 and R5 Consent, read into one tree (HL7 FHIR 4.0.1 and 5.0.0, Consent).

- R4: what the whole says is `provision.type`, or else follows from `policyRule`; a nested rule says its own `type`.
- R5: it is `decision`; each level of `provision` says the opposite of the level above.
- What lacks it is no consent. A denial stays one, even if an exception to it cannot be read.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from medspace.core.canonical import Json, JsonObject
from medspace.core.instants import BoundError, bound
from medspace.policy.consent.model import (
    ALWAYS,
    Consent,
    ConsentActor,
    ConsentParty,
    Provision,
    Span,
    Stance,
    seconds,
)
from medspace.policy.errors import ConsentDocumentError

DEEPEST, MOST_PROVISIONS, MOST_VALUES, LONGEST = 8, 500, 1_000, 512
ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
ACT_REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
# v3-ActCode, below _ActConsentDirective. What is only implied is not a yes of hers.
BASES = {"OPTIN": Stance.PERMIT, "OPTINR": Stance.PERMIT, "OPTOUT": Stance.DENY, "OPTOUTE": Stance.DENY}
BASES |= {"NOCONSENT": Stance.DENY, "EMRGONLY": Stance.DENY}
ABOUT_DATA = frozenset({"patient-privacy", "research"})  # scopes; others are about treatment
USERS, HOLDERS = frozenset({"PRCP", "IRCP", "GRANTEE"}), frozenset({"CST", "CONTROLLER"})
UNREAD = ("data", "expression", "documentType")
_PARTIAL = re.compile(r"[0-9]{4}(-[0-9]{2})?", re.ASCII)
_DATE = re.compile(r"[0-9]{4}(-[0-9]{2}(-[0-9]{2}(T[^ ]{1,40})?)?)?", re.ASCII)


@dataclass(slots=True)
class _ConsentReading:
    """One document that is being read."""

    flips: bool  # R5: each level says the opposite of the one above
    spans: list[Span] = field(default_factory=list)
    provisions: int = 0


def read(document: Json, version: int = 1) -> Consent:
    """The consent that a FHIR resource holds.

    Raises:
        ConsentDocumentError: it is no Consent, names no patient, or is too large.
    """
    if not isinstance(document, dict) or document.get("resourceType") != "Consent":
        raise ConsentDocumentError(reason="resourceType")
    newer = _is_r5(document)
    patient = reference(document.get("subject" if newer else "patient"))
    identity = document.get("id")
    if not patient or not isinstance(identity, str) or not 0 < len(identity) <= LONGEST:
        raise ConsentDocumentError(reason="patient" if identity else "id")
    reading = _ConsentReading(newer)
    reading.spans.append(_span(document.get("period")) if newer else ALWAYS)
    why, tree = _why(document, newer=newer), None
    if not why:
        tree, why = (_r5 if newer else _r4)(document, reading)
    return Consent(identity, patient, tree, tuple(reading.spans), _by_guardian(document, newer=newer), why, version)


def reference(value: Json) -> str:
    """The name in a FHIR reference: its identifier's value, or what it refers to; "" where there is none."""
    if not isinstance(value, dict):
        return ""
    identifier, said = value.get("identifier"), value.get("reference")
    named = identifier.get("value") if isinstance(identifier, dict) else None
    if isinstance(named, str) and 0 < len(named) <= LONGEST:
        return named
    return said.rpartition("Patient/")[2] if isinstance(said, str) and len(said) <= LONGEST else ""


def _is_r5(document: JsonObject) -> bool:
    return "decision" in document or "subject" in document or isinstance(document.get("provision"), list)


def _why(document: JsonObject, *, newer: bool) -> str:
    """Why a document is no consent, whatever it provides; "" if it may be one."""
    if document.get("status") != "active":
        return "status"
    if newer:
        return ""
    scopes = {code.rpartition("|")[2] for code in _coded(document.get("scope"))}
    return "" if scopes & ABOUT_DATA else "scope"


def _r4(document: JsonObject, reading: _ConsentReading) -> tuple[Provision | None, str]:
    root = document.get("provision", {})
    if not isinstance(root, dict):
        raise ConsentDocumentError(reason="provision")
    stance = _stance(root.get("type")) if "type" in root else _base(document)
    if stance is None:
        return None, "base"
    return _provision(root, stance, "/provision", reading, 0)


def _base(document: JsonObject) -> Stance | None:
    found = {BASES[code] for code in _codes_of(document.get("policyRule"), ACT_CODE) if code in BASES}
    return found.pop() if len(found) == 1 else None


def _r5(document: JsonObject, reading: _ConsentReading) -> tuple[Provision | None, str]:
    stance = _stance(document.get("decision"))
    if stance is None:
        return None, "decision"
    parties = [("grantee", ConsentParty.USER), ("controller", ConsentParty.HOLDER)]
    actors = tuple(
        ConsentActor(party, reference(one)) for name, party in parties for one in _list(document.get(name))
    )
    exceptions, why = _exceptions(document, stance, "", reading, 0)
    tree = Provision(stance, "/decision", actors=actors, period=0, exceptions=exceptions)
    return (None, why) if why else (tree, "")


def _provision(
    rule: JsonObject, stance: Stance, clause: str, reading: _ConsentReading, depth: int
) -> tuple[Provision | None, str]:
    reading.provisions += 1
    if depth > DEEPEST or reading.provisions > MOST_PROVISIONS:
        raise ConsentDocumentError(reason=clause)
    period, data_period = (_slot(rule.get(name), reading) for name in ("period", "dataPeriod"))
    exceptions, why = _exceptions(rule, stance, clause, reading, depth)
    if why:
        return None, why
    kinds = [*_coded_list(rule.get("class")), *_coded_list(rule.get("resourceType"))]
    made = Provision(
        stance,
        clause,
        actors=tuple(_actor(one) for one in _list(rule.get("actor"))),
        purposes=_coded_list(rule.get("purpose")),
        actions=tuple(code.rpartition("|")[2] for code in _coded_list(rule.get("action"))),
        classes=tuple(kinds),
        codes=_coded_list(rule.get("code")),
        labels=_coded_list(rule.get("securityLabel")),
        period=period,
        data_period=data_period,
        unread=tuple(name for name in UNREAD if rule.get(name)),
        exceptions=exceptions,
    )
    return made, ""


def _exceptions(
    rule: JsonObject, stance: Stance, clause: str, reading: _ConsentReading, depth: int
) -> tuple[tuple[Provision, ...], str]:
    """The exceptions to a rule, and why they cannot be read: then a permission is none, and a denial has none."""
    found: list[Provision] = []
    for at, nested in enumerate(_list(rule.get("provision"))):
        where = f"{clause}/provision/{at}"
        own = stance.other if reading.flips else _stance(nested.get("type"))
        made, why = (None, where[1:]) if own is None else _provision(nested, own, where, reading, depth + 1)
        if made is not None:
            found.append(made)
        elif stance is Stance.PERMIT:
            return (), why
    return tuple(found), ""


def _stance(value: Json) -> Stance | None:
    return Stance(value) if value in ("permit", "deny") else None


def _actor(rule: Mapping[str, Any]) -> ConsentActor:
    roles = set(_codes_of(rule.get("role"), ""))
    party = (
        ConsentParty.HOLDER
        if roles & HOLDERS
        else ConsentParty.USER
        if roles & USERS or not roles
        else ConsentParty.OTHER
    )
    return ConsentActor(party, reference(rule.get("reference")))


def _by_guardian(document: JsonObject, *, newer: bool) -> bool:
    """Whether somebody else gave it; where nobody is named, it is the patient's own."""
    patient = reference(document.get("subject" if newer else "patient"))
    givers = {reference(one) for one in _list(document.get("grantor" if newer else "performer"))}
    return bool(givers) and patient not in givers


def _slot(period: Json, reading: _ConsentReading) -> int | None:
    if period is None:
        return None
    reading.spans.append(_span(period))
    return len(reading.spans) - 1


def _span(period: Json) -> Span:
    """From when until when; an absent bound leaves that side open.

    Raises:
        ConsentDocumentError: a bound cannot be read.
    """
    if period is None:
        return ALWAYS
    if not isinstance(period, dict):
        raise ConsentDocumentError(reason="period")
    start, end = _bound(period.get("start"), last=False), _bound(period.get("end"), last=True)
    return (ALWAYS[0] if start is None else start, ALWAYS[1] if end is None else end)


def _bound(value: Json, *, last: bool) -> int | None:
    if value is None:
        return None
    if not isinstance(value, str) or not _DATE.fullmatch(value):
        raise ConsentDocumentError(reason="period")
    try:
        whole = _last_day(value) if last and _PARTIAL.fullmatch(value) else _first_day(value)
        return seconds(bound(whole, last=last))
    except (BoundError, ValueError, OverflowError):
        raise ConsentDocumentError(reason="period") from None


def _first_day(value: str) -> str:
    return value + ("-01-01" if len(value) == 4 else "-01") if _PARTIAL.fullmatch(value) else value  # noqa: PLR2004 - a year


def _last_day(value: str) -> str:
    """The last day of a year or a month."""
    from calendar import monthrange  # noqa: PLC0415 - dates without a day are rare

    year, _, month = value.partition("-")
    number = int(month or 12)
    return f"{year}-{number:02d}-{monthrange(int(year), number)[1]:02d}"


def _list(value: Json) -> list[JsonObject]:
    found = value if isinstance(value, list) else [] if value is None else [value]
    if len(found) > MOST_VALUES or not all(isinstance(one, dict) for one in found):
        raise ConsentDocumentError(reason="provision")
    return [one for one in found if isinstance(one, dict)]


def _coded_list(value: Json) -> tuple[str, ...]:
    """Every code in a list of codings or concepts, once; what has none is kept as one that nothing matches."""
    found = [code for one in _list(value) for code in (_coded(one) or ("|",))]
    return tuple(dict.fromkeys(found))


def _coded(value: Json) -> tuple[str, ...]:
    """The codes of a Coding or a CodeableConcept, as `system|code`."""
    if not isinstance(value, dict):
        return ()
    codings = _list(value["coding"]) if "coding" in value else [value]
    return tuple(f"{_text(one, 'system')}|{_text(one, 'code')}" for one in codings if "code" in one)


def _codes_of(value: Json, system: str) -> list[str]:
    """The codes of one system, or of any where it is not named."""
    pairs = (code.rpartition("|") for code in _coded(value))
    return [code for where, _, code in pairs if system in ("", where)]


def _text(one: Mapping[str, Any], name: str) -> str:
    value = one.get(name, "")
    if not isinstance(value, str) or len(value) > LONGEST or "|" in value:
        raise ConsentDocumentError(reason=name)
    return value
