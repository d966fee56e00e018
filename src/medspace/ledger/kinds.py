"""What a log may say: each kind of entry, with its facts and their forms.

A log is read by strangers and kept for good, so nothing about a person may enter it, not even by accident. An entry
has only the facts of its kind, and each fact has a form that names and free text do not fit.

Who declares a kind: what the audit of this room checks is in `ENTRY_KINDS`, since an
auditor has to read everybody's logs, whatever else their programs do. All else is declared with `kind` by the
feature that writes it, under a topic (what stands before the dot) of its own, and added with `learn`, wherever such
entries are written or read. Forms of facts are added here only: each is a promise that no name fits it.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from threading import Lock
from types import MappingProxyType

from medspace.core.canonical import LARGEST_INTEGER, Json
from medspace.core.clock import instant
from medspace.core.hashing import digest_bytes
from medspace.core.text import Text, msgid
from medspace.ledger.errors import KindRefusedError

LONGEST_TEXT = 256
LONGEST_LIST = 10_000

_NAME = re.compile(r"(?=.{3,64}\Z)[a-z][a-z_]*\.[a-z][a-z_]*", re.ASCII)
_FACT = re.compile(r"[a-z][a-z_]{0,31}", re.ASCII)

Accepts = Callable[[Json], bool]


def _text(pattern: str) -> Accepts:
    matches = re.compile(pattern).fullmatch
    return lambda value: type(value) is str and len(value) <= LONGEST_TEXT and bool(matches(value))


def _time(value: Json) -> bool:
    # As core.clock.stamp writes it, and a valid date: readers of an entry may compute with its times.
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
    ACTOR = "actor", _text(r"actor:[0-9a-f]{32}")  # core.actors: random, so it says nothing about a person
    SETTER = "setter", _text(r"actor:[0-9a-f]{32}|configuration")  # the configuration, or who had it read
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


_SAYS_NOTHING = re.compile(
    r"(urn:uuid:)?[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|sha256:[0-9a-f]{64}", re.ASCII | re.IGNORECASE
)


def pseudonym(identifier: str) -> str:
    """An identifier that another party has made, as the log names it: a UUID as it is, any other by its digest.

    It may be any text of 256 characters, such as somebody's name. A pseudonym is its own.
    """
    return identifier if _SAYS_NOTHING.fullmatch(identifier) else digest_bytes(identifier.encode())


FORMS: Mapping[str, FactType] = MappingProxyType({form.word: form for form in FactType})


def fits(form: FactType, value: Json) -> bool:
    """Whether a value has that form."""
    return form.accepts(value)


@dataclass(frozen=True, slots=True)
class EntryKind:
    """A kind of entry: its dotted name, the facts it must have and those it may have; `says` is it in words."""

    name: str
    required: Mapping[str, FactType]
    optional: Mapping[str, FactType]
    says: str = field(default="", compare=False)  # a msgid

    def flaw(self, facts: Mapping[str, Json]) -> Text | None:
        """What is wrong with these facts, as a phrase without any of their content; None if nothing is."""
        for name in self.required:
            if name not in facts:
                return Text(msgid("{kind} lacks the fact {fact}"), {"kind": self.name, "fact": name})
        for name, value in facts.items():
            form = self.required.get(name) or self.optional.get(name)
            if form is None:
                return Text(msgid("{kind} has no fact {fact}"), {"kind": self.name, "fact": name[:32]})
            if not form.accepts(value):
                told = {"kind": self.name, "fact": name, "form": form.word}
                return Text(msgid("the fact {fact} of {kind} does not have the form {form}"), told)
        return None


def kind(name: str, required: str, optional: str = "", says: str = "") -> EntryKind:
    """A kind of entry, its facts in words: `kind("invoice.sent", "invoice amount:number", "due:time")`.

    A fact is its name and, behind a colon, the word of its form (`FORMS`); a token where none is named. `says` is
    what people read instead of the name.

    Raises:
        KindRefusedError: a form is not known, or a fact is named twice.
    """
    return EntryKind(name, _forms(name, required), _forms(name, optional), says)


def _forms(kind_name: str, declared: str) -> Mapping[str, FactType]:
    forms: dict[str, FactType] = {}
    for word in declared.split():
        fact, _, form = word.partition(":")
        if fact in forms:
            raise KindRefusedError(kind=kind_name, reason=_twice(fact))
        if (form or "token") not in FORMS:
            raise KindRefusedError(kind=kind_name, reason=_unknown(fact, form))
        forms[fact] = FORMS[form or "token"]
    return MappingProxyType(forms)


def _unknown(fact: str, form: str) -> Text:
    return Text(msgid("its fact {fact} has the form {form}, which is not known"), {"fact": fact, "form": form})


def _twice(fact: str) -> Text:
    return Text(msgid("its fact {fact} is named twice"), {"fact": fact})


def topic(name: str) -> str:
    """What entries of a kind are about: the word before the dot."""
    return name.partition(".")[0]


ANSWER: EntryKind = kind("answer", "site:did use release digest:digest", "step question:digest parts:digests")

_NEGOTIATION = (
    "role pid counterparty:did",
    "peer_pid offer asset agreement agreement_digest:digest expires:time code by:actor",
)
_TRANSFER = ("role pid counterparty:did agreement format", "peer_pid code by:actor")

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
# `patients` of an admission is the root of the tree of `leaves` commitments to whom the use counts by consent.
# `by` is the person or token that acted, as a random pseudonym that only this connector's database has a name for;
# where it is missing, the connector acted by itself; a budget that a start found in the file was set by the
# `configuration`. Where two persons must say yes, the first yes is `approved`, and
# the entry of what came of it names the second. `of` is whom a token is for, `code` why one was revoked by nobody.
# `questions` of `questions.limited` are those that an asset answers a year, `numbers` those that leave it in all;
# what is missing goes by the size of the asset.
_KINDS = (
    kind("offer.published", "asset offer policy:digest label:digest", "dataset:digest dictionary:digest by:actor"),
    kind("offer.withdrawn", "asset", "by:actor"),
    kind("questions.limited", "asset", "questions:number numbers:number by:actor"),
    kind("label.changed", "asset", "before:digest label:digest by:actor"),
    kind("sites.accepted", "asset sites:dids", "by:actor"),
    kind("negotiation.approved", "pid counterparty:did asset by:actor"),
    *(
        kind(f"negotiation.{step}", *_NEGOTIATION)
        for step in ("requested", "offered", "accepted", "agreed", "verified", "finalized", "terminated")
    ),
    *(
        kind(f"transfer.{step}", *_TRANSFER)
        for step in ("requested", "started", "suspended", "completed", "terminated")
    ),
    kind("agreement.ended", "agreement counterparty:did asset", "by:actor cause successor ender:did"),
    kind("transfer.refused", "counterparty:did agreement format code", "clause"),
    kind(
        "use.admitted",
        "admission agreement transfer user:did asset use_kind purpose task:digest round:number step question:digest",
        "expires:time sites:number scope:digest run manifest:digest coordinator:did rho"
        " patients:digest leaves:number",
    ),
    kind("use.refused", "agreement transfer user:did code", "clause"),
    kind(
        "use.released",
        "release admission output round:number digest:digest",
        "parts:digests survivors:digest openings:digest record:digest shown by:actor",
    ),
    kind("use.held", "admission"),
    kind("use.approved", "admission by:actor"),
    kind("use.changed", "admission by:actor left_out:tokens"),
    kind("use.withheld", "admission code", "named:did by:actor"),
    kind("use.failed", "admission code"),
    kind(
        "budget.set",
        "asset epsilon delta unit rho since:time until:time",
        "agreement task exact agreement_rho task_rho by:setter",
    ),
    kind("budget.dropped", "asset", "by:setter"),
    kind(
        "budget.debited",
        "asset agreement transfer user:did task:digest rho rounds:number",
        "each:tokens opens:tokens since:time limit taken",
    ),
    kind("budget.refunded", "asset agreement transfer rho"),
    kind("budget.renewed", "asset since:time until:time", "vouched:time by:actor"),
    kind("budget.frozen", "asset code size:number"),
    kind("run.started", "run task:digest agreements:tokens sites:dids protection", "user:did by:actor"),
    kind("run.delegated", "run task:digest agreements:tokens sites:dids protection coordinator:did", "by:actor"),
    kind("run.received", "run coordinator:did model:digest rounds:number sites:dids"),
    kind("run.round", "run round:number step answers:answers", "model:digest manifest:digest parts:digests"),
    kind(
        "run.finished",
        "run model:digest rounds:number sites:dids protection",
        "fitted:digest missing:dids reasons:tokens",
    ),
    kind("run.failed", "run code", "missing:dids reasons:tokens by:actor"),
    kind("member.admitted", "member:did", "by:actor"),
    kind("member.removed", "member:did", "by:actor"),
    kind("members.published", "list:digest"),
    kind("key.made", "key", "by:actor"),
    kind("key.revoked", "key", "by:actor"),
    kind("token.created", "token of:actor scopes:tokens expires:time by:actor"),
    kind("token.revoked", "token of:actor", "by:actor code"),
)

ENTRY_KINDS: Mapping[str, EntryKind] = MappingProxyType({one.name: one for one in _KINDS})
TOPICS = frozenset(topic(name) for name in ENTRY_KINDS)  # the audit uses every entry of these

_learned: dict[str, EntryKind] = {}
_learning = Lock()


def learn(kinds: Iterable[EntryKind]) -> None:
    """Register further kinds of entries; registering the same kind again changes nothing. Thread-safe.

    Raises:
        KindRefusedError: a name is taken by a kind with other facts, its topic is one of this room's, or something
            does not have its required form; then none of the kinds is registered.
    """
    wanted = list(kinds)
    with _learning:
        after = dict(_learned)
        for one in wanted:
            flaw = _flaw(one, after.setdefault(one.name, one))
            if flaw is not None:
                raise KindRefusedError(kind=one.name[:64], reason=flaw)
        _learned.update(after)


def _flaw(new: EntryKind, known: EntryKind) -> Text | None:
    if not _NAME.fullmatch(new.name):
        return Text(msgid("its name is not two words in lower case with a dot between them"))
    if topic(new.name) in TOPICS:
        return Text(msgid("the topic {topic} is one of the ledger's own"), {"topic": topic(new.name)})
    if new != known:
        return Text(msgid("there is a kind of this name with other facts"))
    return _flaw_of_facts(new)


def _flaw_of_facts(new: EntryKind) -> Text | None:
    for fact, form in (*new.required.items(), *new.optional.items()):
        if not _FACT.fullmatch(fact):
            return Text(msgid("a fact has a name that is not one word in lower case"))
        if form not in FORMS.values():
            return _unknown(fact, str(form))
    return next((_twice(fact) for fact in new.required if fact in new.optional), None)


def learned() -> list[EntryKind]:
    """The kinds that were registered beside those of this room."""
    return list(_learned.values())


def find(name: str) -> EntryKind | None:
    """The kind of that name, if this program knows it."""
    return ENTRY_KINDS.get(name) or _learned.get(name)
