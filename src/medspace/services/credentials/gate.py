"""Who calls? Self-issued ID tokens of any party, each accepted once, also over a restart."""

import asyncio

from medspace.core.clock import Clock
from medspace.core.errors import DuplicateRecordError
from medspace.core.store import Database, Transaction
from medspace.services.credentials.ports import KeyDocuments
from medspace.trust import tokens
from medspace.trust.credentials.idtokens import (
    LEEWAY,
    LONGEST_TOKEN,
    IdTokenRead,
    Proven,
    prove_id_token,
    read_id_token,
)
from medspace.trust.errors import (
    DidError,
    DocumentError,
    DocumentUnavailableError,
    TokenKeyError,
    TokenReplayedError,
    TokenSignatureError,
)
from medspace.trust.model import SEEN, SeenToken
from medspace.trust.service import REMEMBER, SWEEP_EVERY, bearer, forget_expired

MOST_AT_ONCE = 16  # callers whose documents are fetched: anybody can make us do so


class TokenGate:
    """Proves callers by their own DID documents; that says who they are, and nothing of what they may."""

    def __init__(self, did: str, documents: KeyDocuments, database: Database, clock: Clock) -> None:
        self.did = did
        self._documents = documents
        self._database = database
        self._clock = clock
        self._places = asyncio.Semaphore(MOST_AT_ONCE)
        self._calls = 0

    async def prove(self, authorization: str | None) -> Proven:
        """The caller that an Authorization header proves; each token is valid once.

        Raises:
            UnauthenticatedError: one subclass, with its own code, for each reason.
            StorageError: the database could not remember the token; the caller is not let in.
        """
        token = read_id_token(bearer(authorization, LONGEST_TOKEN))
        proven = await self._proven(token)
        await self._remember(proven)
        return proven

    async def _proven(self, token: IdTokenRead) -> Proven:
        did = token.issuer
        try:
            async with self._places:
                document = await self._documents.document(did)
                try:
                    return prove_id_token(token, document, self.did, self._clock.now())
                except (TokenKeyError, TokenSignatureError):  # the key may have changed since
                    document = await self._documents.fresh(did)
            return prove_id_token(token, document, self.did, self._clock.now())
        except (DidError, DocumentError) as error:
            raise DocumentUnavailableError(did=did) from error

    async def _remember(self, proven: Proven) -> None:
        self._calls += 1
        seen = SeenToken(tokens.seen_id(proven.caller), proven.expires + LEEWAY + REMEMBER)
        now, sweep = int(self._clock.now().timestamp()), self._calls % SWEEP_EVERY == 0

        def work(tx: Transaction) -> None:
            tx.insert(SEEN, seen)
            if sweep:
                forget_expired(tx, now)

        try:
            await self._database.write(work)
        except DuplicateRecordError:
            raise TokenReplayedError from None
