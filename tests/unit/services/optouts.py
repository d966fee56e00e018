"""An authority with a registry of opt-outs, and hospitals that ask it, on databases in memory."""

import msgspec

from medspace.adapters.memory import ManualClock, MemoryDatabase, SeededRandomness
from medspace.core.sealing import Sealer
from medspace.core.signing import Ed25519Signer
from medspace.ledger.model import decode
from medspace.services.optouts import following, pseudonyms, registry
from medspace.services.permits.model import OPT_OUTS
from medspace.trust import jws
from tests.unit.connector.uses import ASSET, NOW

AUTHORITY, CLINIC, OTHER = (f"did:web:{name}.example" for name in ("authority", "clinic", "other"))
COLUMN = "person"


class Authority:
    """The registry, as its door calls it."""

    def __init__(self):
        self.database, self.clock = MemoryDatabase(), ManualClock(NOW)
        self.sealer = Sealer(b"a secret of the registry", SeededRandomness(1))
        self.signer = Ed25519Signer.from_seed(b"a" * 32)
        self.public = self.signer.public_key

    async def out(self, *persons, back=False):
        return await self.database.write(
            lambda tx: registry.change(tx, AUTHORITY, self.sealer, persons, self.clock.now(), back=back, by="")
        )

    async def back(self, *persons):
        return await self.out(*persons, back=True)

    async def allow(self, hospital, most):
        await self.database.write(lambda tx: registry.allow(tx, AUTHORITY, hospital, most, self.clock.now(), ""))

    def key_for(self, hospital, public):
        return registry.sign_key(self.signer, AUTHORITY, self.sealer, hospital, public, self.clock.now())

    async def answer(self, hospital, of, **more):
        key = pseudonyms.hospital_key(self.sealer, hospital)

        def unit(tx):
            registry.count(tx, hospital, of)
            out = frozenset(pseudonyms.pseudonym(key, one) for one in registry.opted_out(tx, self.sealer))
            said = {"signer": self.signer, "hospital": hospital, "asked": of, "out": out, "now": self.clock.now()}
            said |= {"number": registry.version(tx)} | more
            return registry.sign_answer(did=AUTHORITY, **said)

        return await self.database.write(unit)

    async def log(self):
        return await self.database.read(lambda tx: [decode(one) for one in tx.log.entries(0, tx.log.size())])


class Hospital:
    """A hospital that asks; `flaw` is what is wrong with the answers that it gets."""

    def __init__(self, authority, did=CLINIC, seed=2):
        self.authority, self.did, self.flaw = authority, did, ""
        self.database = MemoryDatabase()
        self.sealer = Sealer(f"a secret of {did}".encode(), SeededRandomness(seed))
        self.key = pseudonyms.hospital_key(authority.sealer, did)
        self.said, self.heard = [], []

    async def begin(self, persons):
        await self.name(persons)
        return self

    async def name(self, persons, *, add=False, column=COLUMN):
        of = following.named(self.key, persons)

        def unit(tx):
            return following.follow(tx, self.sealer, ASSET, AUTHORITY, column, of, add=add)

        return await self.database.write(unit)

    async def refresh(self):
        one = await self.database.read(lambda tx: following.followed(tx, ASSET))
        now, answers = self.authority.clock.now(), []
        for asked in following.questions(following.values_of(self.sealer, one)):
            text = await self._flawed(asked)
            answers.append(following.read_answer(text, one, self.did, self.authority.public, asked, now))
            self.said += asked
            self.heard += answers[-1].out
        return await self.database.write(
            lambda tx: following.take(tx, self.sealer, self.did, ASSET, answers, now, "")
        )

    async def _flawed(self, asked):
        now = self.authority.clock.now()
        if self.flaw == "nothing":
            return "nothing"
        wrong = {
            "signer": {"signer": Ed25519Signer.from_seed(b"m" * 32)},
            "question": {"asked": asked[1:]},
            "older": {"number": 1},
            "expired": {"now": now - registry.HOLDS},
            "later": {"now": now + registry.HOLDS},
        }
        text = await self.authority.answer(self.did, asked, **wrong.get(self.flaw, {}))
        claims = msgspec.json.decode(jws.split(text).payload)
        rewritten = {
            "hospital": (registry.ANSWER_TYPE, claims | {"sub": OTHER}),
            "stranger": (registry.ANSWER_TYPE, claims | {"out": ["A" * 43]}),
            "kind": (registry.KEY_TYPE, claims),
        }
        if self.flaw not in rewritten:
            return text
        typ, claims = rewritten[self.flaw]
        return jws.sign(self.authority.signer, kid="k", typ=typ, claims=claims)

    async def stop(self):
        await self.database.write(lambda tx: following.stop(tx, self.did, ASSET, self.authority.clock.now(), ""))

    async def permits(self):
        return await self.database.read(lambda tx: tx.get(OPT_OUTS, ASSET))

    async def entries(self):
        return await self.database.read(lambda tx: tx.log.entries(0, tx.log.size()))
