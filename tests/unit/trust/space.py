"""A small space for tests: parties with keys, their documents, an authority with its list."""

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from medspace.adapters.memory import ManualClock, MemoryDatabase, SeededRandomness
from medspace.core.signing import Ed25519Signer
from medspace.trust.did import build_document, parse_document
from medspace.trust.errors import DocumentError
from medspace.trust.members import sign_members
from medspace.trust.model import DidDocument, Member, MemberList
from medspace.trust.service import Gatekeeper, Identity, MembersBook

AUTHORITY = "did:web:authority.example"
HOSPITAL = "did:web:hospital.example"
COMPANY = "did:web:company.example:research"
STRANGER = "did:web:stranger.example"


def signer(number: int) -> Ed25519Signer:
    return Ed25519Signer.from_seed(bytes([number]) * 32)


KEYS = {AUTHORITY: signer(1), HOSPITAL: signer(2), COMPANY: signer(3), STRANGER: signer(4)}


def document_of(did: str, key: Ed25519Signer | None = None) -> DidDocument:
    return parse_document(json.dumps(build_document(did, (key or KEYS[did]).public_key)).encode(), did)


def member_of(did: str) -> Member:
    return Member(did, did.rpartition(":")[2], "DE", ("participant",), KEYS[did].public_key)


def members_at(now: datetime, *dids: str, days: float = 30) -> MemberList:
    return MemberList(AUTHORITY, now, now + timedelta(days=days), tuple(member_of(did) for did in dids))


def list_at(now: datetime, *dids: str, days: float = 30) -> str:
    return sign_members(KEYS[AUTHORITY], members_at(now, *dids, days=days))


@dataclass
class PublishedDocuments:
    """The web, as far as DID documents go; counts what was fetched."""

    documents: dict[str, DidDocument] = field(default_factory=dict)
    fetched: list[str] = field(default_factory=list)

    async def document(self, did: str) -> DidDocument:
        self.fetched.append(did)
        if did not in self.documents:
            raise DocumentError(did=did, reason="not found")
        return self.documents[did]


@dataclass
class PublishedList:
    """The authority, as far as its list goes."""

    text: str = ""

    async def members(self) -> str:
        return self.text


class Space:
    """A hospital's gatekeeper in a space where the company is a member and the stranger is not."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.database = MemoryDatabase()
        self.documents = PublishedDocuments({did: document_of(did) for did in KEYS})
        self.source = PublishedList(list_at(self.clock.now(), AUTHORITY, HOSPITAL, COMPANY))
        self.book = self.new_book()
        self.gatekeeper = self.new_gatekeeper()

    def new_book(self) -> MembersBook:
        return MembersBook(AUTHORITY, KEYS[AUTHORITY].public_key, self.source, self.database, self.clock)

    def new_gatekeeper(self) -> Gatekeeper:
        return Gatekeeper(HOSPITAL, self.documents, self.book, self.database, self.clock)

    def identity(self, did: str = COMPANY, seed: int = 7) -> Identity:
        return Identity(did, KEYS[did], self.clock, SeededRandomness(seed))

    @classmethod
    async def opened(cls) -> "Space":
        space = cls()
        await space.book.refresh()
        return space
