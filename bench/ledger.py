"""The log: durable appends, proofs out of a log of a million entries, verification.

Appends and proofs go through the real SQLite database on a file, with its fsync. A million entries are written
first, which takes most of the time of this bench.
"""

import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from medspace.adapters.sql import SqlDatabase, create, open_database
from medspace.core.hashing import digest_bytes
from medspace.core.signing import Ed25519Signer
from medspace.ledger import audit, merkle, service
from medspace.ledger.bundle import FORMAT, Bundle
from medspace.ledger.membership import MembersList
from medspace.ledger.merkle import Tree, leaf_hash
from medspace.ledger.model import COLLECTIONS, Checkpoint, Entry, InclusionProof
from medspace.ledger.note import SignedNote, checkpoint_text

SIZE = 1_000_000
UNITS = 20_000  # units of work with one entry each
AT_ONCE = 2_000  # callers that wait at the same time
BULK = 1_000  # entries to a unit while the log is filled
PROOFS = 400
VERIFIED = 5_000
AUDITED = 50_000
REPEATS = 5
HOSPITAL = "did:web:hospital.example"


def entry(number: int) -> Entry:
    """One entry of the most frequent kind, unlike any other."""
    facts = {
        "release": f"urn:uuid:00000000-0000-4000-8000-{number:012d}",
        "admission": f"urn:uuid:00000000-0000-4000-9000-{number:012d}",
        "output": "gradient",
        "round": number % 100,
        "digest": digest_bytes(number.to_bytes(8)),
    }
    return Entry("use.released", "2026-11-23T12:00:00.000Z", HOSPITAL, facts)


def measure() -> dict[str, dict[str, Any]]:
    """Appends and proofs on SQLite, and verification of what came out."""
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_measure(f"sqlite:///{Path(folder) / 'bench.sqlite'}"))


async def _measure(url: str) -> dict[str, dict[str, Any]]:
    create(url, COLLECTIONS)
    async with open_database(url, COLLECTIONS) as database:
        appended = await _append(database)
        await _fill(database)
        proof_ms = await _prove(database)
        content = await _content(database)
    verified, checked = _verify(content)
    audited = _audit(content[:AUDITED])
    return {
        "ledger.append_per_s": {
            "value": appended,
            "unit": "1/s",
            "target": ">= 10000",
            "reference": f"{UNITS} units of one entry, {AT_ONCE} callers at once, SQLite with fsync by group commit",
        },
        "ledger.proof_ms.1m": {
            "value": proof_ms,
            "unit": "ms",
            "target": "<= 1",
            "reference": f"median of {PROOFS} inclusion proofs out of {SIZE} entries in SQLite, one reader at a time",
        },
        "ledger.verify_per_s": {
            "value": verified,
            "unit": "1/s",
            "target": ">= 50000",
            "reference": f"entries checked against one checkpoint, as an audit does: {SIZE} leaf hashes and the root",
        },
        "ledger.verify_proof_per_s": {
            "value": checked,
            "unit": "1/s",
            "reference": f"single inclusion proofs out of {SIZE} entries, 20 hashes each: bound by hashing",
        },
        "ledger.audit_per_s": {
            "value": audited,
            "unit": "1/s",
            "reference": f"whole audit of one log of {AUDITED} entries: signature, root, each entry's form and time",
        },
    }


async def _append(database: SqlDatabase) -> float:
    entries = [entry(number) for number in range(UNITS)]
    rates = []
    for start in range(0, UNITS, AT_ONCE):
        began = time.perf_counter()
        units = [database.write(_record([one])) for one in entries[start : start + AT_ONCE]]
        await asyncio.gather(*units)
        rates.append(AT_ONCE / (time.perf_counter() - began))
    return statistics.median(rates)


async def _fill(database: SqlDatabase) -> None:
    for start in range(UNITS, SIZE, BULK):
        await database.write(_record([entry(number) for number in range(start, start + BULK)]))


def _record(entries: list[Entry]) -> Callable[[Any], list[int]]:
    return lambda tx: [service.record(tx, one) for one in entries]


async def _prove(database: SqlDatabase) -> float:
    chosen, times = random.Random(1), []
    for _ in range(PROOFS):
        index = chosen.randrange(SIZE)
        began = time.perf_counter()
        await database.read(lambda tx, index=index: service.prove_inclusion(tx, index, SIZE))
        times.append(time.perf_counter() - began)
    return statistics.median(times) * 1000


async def _content(database: SqlDatabase) -> list[bytes]:
    content: list[bytes] = []
    for start in range(0, SIZE, BULK):
        content += await database.read(lambda tx, start=start: tx.log.entries(start, start + BULK))
    return content


def _verify(content: list[bytes]) -> tuple[float, float]:
    began = time.perf_counter()
    leaves = [leaf_hash(one) for one in content]
    tree = Tree(leaves)
    root = tree.root(SIZE)
    audited = SIZE / (time.perf_counter() - began)
    proofs = list(_proofs(tree))
    rates = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        held = [merkle.verify_inclusion(one.index, SIZE, leaves[one.index], one.hashes, root) for one in proofs]
        rates.append(VERIFIED / (time.perf_counter() - began))
        assert all(held)
    return audited, statistics.median(rates)


def _audit(content: list[bytes]) -> float:
    signer = Ed25519Signer.from_seed(bytes(32))
    tree = Tree(map(leaf_hash, content))
    state = Checkpoint(HOSPITAL, tree.size, tree.root(tree.size))
    signed = SignedNote(checkpoint_text(state)).signed(HOSPITAL, signer).render()
    entries = tuple(one.decode() for one in content)
    bundle = Bundle(format=FORMAT, origin=HOSPITAL, checkpoint=signed, members="", entries=entries)
    now = datetime.now(UTC)
    listed = MembersList("", "did:web:authority.example", now, now + timedelta(days=1), {HOSPITAL: signer.public_key})
    began = time.perf_counter()
    report = audit.verify([bundle], b"", now, lambda *_: listed)
    spent = time.perf_counter() - began
    assert report.entries == AUDITED
    return AUDITED / spent


def _proofs(tree: Tree) -> Iterator[InclusionProof]:
    chosen = random.Random(2)
    for _ in range(VERIFIED):
        index = chosen.randrange(SIZE)
        hashes = tree.hashes(merkle.inclusion_nodes(index, SIZE))
        yield InclusionProof(index, SIZE, merkle.inclusion_proof(index, SIZE, hashes))
