"""A small space with its logs: a company trains on two hospitals. Tests change one thing and audit it again."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from medspace.core.clock import stamp
from medspace.core.errors import ProofError
from medspace.core.hashing import digest
from medspace.core.signing import Ed25519Signer
from medspace.ledger import audit, bundle, service
from medspace.ledger.membership import MembersList
from medspace.ledger.model import Entry
from tests.unit.ledger.memory import MemoryTransaction

BEGIN = datetime(2026, 11, 23, 12, tzinfo=UTC)
NOW = BEGIN + timedelta(days=1)
COMPANY, NORTH, SOUTH = (f"did:web:{name}.example" for name in ("company", "north", "south"))
SITES = (NORTH, SOUTH)
AUTHORITY = b"authority's public key".ljust(32)
TASK = digest({"task": "glm"})
MODEL = digest({"model": 2})
MANIFEST = digest({"manifest": 1})
RUN = "urn:run:1"
SIGNERS = {did: Ed25519Signer.from_seed(bytes([number] * 32)) for number, did in enumerate((COMPANY, NORTH, SOUTH))}
MEMBERS = "the members list"


AUTHORITY_DID = "did:web:authority.example"


def read_list(text, authority_key):
    if text != MEMBERS or authority_key != AUTHORITY:
        raise ProofError(reason="it is not signed by the authority")
    keys = {did: signer.public_key for did, signer in SIGNERS.items()}
    return MembersList(text, AUTHORITY_DID, BEGIN, BEGIN + timedelta(days=30), keys)


@dataclass
class Space:
    """The parties' entries in the order in which they wrote them."""

    logs: dict = field(default_factory=lambda: {did: [] for did in SIGNERS})
    seconds: int = 0

    def note(self, did, kind, **facts):
        self.seconds += 1
        self.logs[did].append(Entry(kind, stamp(BEGIN + timedelta(seconds=self.seconds)), did, facts))

    def find(self, did, kind, number=0):
        found = [index for index, entry in enumerate(self.logs[did]) if entry.kind == kind]
        return found[number]

    def edit(self, did, index, **facts):
        old = self.logs[did][index]
        self.logs[did][index] = Entry(old.kind, old.time, old.actor, {**old.facts, **facts})

    def drop(self, did, index):
        del self.logs[did][index]

    def transaction(self, did, size=None):
        tx = MemoryTransaction()
        for entry in self.logs[did][:size]:
            service.record(tx, entry)
        return tx

    def checkpoint(self, did, size=None, signer=None):
        return service.checkpoint(self.transaction(did, size), signer or SIGNERS[did], did, NOW)

    def bundle(self, did, size=None, signer=None):
        tx = self.transaction(did, size)
        signed = service.checkpoint(tx, signer or SIGNERS[did], did, NOW)
        return bundle.export(tx.log, signed, MEMBERS)

    def bundles(self, *, without=()):
        return [self.bundle(did) for did in self.logs if did not in without]

    def audit(self, *, without=()):
        return verify(self.bundles(without=without))


def verify(bundles, seen=(), shown=(), beside=()):
    return audit.verify(bundles, AUTHORITY, NOW, read_list, seen, shown, beside)


def negotiate(space, site, agreement, *, expires=None):
    said = {"agreement": agreement, "agreement_digest": digest({"@id": agreement})}
    if expires:
        said["expires"] = stamp(expires)
    mine = {"role": "consumer", "pid": f"urn:c:{agreement}", "counterparty": site}
    theirs = {"role": "provider", "pid": f"urn:p:{agreement}", "counterparty": COMPANY, "asset": "heart"}
    space.note(COMPANY, "negotiation.requested", **mine)
    space.note(site, "negotiation.requested", **theirs)
    for step, first, second in (
        ("agreed", (site, theirs), (COMPANY, mine)),
        ("verified", (COMPANY, mine), (site, theirs)),
        ("finalized", (site, theirs), (COMPANY, mine)),
    ):
        for did, facts in (first, second):
            space.note(did, f"negotiation.{step}", **facts, **said)


def begin_use(space, site, agreement):
    mine = {"role": "consumer", "pid": use_of(site), "counterparty": site}
    theirs = {"role": "provider", "pid": transfer_of(site), "peer_pid": use_of(site), "counterparty": COMPANY}
    what = {"agreement": agreement, "format": "medspace:train"}
    space.note(COMPANY, "transfer.requested", **mine, **what)
    space.note(site, "transfer.requested", **theirs, **what)
    space.note(site, "transfer.started", **theirs, **what)
    space.note(COMPANY, "transfer.started", **mine, **what, peer_pid=transfer_of(site))


def use_of(site):
    return f"urn:use:{site.split(':')[-1]}"


def transfer_of(site):
    return f"urn:transfer:{site.split(':')[-1]}"


def agreement_of(site):
    return f"urn:agreement:{site.split(':')[-1]}"


def release_of(site, number):
    return f"urn:release:{site.split(':')[-1]}:{number}"


def content_of(site, number):
    return digest({"site": site, "round": number})


def release(space, site, number, *, identity=None, agreement=None):
    admission = f"urn:admission:{(identity or release_of(site, number)).removeprefix('urn:release:')}"
    space.note(
        site,
        "use.admitted",
        admission=admission,
        agreement=agreement or agreement_of(site),
        transfer=transfer_of(site),
        user=COMPANY,
        asset="heart",
        use_kind="medspace:train",
        purpose="dpv:ResearchAndDevelopment",
        task=TASK,
        round=number,
        step="gradient",
        question=digest({"model": number}),
        run=RUN,
        manifest=MANIFEST,
    )
    space.note(
        site,
        "use.released",
        release=identity or release_of(site, number),
        admission=admission,
        output="gradient",
        round=number,
        digest=content_of(site, number),
    )


def train(space, sites=SITES, rounds=2):
    space.note(
        COMPANY,
        "run.started",
        run=RUN,
        task=TASK,
        agreements=[agreement_of(site) for site in sites],
        sites=list(sites),
        protection="coordinator-sees-sums",
    )
    for number in range(1, rounds + 1):
        for site in sites:
            release(space, site, number)
        space.note(
            COMPANY,
            "run.round",
            run=RUN,
            round=number,
            step="gradient",
            model=digest({"model": number}),
            manifest=MANIFEST,
            answers=[answer(site, number) for site in sites],
        )


def answer(site, number):
    return {
        "site": site,
        "use": use_of(site),
        "release": release_of(site, number),
        "digest": content_of(site, number),
    }


def finish(space, **facts):
    said = {"run": RUN, "model": digest({"whole": 1}), "rounds": 2, "sites": list(SITES)}
    said |= {"protection": "coordinator-sees-sums", "fitted": MODEL}
    space.note(COMPANY, "run.finished", **{**said, **facts})
    for site in SITES:
        use = {"role": "provider", "pid": transfer_of(site), "counterparty": COMPANY}
        space.note(site, "transfer.completed", **use, agreement=agreement_of(site), format="medspace:train")


def trained(*, expires=None):
    """Two agreements, two uses, two rounds; the run is still going and the uses are open."""
    space = Space()
    for site in SITES:
        negotiate(space, site, agreement_of(site), expires=expires)
        begin_use(space, site, agreement_of(site))
    train(space)
    return space


def honest(*, expires=None):
    """Two agreements, two uses, two rounds, one model."""
    space = trained(expires=expires)
    finish(space)
    return space
