"""Cases for the script that verifies in a browser: the vectors of our own code, and files, true and not.

A case is what to do and with what; beside it stands what the answer must be: for files, the steps that fail.
"""

import json
import os
from base64 import b64decode, b64encode
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec

from medspace.core.signing import Ed25519Signer
from medspace.ledger import bundle, entry_proof, merkle, note
from medspace.ledger.merkle import Tree
from medspace.trust import jws
from medspace.trust.members import sign_members
from medspace.trust.model import Member, MemberList
from tests.unit.ledger.story import AUTHORITY_DID, BEGIN, COMPANY, SIGNERS, honest
from tests.unit.ledger.test_merkle import CT_LEAVES, CT_ROOTS

DATA = Path(os.environ.get("MEDSPACE_DATA", Path(__file__).parents[1] / "../shared/data")) / "merkle" / "testdata"
SCRIPT = Path(__file__).parents[1] / "src/medspace/app/features/audit/static/verify.js"
AUTHORITY = Ed25519Signer.from_seed(bytes([9] * 32))
KEY = jws.encode(AUTHORITY.public_key)
INDEX = 5
Case = tuple[str, dict[str, Any], Any]


def members(signer: Ed25519Signer = AUTHORITY, *, without: str = "") -> str:
    """The members list of the story, signed."""
    listed = tuple(
        Member(did, did, "DE", ("user",), one.public_key) for did, one in SIGNERS.items() if did != without
    )
    return sign_members(signer, MemberList(AUTHORITY_DID, BEGIN, BEGIN + timedelta(days=30), listed))


def exported(signer: Ed25519Signer | None = None, size: int | None = None) -> dict[str, Any]:
    """The log of the story's company as a file, with the checkpoint that it signed when it had five entries."""
    space = honest()
    tx = space.transaction(COMPANY, size)
    signed = space.checkpoint(COMPANY, size, signer)
    made = bundle.export(tx.log, signed, members(), (space.checkpoint(COMPANY, 5),))
    return json.loads(bundle.render(made))


def proven(index: int = INDEX) -> dict[str, Any]:
    """The proof of one of its entries."""
    space = honest()
    proof = entry_proof.prove(space.transaction(COMPANY), index, space.checkpoint(COMPANY), members())
    return json.loads(msgspec.json.encode(proof))


def cases() -> dict[str, Case]:
    """All cases by name."""
    return dict([*_inclusion(), *_own_paths(), *_notes(), *_logs(), *_entries()])


def expected(answer: Any) -> Any:
    """Of what the script says of a file, the steps that failed."""
    steps = isinstance(answer, list) and isinstance(answer[0], dict)
    return [one["step"] for one in answer if one["holds"] is False] if steps else answer


def _inclusion() -> Iterator[tuple[str, Case]]:
    for path in sorted(DATA.glob("inclusion/**/*.json")) + sorted(DATA.glob("subtreeinclusion/**/*.json")):
        case = json.loads(path.read_text())
        start = case.get("start", 0)
        size = case["end"] - start if "end" in case else case["treeSize"]
        proof = [b64decode(one).hex() for one in case["proof"] or []]
        facts = {"index": case["leafIdx"] - start, "size": size, "proof": proof}
        facts |= {"leaf": _hex(case["leafHash"]), "root": _hex(case["root"])}
        yield str(path.relative_to(DATA)), ("inclusion", facts, not case["wantErr"])


def _hex(text: str | None) -> str:
    return b64decode(text or "").hex()


