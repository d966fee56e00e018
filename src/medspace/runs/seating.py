"""May a site take its seat? What every site checks of a manifest itself, whatever the coordinator says."""

from collections.abc import Mapping
from dataclasses import dataclass

from medspace.core.decision import Decision, Premise, Verdict, combine
from medspace.core.engine import MASKED
from medspace.core.text import Text, msgid
from medspace.privacy.masking.thresholds import LEAST_SITES, Thresholds
from medspace.runs.manifest import Manifest

CODES = frozenset(
    {
        *("run.no_manifest", "run.other_manifest", "run.other_keys", "run.task", "run.coordinator", "run.masks"),
        *("run.user", "run.seat", "run.protocol", "run.members", "run.own_seat", "run.operator", "run.signing"),
        "use.sites",
    }
)


@dataclass(frozen=True, slots=True)
class Seen:
    """What a site knows by itself of the use that a manifest is shown for.

    `operators` has the operator of each party of the manifest that is a member now, `hybrid` the parties that have a
    key of ML-DSA-65. `protection` is None before the task is known.
    """

    holder: str  # DID of the site itself
    agreement: str
    user: str
    operators: Mapping[str, str]
    protection: str | None = None
    hybrid: frozenset[str] = frozenset()


def decide(manifest: Manifest, seen: Seen) -> Decision:
    """Whether the manifest gives this site a seat in a run that its agreement allows."""
    return combine(
        _user(manifest, seen),
        _seat(manifest, seen),
        _protocol(manifest, seen),
        _members(manifest, seen),
        _own(manifest, seen),
        _operators(manifest, seen),
        _signing(manifest, seen),
    )


def shown(manifest: Manifest | None) -> Decision:
    """Whether there is a manifest at all."""
    asked = Text(msgid("a manifest of the run that its user signed"))
    held = Text(msgid("a manifest was shown") if manifest else msgid("no manifest was shown"))
    return _one("no_manifest", asked, held, ok=manifest is not None)


def another(manifest: Manifest) -> Decision:
    """Nothing more is admitted of a use that began under another manifest."""
    held = Text(msgid("this one has the digest {digest}"), {"digest": manifest.digest})
    return _one("other_manifest", Text(msgid("the manifest that the use began with")), held, ok=False)


def other_keys() -> Decision:
    """The keys of a run do not change."""
    asked = Text(msgid("the keys that the run began with, this holder's own among them"))
    return _one("other_keys", asked, Text(msgid("others were shown")), ok=False)


def of_task(manifest: Manifest, task: str) -> Decision:
    """Whether a step is of the task of the manifest."""
    held = Text(msgid("the task of this step has the digest {digest}"), {"digest": task})
    return _one("task", Text(msgid("the task of the manifest")), held, ok=manifest.task == task)


def asked_by(manifest: Manifest, caller: str) -> Decision:
    """Whether who leads the run asks, and nobody else: the log names the coordinator as the one who was answered."""
    asked = Text(msgid("a step that the coordinator {coordinator} asks"), {"coordinator": manifest.coordinator})
    held = Text(msgid("{caller} asks"), {"caller": caller or "-"})
    return _one("coordinator", asked, held, ok=caller in ("", manifest.coordinator))


def enough(manifest: Manifest, least: int) -> Decision:
    """Whether the run promises as many sites as the agreement wants, and names them."""
    asked = Text(msgid("a run of at least {least} data holders"), {"least": least})
    said = {"sites": len(manifest.seats), "least": manifest.min_sites}
    held = Text(msgid("the manifest names {sites} and goes on with {least}"), said)
    remedy = Text(msgid("Agree with more data holders, and start the run with all of their agreements."))
    ok = len(manifest.seats) >= least and manifest.min_sites >= least
    return _one("sites", asked, held, ok=ok, remedy=remedy, code="use.sites")


