"""A user proves that it fulfilled a duty: `POST /duties` on the public listener.

Security model: only a member with a valid ID token is heard, and only about duties that it owes. What it sends is an
entry of its own log with the path to a checkpoint that its key signed: so it can never deny having said so, and an
audit of its log finds what contradicts it. That a copy is gone cannot be proven by anybody; that its owner signed
that it is, and when the holder was told, can. Each later proof comes from a log that begins with the one
before (`connector.duties.heads`), so that nobody shows one history here and later another.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from medspace.app.doors.bodies import json_response, problem_response, read_body
from medspace.app.doors.callers import caller_of
from medspace.app.node.node import Node
from medspace.connector.duties import heads, service
from medspace.connector.duties.errors import DutyClaimError, DutyUnprovenError, LogForkedError, LogUnprovenError
from medspace.connector.duties.heads import MOST_HASHES, SEEN_LOGS
from medspace.connector.duties.model import OwedDuty
from medspace.core.canonical import JsonObject
from medspace.core.decoding import read_json
from medspace.core.errors import MedspaceError
from medspace.core.store import Transaction
from medspace.core.text import Text, msgid
from medspace.ledger import note
from medspace.ledger.entry_proof import EntryProof, HexHash

DOOR = "/duties"
SEEN = f"{DOOR}/seen"  # how much of the caller's log was seen
LARGEST_CLAIM = 256 * 1024  # bytes


class Claim(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """That a duty was fulfilled, by the entry of the user's log; the members list is not sent along.

    `extends` are the hashes of the consistency proof from the size that was seen here last to that of the proof.
    """

    duty: str
    proof: EntryProof
    extends: Annotated[tuple[HexHash, ...], msgspec.Meta(max_length=MOST_HASHES)] = ()


@dataclass(frozen=True, slots=True)
class DutyDoor:
    """Takes proofs. `checks` False (attack tests only): whatever the proof is."""

    node: Node
    checks: bool = True

    def routes(self) -> list[Route]:
        """The routes of the public listener."""
        return [Route(DOOR, self._answer, methods=["POST"]), Route(SEEN, self._seen, methods=["GET"])]

    async def _seen(self, request: Request) -> Response:
        try:
            caller = await caller_of(request, self.node.authenticate)
            size = await self.node.database.read(lambda tx: seen_size(tx, caller.did))
        except MedspaceError as error:
            return problem_response(error)
        return json_response({"size": size})

    async def _answer(self, request: Request) -> Response:
        try:
            caller = await caller_of(request, self.node.authenticate)
            claim = read_claim(await read_body(request, LARGEST_CLAIM))
            duty = await self.claimed(caller.did, claim)
        except MedspaceError as error:
            return problem_response(error)
        return json_response({"duty": duty.id, "state": duty.state.value})

    async def claimed(self, user: str, claim: Claim) -> OwedDuty:
        """The duty as it stands after a claim of this user.

        Raises:
            UnknownDutyError, DutyUnprovenError: as `service.accept`; the proof is not of this user's log.
            LogUnprovenError, LogForkedError: that log is not known to begin with the one shown before, or does not.
        """
        if self.checks:
            key = self.node.book.member(user).public_key
            flaw = await asyncio.to_thread(flaw_of, claim.proof, user, key)
            if flaw is not None:
                raise DutyUnprovenError(duty=claim.duty[:80], reason=flaw)
        did, now, proof = self.node.did, self.node.clock.now(), msgspec.to_builtins(claim.proof)
        hashes = [bytes.fromhex(one) for one in claim.extends]

        def unit(tx: Transaction) -> OwedDuty | None:
            if self.checks:
                found = heads.follow(tx, did, user, claim.proof.checkpoint, hashes, now)
                if found is heads.Growth.FORKED:
                    return None  # and what proves it is kept
                if found is heads.Growth.UNPROVEN:
                    raise LogUnprovenError(size=seen_size(tx, user))
            return service.accept(tx, did, claim.duty, user, proof, now)

        settled = await self.node.database.write(unit)
        if settled is None:
            raise LogForkedError(user=user)
        return settled


def read_claim(content: bytes) -> Claim:
    """The claim in a message.

    Raises:
        DutyClaimError: it holds none.
    """
    try:
        return read_json(content, Claim)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise DutyClaimError from error


def flaw_of(proof: EntryProof, user: str, key: bytes) -> Text | None:
    """Why a proof does not show that its entry is in the log of that user; None where it does."""
    try:
        signed = note.parse(proof.checkpoint)
        state = note.read_checkpoint(signed.text)
    except MedspaceError:
        return Text(msgid("its checkpoint cannot be read"))
    if state.origin != user or proof.origin != user:
        return Text(msgid("it is of another log"))
    if not signed.signed_by(user, key):
        return Text(msgid("its checkpoint is not signed by the key of this member"))
    if not proof.leads_to(state.size, state.root):
        return Text(msgid("its entry is not in the log that the checkpoint signs"))
    return None


def seen_size(tx: Transaction, user: str) -> int:
    """How long the log of a user was when it was seen last; 0 where it never was."""
    seen = tx.get(SEEN_LOGS, user)
    return seen.size if seen else 0


def claim_of(duty: OwedDuty, proof: EntryProof, extends: Sequence[bytes] = ()) -> JsonObject:
    """The message of the user; `extends` as in `Claim`."""
    told: JsonObject = {"duty": duty.id, "proof": msgspec.to_builtins(msgspec.structs.replace(proof, members=""))}
    return told | ({"extends": [one.hex() for one in extends]} if extends else {})
