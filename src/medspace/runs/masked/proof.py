"""A model that its sites have signed: what each of them signed at the end of a masked run, checked offline.

As many are needed as to open a total (`privacy.masking.thresholds`): any two groups of that size share an honest
site, so no run has two outcomes. The signatures are of Ed25519 and ML-DSA-65, bound to the run and its manifest.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec

from medspace.core import limits
from medspace.core.canonical import JsonObject, exact
from medspace.core.clock import instant
from medspace.core.decoding import read_file
from medspace.core.errors import MedspaceError
from medspace.core.hashing import digest
from medspace.core.text import Fact, Text, msgid
from medspace.ledger.report import NO_LOG, NO_TASK, SIGNED, AuditFinding, LogPosition, Premise, first_broken
from medspace.ledger.statements import LogLine, Statements
from medspace.privacy.masking.thresholds import LEAST_SITES, Thresholds
from medspace.runs import manifest as manifests
from medspace.runs.manifest import Manifest
from medspace.runs.masked.errors import ModelFileError
from medspace.runs.masked.messages import RESULT, label
from medspace.runs.masked.ports import Summed
from medspace.trust import envelope
from medspace.trust.envelope import Context
from medspace.trust.model import Member

FORMAT: Literal["medspace-model-1"] = "medspace-model-1"
LARGEST_FILE = 256 * 1024 * 1024  # bytes
OPENED = "opened"  # where a model of a masked run holds what its sites signed
MemberOf = Callable[[str], Member | None]
Logs = Mapping[str, Statements]

_Did = Annotated[str, msgspec.Meta(max_length=256)]


class MaskedOutcome(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What each site signed: the model, and for each question the objective (or "") and who was in its total."""

    model: JsonObject
    objectives: Annotated[list[str], msgspec.Meta(max_length=limits.ROUNDS)]
    took: Annotated[list[list[_Did]], msgspec.Meta(max_length=limits.ROUNDS)]


