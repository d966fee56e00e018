"""The accounts of a clinic, in memory or in any database, with a clock that stands still until it is moved."""

from medspace.adapters.memory import ManualClock, MemoryDatabase, SeededRandomness
from medspace.adapters.passkeys import WebauthnVerifier
from medspace.app.features.accounts.kinds import KINDS
from medspace.ledger import kinds
from medspace.ledger.model import decode
from medspace.services.accounts.model import AccountRole
from medspace.services.accounts.passkeys import Passkeys
from medspace.services.accounts.ports import RelyingParty
from medspace.services.accounts.service import Accounts
from medspace.services.tokens.service import Tokens
from tests.passkeys import HOST, ORIGIN, Authenticator

kinds.learn(KINDS)

DID = "did:web:clinic.example"
VISIT = "a" * 64  # the secret of a browser that nobody is signed in with


class Clinic:
    """Accounts, passkeys and tokens on one database."""

    def __init__(self, database=None, seed=3):
        self.clock, self.database = ManualClock(), database or MemoryDatabase()
        randomness = SeededRandomness(seed)
        self.tokens = Tokens(DID, self.database, self.clock, randomness)
        self.accounts = Accounts(DID, self.database, self.clock, randomness)
        self.passkeys = Passkeys(self.accounts, WebauthnVerifier(), RelyingParty(HOST, ORIGIN, "Clinic"))

    async def owner(self):
        return await self.tokens.owner()

    async def account(self, name="Dr Li", *roles):
        return await self.accounts.make(name, roles or (AccountRole.STEWARD,), await self.owner())

    async def link(self, account, **how):
        return await self.accounts.link(account.id, await self.owner(), **how)

    async def enter(self, account):
        """Sign in by a link: the secret of the session."""
        return (await self.accounts.enter((await self.link(account)).text)).secret

    async def visitor(self, account):
        return await self.accounts.look(await self.enter(account))

    async def register(self, visitor, authenticator=None, label=""):
        authenticator = authenticator or Authenticator()
        answer = authenticator.create(await self.passkeys.begin_registration(visitor))
        await self.passkeys.finish_registration(visitor, answer, label)
        return authenticator

    async def sign_in(self, authenticator, visit=VISIT, **how):
        options = await self.passkeys.begin_sign_in(visit)
        return await self.passkeys.finish_sign_in(visit, authenticator.get(options, **how))

    async def confirm(self, visitor, authenticator, **how):
        options = await self.passkeys.begin_confirmation(visitor)
        return await self.passkeys.finish_confirmation(visitor, authenticator.get(options, **how))

    async def entries(self, *wanted):
        found = await self.database.read(lambda tx: [decode(e) for e in tx.log.entries(0, tx.log.size())])
        return [one for one in found if not wanted or one.kind in wanted]