def masks(manifest: Manifest, colluders: int) -> Decision:
    """Whether the masks of a run under masks withstand as many colluders as the agreement wants."""
    if manifest.protocol not in MASKED:
        return _one("masks", Text(msgid("no masks")), Text(msgid("there are none")), ok=True)
    given = manifest.colluders or 0
    asked = Text(
        msgid("masks that hide each site even if {least} of the others tell what they see"), {"least": colluders}
    )
    thresholds = Thresholds.for_seats(len(manifest.seats), given, max(manifest.min_sites, LEAST_SITES))
    held = thresholds.problem or Text(msgid("they do so if no more than {given} of them tell"), {"given": given})
    remedy = Text(msgid("Agree with more data holders, and start the run with all of their agreements."))
    ok = thresholds.problem is None and given >= colluders
    return _one("masks", asked, held, ok=ok, remedy=remedy)


def _user(manifest: Manifest, seen: Seen) -> Decision:
    held = Text(msgid("it is signed for {user}"), {"user": manifest.user})
    return _one("user", Text(msgid("a manifest of the user of the agreement")), held, ok=manifest.user == seen.user)


def _seat(manifest: Manifest, seen: Seen) -> Decision:
    asked = Text(msgid("a seat of this holder under the agreement {agreement}"), {"agreement": seen.agreement})
    found = manifest.agreement(seen.holder)
    held = Text(msgid("the manifest names {agreement}"), {"agreement": found or "-"})
    return _one("seat", asked, held, ok=found == seen.agreement)


def _protocol(manifest: Manifest, seen: Seen) -> Decision:
    given = seen.protection or manifest.protocol
    asked = Text(msgid("the protection {protection}, which the task gets here"), {"protection": given})
    held = Text(msgid("the manifest says {protection}"), {"protection": manifest.protocol})
    return _one("protocol", asked, held, ok=manifest.protocol == given)


def _members(manifest: Manifest, seen: Seen) -> Decision:
    asked = Text(msgid("parties that are all members of the space now"))
    parties = dict.fromkeys((*manifest.sites, manifest.user, manifest.coordinator))
    missing = [party for party in parties if party not in seen.operators]
    held = Text(msgid("not a member: {parties}"), {"parties": ", ".join(missing[:3]) or "-"})
    return _one("members", asked, held, ok=not missing)


def _own(manifest: Manifest, seen: Seen) -> Decision:
    asked = Text(msgid("no seat for the user, whoever operates it"))
    user = seen.operators.get(manifest.user, manifest.user)
    own = [site for site in manifest.sites if site == manifest.user or seen.operators.get(site) == user]
    held = Text(msgid("seats of the user: {sites}"), {"sites": ", ".join(own[:3]) or "-"})
    remedy = Text(
        msgid("Use only data of others: whoever holds data in the run can work out what is left of the sum.")
    )
    return _one("own_seat", asked, held, ok=not own, remedy=remedy)


def _operators(manifest: Manifest, seen: Seen) -> Decision:
    asked = Text(msgid("one seat for each operator"))
    found = [seen.operators.get(site, site) for site in manifest.sites]
    twice = sorted({operator for operator in found if found.count(operator) > 1})
    held = Text(msgid("more than one seat: {operators}"), {"operators": ", ".join(twice[:3]) or "-"})
    return _one("operator", asked, held, ok=not twice)


def _signing(manifest: Manifest, seen: Seen) -> Decision:
    asked = Text(msgid("parties whose ML-DSA-65 keys are on the members list, where sums are masked"))
    missing = [party for party in manifest.parties if manifest.hybrid and party not in seen.hybrid]
    held = Text(msgid("no such key: {parties}"), {"parties": ", ".join(missing[:3]) or "-"})
    remedy = Text(
        msgid("The authority takes up the keys of such a member with `medspace keys take DID`, once it runs.")
    )
    return _one("signing", asked, held, ok=not missing, remedy=remedy)


def _one(
    what: str, asked: Text, held: Text, *, ok: bool, remedy: Text | None = None, code: str | None = None
) -> Decision:
    premise = Premise(f"run.{what}", asked, held, ok, remedy)
    return Decision(Verdict.PERMIT if ok else Verdict.DENY, "permitted" if ok else code or f"run.{what}", (premise,))
