"""The one table of what a log may say: each kind of entry, with its facts and their forms.

A log is read by strangers and kept for good, so nothing about a person may enter it, not even by accident. An entry
has only the facts of its kind, and each fact has a form that names and free text do not fit. A room that needs
another kind of entry adds a line to `ENTRY_KINDS`; there is no other place.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

from medspace.core.canonical import LARGEST_INTEGER, Json
from medspace.core.clock import instant
from medspace.core.text import Text, msgid

LONGEST_TEXT = 256
LONGEST_LIST = 10_000


Accepts = Callable[[Json], bool]


def _text(pattern: str) -> Accepts:
    matches = re.compile(pattern).fullmatch
    return lambda value: type(value) is str and len(value) <= LONGEST_TEXT and bool(matches(value))


def _time(value: Json) -> bool:
    # As core.clock.stamp writes it, and in the calendar: whoever reads an entry may compute with its times.
    if not _STAMP(value):
        return False
    try:
        instant(str(value))
    except ValueError:
        return False
    return True


_STAMP = _text(r"[0-9]{4}(-[0-9]{2}){2}T[0-9]{2}(:[0-9]{2}){2}\.[0-9]{3}Z")


def _list(accepts: Accepts) -> Accepts:
    def accepts_all(value: Json) -> bool:
        return isinstance(value, list | tuple) and len(value) <= LONGEST_LIST and all(map(accepts, value))

    return accepts_all


def _number(value: Json) -> bool:
    return type(value) is int and 0 <= value <= LARGEST_INTEGER


def _answer(value: Json) -> bool:
    return isinstance(value, dict) and ANSWER.flaw(value) is None


class FactType(Enum):
    """What a fact looks like: the word for it, and what it accepts."""

    TOKEN = "token", _text(r"[!-~]+")  # printable ASCII without spaces: URNs, codes, formats, dates, JSON pointers
    DID = "did", _text(r"did:[a-z0-9]+:[A-Za-z0-9._:%-]+")  # DID Core 3.1
    DIGEST = "digest", _text(r"sha256:[0-9a-f]{64}")
    TIME = "time", _time
    NUMBER = "number", _number
    TOKENS = "tokens", _list(TOKEN[1])
    DIDS = "dids", _list(DID[1])
    DIGESTS = "digests", _list(DIGEST[1])
    ANSWERS = "answers", _list(_answer)

    def __init__(self, word: str, accepts: Accepts) -> None:
        self.word = word
        self.accepts = accepts


FORMS: Mapping[str, FactType] = MappingProxyType({form.word: form for form in FactType})


def fits(form: FactType, value: Json) -> bool:
    """Whether a value has that form."""
    return form.accepts(value)


@dataclass(frozen=True, slots=True)
class EntryKind:
    """A kind of entry: its dotted name, the facts it must have and those it may have."""

    name: str
    required: Mapping[str, FactType]
    optional: Mapping[str, FactType]

    def flaw(self, facts: Mapping[str, Json]) -> Text | None:
        """What is wrong with these facts, as a phrase that repeats none of their content; None if nothing is."""
        for name in self.required:
            if name not in facts:
                return Text(msgid("{kind} lacks the fact {fact}"), {"kind": self.name, "fact": name})
        for name, value in facts.items():
            form = self.required.get(name) or self.optional.get(name)
            if form is None:
                return Text(msgid("{kind} has no fact {fact}"), {"kind": self.name, "fact": name[:32]})
            if not form.accepts(value):
                told = {"kind": self.name, "fact": name, "form": form.word}
                return Text(msgid("the fact {fact} of {kind} has not the form {form}"), told)
        return None


def _kind(name: str, required: str, optional: str = "") -> EntryKind:
    return EntryKind(name, _forms(required), _forms(optional))


def _forms(declared: str) -> Mapping[str, FactType]:
    # "round:number digest:digest run" -> forms by name; a token where nothing is said
    pairs = (word.partition(":") for word in declared.split())
    return MappingProxyType({name: FORMS[form or "token"] for name, _, form in pairs})


ANSWER: EntryKind = _kind("answer", "site:did use release digest:digest", "step question:digest parts:digests")

_NEGOTIATION = (
    "role pid counterparty:did",
    "peer_pid offer asset agreement agreement_digest:digest expires:time code",
)
_TRANSFER = ("role pid counterparty:did agreement format", "peer_pid code")

# `question` is what a step asked about: the digest of its inputs, fractions as exact text. In a run, `model` of a
# round is the question that it put to every site (none where there was nothing to put), `model` of the end the digest
# of the whole model that came out, and `fitted` the question of the last round that it was made from. `missing` are
# the sites that were asked and did not take part to the end, `reasons` the code of each one's reason in that order.
# What was admitted ends once: it was released, withheld by a rule, or failed (the engine broke, the connector stopped
# in between), and may be held for a person before that; `expires` is until when its answer may leave, `sites` how
# many holders the run names, `scope` the digest of the rows that it was narrowed to, keyed by the holder. `manifest`
# is what the user signed of the run: the same at all sites, and in each round. An answer to another question than
# that of the round has its own `step` and `question`. `parts` are the digests of what travelled beside the JSON: of
# what was answered in an answer, of what was asked in a round. A run that its `user` has handed over is led in the
# log of its coordinator, and in the user's it is delegated, then received or failed; a holder notes a `coordinator`
# that is not the user. Of a masked round a holder notes who was in the total (`survivors`), what opened it
# (`openings`), and the digest of the record that it keeps; `named` is whom it says to have broken the protocol.
# A privacy budget is counted in `rho` of zCDP, in units of 2^-40 and as text: the whole of a use is debited before
# its first question is admitted, and what was never let out is given back once the keys of the use are gone.
# `epsilon`, `agreement` and `task` of `budget.set` are what people see, at `delta`; `vouched` is the time that the
# authority has signed and that a new period was begun on (none: a person did it without), `size` how many entries the
# checkpoint speaks of that a restored log falls short of. `each` of a debit is what its totals cost one by one,
# `opens` the steps that let them out; `since`, `limit` and `taken` are what the account said: its period, what may be
# given in it, and what is taken with this debit. An admission whose answers carry noise names the `rho` of its use.
_KINDS = (
    _kind("offer.published", "asset offer policy:digest label:digest", "dataset:digest dictionary:digest"),
    _kind("offer.withdrawn", "asset"),
    _kind("label.changed", "asset", "before:digest label:digest"),
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
        "admission agreement transfer user:did asset use_kind purpose task:digest round:number step question:digest",
        "expires:time sites:number scope:digest run manifest:digest coordinator:did rho",
    ),
    _kind("use.refused", "agreement transfer user:did code", "clause"),
    _kind(
        "use.released",
        "release admission output round:number digest:digest",
        "parts:digests survivors:digest openings:digest record:digest",
    ),
    _kind("use.held", "admission"),
    _kind("use.withheld", "admission code", "named:did"),
    _kind("use.failed", "admission code"),
    _kind(
        "budget.set",
        "asset epsilon delta unit rho since:time until:time",
        "agreement task exact agreement_rho task_rho",
    ),
    _kind("budget.dropped", "asset"),
    _kind(
        "budget.debited",
        "asset agreement transfer user:did task:digest rho rounds:number",
        "each:tokens opens:tokens since:time limit taken",
    ),
    _kind("budget.refunded", "asset agreement transfer rho"),
    _kind("budget.renewed", "asset since:time until:time", "vouched:time"),
    _kind("budget.frozen", "asset code size:number"),
    _kind("run.started", "run task:digest agreements:tokens sites:dids protection", "user:did"),
    _kind("run.delegated", "run task:digest agreements:tokens sites:dids protection coordinator:did"),
    _kind("run.received", "run coordinator:did model:digest rounds:number sites:dids"),
    _kind("run.round", "run round:number step answers:answers", "model:digest manifest:digest parts:digests"),
    _kind(
        "run.finished",
        "run model:digest rounds:number sites:dids protection",
        "fitted:digest missing:dids reasons:tokens",
    ),
    _kind("run.failed", "run code", "missing:dids reasons:tokens"),
    _kind("member.admitted", "member:did"),
    _kind("member.removed", "member:did"),
    _kind("members.published", "list:digest"),
)

ENTRY_KINDS: Mapping[str, EntryKind] = MappingProxyType({kind.name: kind for kind in _KINDS})
