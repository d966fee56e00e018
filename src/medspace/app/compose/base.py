"""Identity, clock, database, HTTP client and members: the foundation of all other parts."""

from datetime import timedelta
from functools import cached_property

from medspace.adapters.anchors import FileAnchor
from medspace.adapters.filenames import is_there
from medspace.adapters.http.peers import HttpDocuments, HttpMembers
from medspace.adapters.keys import (
    create_secret,
    create_token,
    load_key,
    load_secret,
    load_token,
    passphrase_from,
)
from medspace.adapters.logs import logger
from medspace.adapters.metrics import Metrics
from medspace.adapters.mldsa import open_mldsa_keys
from medspace.app.compose.parts import ClosableDatabase, ConnectorParts
from medspace.app.doors.protocol.endpoints import BASE
from medspace.app.node.changes import Changes
from medspace.app.node.config import PASSPHRASE, Config
from medspace.app.node.feature import Knows
from medspace.app.node.membership import Membership
from medspace.app.node.outgoing import client_of, guard_of
from medspace.connector.local import Local
from medspace.connector.usage.model import JOBS
from medspace.connector.usage.tokens import JobTokens, secret_of_key
from medspace.core.sealing import Sealer
from medspace.core.signing import Ed25519Signer, HybridSigner
from medspace.core.store import Transaction
from medspace.ledger.anchoring import Anchoring
from medspace.services.membership.service import Authority
from medspace.trust.did import base_url
from medspace.trust.jws import decode
from medspace.trust.model import Facts, facts
from medspace.trust.service import Gatekeeper, Identity, MembersBook


class Base:
    """Identity, clock, database, HTTP client and members: the foundation of all other parts."""

    def __init__(self, config: Config, parts: ConnectorParts, database: ClosableDatabase) -> None:
        self.config, self.parts, self.database = config, parts, database
        self.clock, self.randomness = parts.clock, parts.randomness
        self.changes = Changes()
        database.on_commit(self.changes.tell)
        self.metrics = Metrics()
        self.log = logger(participant=config.did)
        self.signer: Ed25519Signer = load_key(config.path(config.participant.key), passphrase_from(PASSPHRASE))
        self.mldsa = open_mldsa_keys(
            config.path(config.participant.key),
            passphrase_from(PASSPHRASE),
            clock=self.clock,
            randomness=self.randomness,
        )
        self.signing = HybridSigner(self.signer, self.mldsa)  # signs what needs both signatures
        self.sealer = Sealer(questions_secret(config), self.randomness)
        self.identity = Identity(config.did, self.signer, self.clock, self.randomness)
        self.guard = guard_of(config)
        self.client = client_of(config, parts.resolve)
        self.documents = HttpDocuments(self.client)
        self.local = Local(config.did, config.base_url + BASE, self.clock, self.randomness)
        self.book = self._members_book()
        self.mldsa.listed = self._listed

    def _members_book(self) -> MembersBook:
        space = self.config.space
        source = HttpMembers(self.client, self.identity, authority=space.authority, url=base_url(space.authority))
        return MembersBook(space.authority, self._authority_key(), source, self.database, self.clock)

    def _listed(self) -> frozenset[bytes]:
        """The ML-DSA-65 keys of this connector that other members can know."""
        listed = None if self.book.current is None else self.book.current.find(self.config.did)
        return frozenset(key.public for key in listed.mldsa) if listed is not None else frozenset()

    def _authority_key(self) -> bytes:
        if self.config.is_authority:
            return self.signer.public_key
        return decode(self.config.space.authority_key)

    def membership(self) -> Membership:
        """The members list, and the gatekeeper that uses it."""
        config = self.config
        gatekeeper = Gatekeeper(config.did, self.documents, self.book, self.database, self.clock)
        authority = None
        if config.is_authority:
            authority = Authority(config.did, self.signer, self.book, self.database, self.clock)
        return Membership(config, self.signing, self.book, gatekeeper, authority, self.clock, self.log)

    def anchoring(self) -> Anchoring:
        """What signs checkpoints automatically, and the anchors that keep them."""
        told = self.config.checkpoints
        anchors = [FileAnchor(self.config.path(told.file), self.clock)] if told.file else []
        every = timedelta(minutes=told.minutes)
        return Anchoring(self.database, self.signer, self.config.did, self.clock, every, anchors)

    def facts(self, tx: Transaction, did: str) -> Facts:
        """What is known of a participant, as the authority signed it, and what features know of it besides."""
        members = self.book.current
        known = facts(members, did)
        if members is not None:
            for more in self._knowing:
                known = more(tx, members, known)
        return known

    @cached_property
    def _knowing(self) -> tuple[Knows, ...]:
        return tuple(one.knows() for one in self.parts.features if one.knows is not None)

    async def close(self) -> None:
        """Close connections and the database."""
        await self.client.close()
        await self.database.close()


def questions_secret(config: Config) -> bytes:
    """The secret that seals the questions; created at the first start, also for older connectors without one.

    Raises:
        SecretFileError, SecretExposedError: the file is broken or readable by others.
    """
    file = config.path(config.questions.secret)
    if not is_there(file):
        create_token(file)
    return load_token(file).encode()


async def job_tokens(base: Base) -> JobTokens:
    """Derives the tokens of started uses from their own secret; its file is created at the first start.

    If an older connector has started uses, the secret that their tokens came from is kept, so that they stay valid.

    Raises:
        SecretFileError, SecretExposedError: the file is broken or readable by others.
    """
    file = base.config.path(base.config.jobs.secret)
    if not is_there(file):
        started = await base.database.read(lambda tx: tx.find(JOBS, limit=1))
        create_secret(file, secret_of_key(base.signer) if started else None)
    return JobTokens(load_secret(file))
