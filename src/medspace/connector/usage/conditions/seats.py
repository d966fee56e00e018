"""The seats of a run: a step is admitted under a manifest that names this holder, and others whom it checks."""

from dataclasses import dataclass

from medspace.connector.ports import FactsOf
from medspace.connector.usage.calls import AdmissibleStep, Visit
from medspace.connector.usage.conditions import PERMITTED, Grounds, Leaving, Neutral
from medspace.connector.usage.model import SEATS
from medspace.core import limits
from medspace.core.decision import Decision, Premise, Verdict, combine
from medspace.core.store import Transaction
from medspace.core.text import Text, msgid
from medspace.core.usage import Grant, Output
from medspace.runs import manifest as manifests
from medspace.runs import seating
from medspace.runs.manifest import Manifest
from medspace.runs.seating import Seen

CODES = frozenset({"release.outbox"})


@dataclass(frozen=True, slots=True)
class SeatsCondition(Neutral):
    """Checks that this holder has a seat in the run, who the other parties are, and where its messages go."""

    narrows = False
    grounds: Grounds

    def admit(self, tx: Transaction, visit: Visit) -> tuple[Decision, Grant]:
        """The manifest must be for this task, and every party of it must still meet the requirements."""
        manifest = manifest_of(tx, visit.job.id)
        grant = Grant() if manifest is None else Grant(noted=_noted(manifest))
        if not self.grounds.brakes.sites:
            return PERMITTED, grant
        if manifest is None:
            return seating.shown(manifest), grant
        seen = self._seen(tx, visit, manifest)
        of_it = seating.of_task(manifest, visit.task), seating.asked_by(manifest, visit.caller)
        return combine(*of_it, seating.decide(manifest, seen)), grant

    def judge(self, tx: Transaction, asking: AdmissibleStep) -> Decision:
        """The run must have as many holders as all conditions require."""
        manifest = manifest_of(tx, asking.visit.job.id)
        if manifest is None or not self.grounds.brakes.sites:
            return PERMITTED
        grant = asking.grant
        return combine(seating.enough(manifest, grant.min_sites), seating.masks(manifest, grant.colluders))

    def released(self, tx: Transaction, leaving: Leaving) -> Decision:
        """Messages may only go to other seats of the run."""
        if not leaving.output.outbox:
            return PERMITTED
        manifest = manifest_of(tx, leaving.job.id)
        others = set(manifest.sites if manifest else ()) - {self.grounds.holder.did}
        return _carried(leaving.output, others)

    def _seen(self, tx: Transaction, visit: Visit, manifest: Manifest) -> Seen:
        return Seen(
            holder=self.grounds.holder.did,
            agreement=visit.job.agreement,
            user=visit.job.user,
            operators=operators(tx, self.grounds.facts, manifest),
            protection=visit.request.protection,
            hybrid=hybrid(tx, self.grounds.facts, manifest),
        )


def manifest_of(tx: Transaction, use: str) -> Manifest | None:
    """The manifest under which a use has its seat, if it has one."""
    seat = tx.get(SEATS, use)
    return None if seat is None else manifests.kept(seat.manifest)


def operators(tx: Transaction, facts: FactsOf, manifest: Manifest) -> dict[str, str]:
    """The operators of those parties of a manifest that are members."""
    known = ((party, facts(tx, party).operator) for party in manifest.parties)
    return {party: operator for party, operator in known if operator is not None}


def hybrid(tx: Transaction, facts: FactsOf, manifest: Manifest) -> frozenset[str]:
    """The parties of a manifest that have an ML-DSA-65 key."""
    return frozenset(party for party in manifest.parties if facts(tx, party).hybrid)


def _noted(manifest: Manifest) -> dict[str, str | int]:
    noted: dict[str, str | int] = {"run": manifest.run, "manifest": manifest.digest, "sites": len(manifest.seats)}
    return noted | ({"coordinator": manifest.coordinator} if manifest.delegated else {})


def _carried(output: Output, others: set[str]) -> Decision:
    asked = Text(msgid("messages for other seats of the run, at most {most} bytes"), {"most": limits.MAIL})
    size = sum(len(message.encode()) for message in output.outbox.values())
    held = Text(msgid("{count} messages, {size} bytes"), {"count": len(output.outbox), "size": size})
    ok = output.outbox.keys() <= others and size <= limits.MAIL
    premise = Premise("release.outbox", asked, held, ok)
    return Decision(Verdict.PERMIT if ok else Verdict.DENY, "permitted" if ok else "release.outbox", (premise,))
