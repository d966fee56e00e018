"""The one table of what a log may say: each kind of entry, with its facts and their forms.

A log is read by strangers and kept for good, so nothing about a person may enter it, not even by accident. An entry
has only the facts of its kind, and each fact has a form that names and free text do not fit. A room that needs
another kind of entry adds a line to `ENTRY_KINDS`; there is no other place.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

from medspace.core.canonical import LARGEST_INTEGER, Json

LONGEST_TEXT = 256
LONGEST_LIST = 10_000

DID = re.compile(r"did:[a-z0-9]+:[A-Za-z0-9._:%-]+")  # DID Core 3.1
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
TOKEN = re.compile(r"[!-~]+")  # printable ASCII without spaces: URNs, codes, formats, dates, JSON pointers
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")  # as core.clock.stamp writes it


class Form(Enum):
    """What a fact looks like."""

    TOKEN = "token"  # noqa: S105 - a word of the grammar
    DID = "did"
    DIGEST = "digest"
    TIME = "time"
    NUMBER = "number"
    TOKENS = "tokens"
    DIDS = "dids"
    ANSWERS = "answers"


PATTERNS = MappingProxyType({Form.TOKEN: TOKEN, Form.DID: DID, Form.DIGEST: DIGEST, Form.TIME: TIME})
ITEMS = MappingProxyType({Form.TOKENS: Form.TOKEN, Form.DIDS: Form.DID})


@dataclass(frozen=True, slots=True)
class EntryKind:
    """A kind of entry: its dotted name, the facts it must have and those it may have."""

    name: str
    required: Mapping[str, Form]
    optional: Mapping[str, Form]

    def flaw(self, facts: Mapping[str, Json]) -> str | None:
        """What is wrong with these facts, as a phrase that repeats none of their content; None if nothing is."""
        for name in self.required:
            if name not in facts:
                return f"{self.name} lacks the fact {name}"
        for name, value in facts.items():
            form = self.required.get(name) or self.optional.get(name)
            if form is None:
                return f"{self.name} has no fact {name[:32]}"
            if not fits(form, value):
                return f"the fact {name} of {self.name} is not a {form.value}"
        return None


def fits(form: Form, value: Json) -> bool:
    """Whether a value has that form."""
    if form is Form.NUMBER:
        return type(value) is int and 0 <= value <= LARGEST_INTEGER
    if form in PATTERNS:
        return isinstance(value, str) and len(value) <= LONGEST_TEXT and bool(PATTERNS[form].fullmatch(value))
    if not isinstance(value, list | tuple) or len(value) > LONGEST_LIST:
        return False
    if form is Form.ANSWERS:
        return all(isinstance(item, dict) and ANSWER.flaw(item) is None for item in value)
    return all(fits(ITEMS[form], item) for item in value)


def _kind(name: str, required: str, optional: str = "") -> EntryKind:
    return EntryKind(name, _forms(required), _forms(optional))


def _forms(declared: str) -> Mapping[str, Form]:
    # "round:number digest:digest run" -> forms by name; a token where nothing is said
    pairs = (word.partition(":") for word in declared.split())
    return MappingProxyType({name: Form(form or "token") for name, _, form in pairs})


ANSWER = _kind("answer", "site:did use release digest:digest")

_NEGOTIATION = (
    "role pid counterparty:did",
    "peer_pid offer asset agreement agreement_digest:digest expires:time code",
)
_TRANSFER = ("role pid counterparty:did agreement format", "peer_pid code")

# In a run, `model` of a round is the state of the model that the round asked about, `model` of the end the digest of
# the whole model that came out, and `fitted` the state of the last round that it was made from.
_KINDS = (
    _kind("offer.published", "asset offer policy:digest label:digest"),
    _kind("offer.withdrawn", "asset"),
    *(
        _kind(f"negotiation.{step}", *_NEGOTIATION)
        for step in ("requested", "offered", "accepted", "agreed", "verified", "finalized", "terminated")
    ),
    *(
        _kind(f"transfer.{step}", *_TRANSFER)
        for step in ("requested", "started", "suspended", "completed", "terminated")
    ),
    _kind("transfer.refused", "counterparty:did agreement format code", "clause"),
    _kind(
        "use.admitted",
        "admission agreement transfer user:did asset use_kind purpose task:digest round:number step",
    ),
    _kind("use.refused", "agreement transfer user:did code", "clause"),
    _kind("use.released", "release admission output round:number digest:digest"),
    _kind("use.withheld", "admission code"),
    _kind("run.started", "run task:digest agreements:tokens sites:dids protection"),
    _kind("run.round", "run round:number step answers:answers", "model:digest"),
    _kind("run.finished", "run model:digest rounds:number sites:dids protection", "fitted:digest"),
    _kind("run.failed", "run code"),
    _kind("member.admitted", "member:did"),
    _kind("member.removed", "member:did"),
    _kind("members.published", "list:digest"),
)

ENTRY_KINDS: Mapping[str, EntryKind] = MappingProxyType({kind.name: kind for kind in _KINDS})