def _own_paths() -> Iterator[tuple[str, Case]]:
    yield "the trees of Certificate Transparency", ("roots", {"leaves": [one.hex() for one in CT_LEAVES]}, CT_ROOTS)
    leaves = [merkle.leaf_hash(str(number).encode()) for number in range(37)]
    tree = Tree(leaves)
    for size in (1, 2, 3, 7, 8, 36, 37):
        for index in {0, size // 2, size - 1}:
            path = merkle.inclusion_proof(index, size, tree.hashes(merkle.inclusion_nodes(index, size)))
            facts = {"index": index, "size": size, "leaf": leaves[index].hex(), "proof": [one.hex() for one in path]}
            yield f"leaf {index} of {size}", ("inclusion", facts | {"root": tree.root(size).hex()}, True)
            yield f"leaf {index} of {size}, other root", ("inclusion", facts | {"root": leaves[36].hex()}, size == 0)


def _notes() -> Iterator[tuple[str, Case]]:
    # The published example of the Go implementation (golang.org/x/mod/sumdb/note).
    public = "ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    text = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
    line = "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
    key = b64encode(b64decode(public)[1:]).decode()
    facts = {"note": f"{text}\n\N{EM DASH} PeterNeumann {line}\n", "name": "PeterNeumann", "key": key}
    yield "a note of another implementation", ("note", facts, True)
    yield "a changed note", ("note", facts | {"note": facts["note"].replace("think", "know")}, False)
    yield "a note in another name", ("note", facts | {"name": "Peter"}, False)
    yield "not a note", ("note", facts | {"note": text}, "error note")


def _file(told: dict[str, Any], *, key: str = KEY) -> dict[str, Any]:
    return {"file": json.dumps(told), "key": key}


def _logs() -> Iterator[tuple[str, Case]]:
    log = exported()
    entries = log["entries"]
    changed = [*entries[:3], entries[3].replace("urn:", "urm:"), *entries[4:]]
    swapped = [entries[1], entries[0], *entries[2:]]
    stranger = SIGNERS["did:web:north.example"]
    yield "log", ("file", _file(log), [])
    yield "log with a changed entry", ("file", _file(log | {"entries": changed}), ["root"])
    yield "log with entries in another order", ("file", _file(log | {"entries": swapped}), ["root"])
    yield "log that was cut off", ("file", _file(log | {"entries": entries[:-1]}), ["count"])
    yield "log with one entry more", ("file", _file(log | {"entries": [*entries, entries[-1]]}), ["count"])
    yield "log with an older checkpoint", ("file", _file(log | {"checkpoint": log["earlier"][0]}), ["count"])
    short = exported(size=4)["checkpoint"]
    cut = log | {"entries": entries[:4], "checkpoint": short}
    yield "log that was cut off and signed again", ("file", _file(cut), ["history"])
    yield "log that another member signed", ("file", _file(exported(stranger)), ["checkpoint"])
    yield (
        "log with another root",
        ("file", _file(log | {"checkpoint": _another_root(log["checkpoint"])}), ["checkpoint"]),
    )
    yield "log of another origin", ("file", _file(log | {"origin": "did:web:north.example"}), ["checkpoint"])
    yield from _lists("log", log)


def _entries() -> Iterator[tuple[str, Case]]:
    proof = proven()
    hashes = proof["hashes"]
    other = ["0" * 64, *hashes[1:]]
    yield "entry", ("file", _file(proof), [])
    yield (
        "entry that was changed",
        ("file", _file(proof | {"entry": proof["entry"].replace("urn:", "urm:")}), ["path"]),
    )
    yield "no entry", ("file", _file(proof | {"entry": "{}"}), ["entry", "path"])
    yield "entry at another place", ("file", _file(proof | {"index": INDEX + 1}), ["path"])
    yield "entry with another path", ("file", _file(proof | {"hashes": other}), ["path"])
    yield "entry with a short path", ("file", _file(proof | {"hashes": hashes[:-1]}), ["path"])
    yield "entry with a path that is none", ("file", _file(proof | {"hashes": ["zz"]}), ["path"])
    yield "entry of another size", ("file", _file(proof | {"size": proof["size"] - 1}), ["path"])
    yield (
        "entry with another root",
        ("file", _file(proof | {"checkpoint": _another_root(proof["checkpoint"])}), ["checkpoint"]),
    )
    yield "entry with a checkpoint that is none", ("file", _file(proof | {"checkpoint": "x"}), ["checkpoint"])
    yield from _lists("entry", proof)
    yield from _witnesses(proof)
    yield "something else", ("file", _file({"format": "medspace-model-1"}), "error format")


def _lists(what: str, told: dict[str, Any]) -> Iterator[tuple[str, Case]]:
    stranger = Ed25519Signer.from_seed(bytes([8] * 32))
    header, payload, signature = told["members"].split(".")
    changed = jws.encode(jws.decode(payload).replace(b'"region":"DE"', b'"region":"CH"'))
    yield f"{what} with a list of a stranger", ("file", _file(told | {"members": members(stranger)}), ["members"])
    yield f"{what} under another key", ("file", _file(told, key=jws.encode(stranger.public_key)), ["members"])
    yield (
        f"{what} with a changed list",
        ("file", _file(told | {"members": f"{header}.{changed}.{signature}"}), ["members"]),
    )
    yield f"{what} without a list", ("file", _file(told | {"members": ""}), ["members"])
    yield f"{what} of no member", ("file", _file(told | {"members": members(without=COMPANY)}), ["key"])


def _witnesses(proof: dict[str, Any]) -> Iterator[tuple[str, Case]]:
    signed = note.parse(proof["checkpoint"])
    name = "did:web:north.example"
    true = signed.signed(name, SIGNERS[name]).render()
    wrong = note.NoteSignature(name, note.key_id(name, SIGNERS[name].public_key), bytes(64))
    untrue = note.SignedNote(signed.text, (*signed.signatures, wrong)).render()
    unknown = signed.signed("witness.example", SIGNERS[name]).render()
    mldsa = note.NoteSignature(signed.signatures[0].name, b"mlds", bytes(3309))
    twice = note.SignedNote(signed.text, (*signed.signatures, mldsa)).render()
    yield "entry signed with another key as well", ("file", _file(proof | {"checkpoint": twice}), [])
    yield "entry with a witness", ("file", _file(proof | {"checkpoint": true}), [])
    yield "entry with an unknown witness", ("file", _file(proof | {"checkpoint": unknown}), [])
    yield "entry with a witness that did not sign", ("file", _file(proof | {"checkpoint": untrue}), ["witness"])


def _another_root(checkpoint: str) -> str:
    signed = note.parse(checkpoint)
    state = note.read_checkpoint(signed.text)
    return checkpoint.replace(b64encode(state.root).decode(), b64encode(bytes(32)).decode())