class SignedOutcome(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a model of a masked run holds beside its numbers; `signed` by site, `own` is what is not signed.

    `own` is what sites released of themselves beside the outcome: each in its own release, which its log names.
    """

    outcome: JsonObject
    digest: str
    signed: dict[_Did, str]
    own: dict[_Did, JsonObject] = {}

    @property
    def said(self) -> MaskedOutcome:
        """The outcome, read.

        Raises:
            msgspec.ValidationError: it is none.
        """
        return msgspec.convert(self.outcome, MaskedOutcome)


class ModelFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A model as its owner exports it for an auditor; `origin` is the owner, `manifest` as the user signed it."""

    format: Literal["medspace-model-1"]
    origin: _Did
    run: Annotated[str, msgspec.Meta(max_length=256)]
    created: Annotated[str, msgspec.Meta(max_length=64)]
    task: JsonObject
    result: JsonObject
    rows: int
    sites: list[_Did]
    digest: str
    manifest: Annotated[str, msgspec.Meta(max_length=limits.MANIFEST)]

    @property
    def opened(self) -> SignedOutcome | None:
        """What the sites signed; None of a model that was not made under masks, or whose owner left it out."""
        try:
            return msgspec.convert(self.result.get(OPENED), SignedOutcome)
        except msgspec.ValidationError:
            return None


def read(content: bytes) -> ModelFile:
    """The model that a file holds; nothing in it is proven yet.

    Raises:
        ModelFileError: it holds something else, or is larger than any such file may be.
    """
    found = read_file(content, ModelFile, LARGEST_FILE, ModelFileError)
    try:
        instant(found.created)
    except ValueError:
        raise ModelFileError(reason=Text(msgid("it does not say when it was created"))) from None
    return found


@dataclass(frozen=True, slots=True)
class Signers:
    """Who signed an outcome, of those who had to; `refused` are those whose signature is invalid."""

    sites: tuple[str, ...]
    refused: tuple[str, ...]
    needed: int


def manifest_of(model: ModelFile, member: MemberOf) -> Manifest | None:
    """The manifest beside a model, proven; None where it is not signed by its user, as a member."""
    try:
        user = member(manifests.kept(model.manifest).user)
        if user is None:
            return None
        return manifests.read(model.manifest, user, instant(model.created))
    except (MedspaceError, msgspec.DecodeError, RecursionError, ValueError):
        return None


def signers(opened: SignedOutcome, manifest: Manifest, created: str, member: MemberOf) -> Signers:
    """Whose signatures of an outcome hold, for this manifest, as the keys counted then."""
    colluders = 1 if manifest.colluders is None else manifest.colluders
    needed = Thresholds.for_seats(len(manifest.seats), colluders, max(manifest.min_sites, LEAST_SITES)).opening
    question = len(opened.said.took) + 1
    sites: list[str] = []
    refused: list[str] = []
    for site, text in sorted(opened.signed.items()):
        holds = site in manifest.sites and _holds(text, opened.digest, manifest, site, question, created, member)
        (sites if holds else refused).append(site)
    return Signers(tuple(sites), tuple(refused), needed)


def _holds(
    text: str, named: str, manifest: Manifest, site: str, question: int, created: str, member: MemberOf
) -> bool:
    sender = member(site)
    context = Context(manifest.run, manifest.digest, site, "", label(question, RESULT))
    if sender is None:
        return False
    try:
        return envelope.proven(text, context, sender, instant(created), both=True) == named.encode()
    except (MedspaceError, ValueError):
        return False


# -- in an audit


def check(
    models: Sequence[ModelFile], task: Callable[[JsonObject], Summed | None], member: MemberOf, logs: Logs
) -> Iterator[AuditFinding]:
    """Each model that is shown: signed by enough sites of its run, and the one that the logs name."""
    for model in models:
        yield _checked(model, task, member, logs)


def _checked(
    model: ModelFile, task: Callable[[JsonObject], Summed | None], member: MemberOf, logs: Logs
) -> AuditFinding:
    place, opened = LogPosition(model.origin), model.opened
    facts: dict[str, Fact | Text] = {"run": model.run}
    if opened is None:
        sentence = msgid(
            "The model of the run {run} holds nothing that its sites signed: it was not made under masks."
        )
        return SIGNED.unverifiable(place, "not_masked", sentence, **facts)
    manifest = manifest_of(model, member)
    if manifest is None:
        sentence = msgid("The manifest with the model of the run {run} is not signed by the run's user.")
        return SIGNED.failed(place, "manifest", sentence, **facts)
    if manifest.run != model.run:
        sentence = msgid("The manifest with the model of the run {run} belongs to another run.")
        return SIGNED.failed(place, "other_run", sentence, **facts)
    return _held(model, opened, manifest, task(model.task), member, logs)


def _held(
    model: ModelFile, opened: SignedOutcome, manifest: Manifest, summed: Summed | None, member: MemberOf, logs: Logs
) -> AuditFinding:
    """A model against what its sites signed for this manifest, and against the logs."""
    place = LogPosition(model.origin)
    facts: dict[str, Fact | Text] = {"run": model.run}
    try:
        found = signers(opened, manifest, model.created, member)
        broken = first_broken([*_signed(model, opened, found, summed), *_logged(model, manifest, logs)])
    except msgspec.ValidationError:
        return SIGNED.failed(place, "outcome", _OTHER_OUTCOME, **facts)
    facts |= {"site": ", ".join(found.refused), "found": len(found.sites), "needed": found.needed}
    if broken:
        return SIGNED.failed(place, broken[1], broken[2], **facts)
    if summed is None:
        return SIGNED.unverifiable(place, "no_task", NO_TASK, run=model.run)
    if not _ends(model, logs):
        return SIGNED.unverifiable(place, "no_log", NO_LOG, party=manifest.coordinator)
    return SIGNED.verified(place)


_OTHER_OUTCOME = msgid(
    "The numbers of the model of the run {run} are not those of the outcome that its sites signed."
)


def _signed(model: ModelFile, opened: SignedOutcome, found: Signers, summed: Summed | None) -> Iterator[Premise]:
    yield (
        _digest(opened.outcome) == opened.digest,
        "outcome",
        msgid("The outcome with the model of the run {run} is not the one whose digest its sites signed."),
    )
    yield (
        not found.refused,
        "signature",
        msgid(
            "The signature given for {site} in the run {run} is not by a key of {site} that was valid in that run."
        ),
    )
    yield (
        len(found.sites) >= found.needed,
        "too_few",
        msgid("{found} sites signed the outcome of the run {run}, and {needed} must."),
    )
    yield summed is None or _same(model, opened, summed), "outcome", _OTHER_OUTCOME


def _same(model: ModelFile, opened: SignedOutcome, summed: Summed) -> bool:
    """Whether the numbers of the model are those of the outcome, and of what sites said of themselves beside it."""
    try:
        made = summed.result(opened.said.model, sorted(opened.signed), opened.own)
    except MedspaceError:
        return False
    shown = {name: value for name, value in model.result.items() if name != OPENED}
    same_sites = sorted(made.sites) == sorted(model.sites)
    return _digest(shown) == _digest(made.content) and made.rows == model.rows and same_sites


def _digest(value: JsonObject) -> str | None:
    try:
        return digest(exact(msgspec.to_builtins(value)))
    except (ValueError, RecursionError):  # whatever was signed has a canonical form
        return None


def _logged(model: ModelFile, manifest: Manifest, logs: Logs) -> Iterator[Premise]:
    content = {"task": model.task, "rows": model.rows, "sites": model.sites, "result": model.result}
    named = _digest(content)
    yield (
        named == model.digest and _digest(model.task) == manifest.task,
        "digest",
        msgid("The model of the run {run} is not the one of its digest, or not of the task of its manifest."),
    )
    yield (
        all(line.facts["model"] == named for line in _ends(model, logs)),
        "other_model",
        msgid("The logs name a different model for the run {run} than the one shown."),
    )
    yield (
        all(shown == manifest.digest for shown in _shown(manifest, logs)),
        "other_manifest",
        msgid("The sites were shown a different manifest of the run {run} than the one with the model."),
    )


def _ends(model: ModelFile, logs: Logs) -> list[LogLine]:
    """Where logs name the model of the run."""
    runs = (log.runs[model.run].finished for log in logs.values() if model.run in log.runs)
    received = (log.delegations[model.run].received for log in logs.values() if model.run in log.delegations)
    return [line for line in (*runs, *received) if line is not None]


def _shown(manifest: Manifest, logs: Logs) -> Iterator[str]:
    for site in manifest.sites:
        for line in logs[site].admissions.values() if site in logs else ():
            facts = line.facts
            if (facts["user"], facts.get("run")) == (manifest.user, manifest.run) and "manifest" in facts:
                yield facts["manifest"]
