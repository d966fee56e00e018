"""Signed notes and the checkpoints written in them (C2SP signed-note and tlog-checkpoint).

A note is text, an empty line, and signature lines: em dash, key name, base64 of a 4-byte key id and the signature.
Any number of parties sign the same text, so witnesses can add theirs. Security model: Ed25519 (RFC 8032); the key
id only says which key to try, so a verifier must know the public key of the name beforehand.
"""

import binascii
import re
from base64 import b64encode
from dataclasses import dataclass
from hashlib import sha256

from medspace.core.signing import Signer, verify
from medspace.core.text import Text, msgid
from medspace.ledger.errors import MalformedNoteError
from medspace.ledger.merkle import HASH_SIZE
from medspace.ledger.model import Checkpoint

LONGEST_NOTE = 256 * 1024  # bytes; room for 16 post-quantum signatures of 5 kB and more
MOST_SIGNATURES = 64
ED25519 = b"\x01"  # signature type of C2SP signed-note
LARGEST_SIZE = 2**63 - 1

_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")
_DASH = "\N{EM DASH} "


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One signature line: the key's name, its 4-byte id, and the signature."""

    name: str
    key_id: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class SignedNote:
    """A text (its last newline included) with the signatures under it."""

    text: str
    signatures: tuple[NoteSignature, ...] = ()

    def signed(self, name: str, signer: Signer) -> "SignedNote":
        """The note with one more Ed25519 signature.

        Raises:
            MalformedNoteError: the name or the text cannot be those of a note.
        """
        _check_name(name)
        _check_text(self.text)
        line = NoteSignature(name, key_id(name, signer.public_key), signer.sign(self.text.encode()))
        return SignedNote(self.text, (*self.signatures, line))

    def signed_by(self, name: str, public_key: bytes) -> bool:
        """Whether the key signed the text. One wrong signature in its name makes the answer no."""
        wanted = key_id(name, public_key)
        lines = [line for line in self.signatures if (line.name, line.key_id) == (name, wanted)]
        message = self.text.encode()
        return bool(lines) and all(verify(public_key, message, line.signature) for line in lines)

    def render(self) -> str:
        """The note as it is sent."""
        return self.text + "\n" + "".join(_line(signature) for signature in self.signatures)


def key_id(name: str, public_key: bytes) -> bytes:
    """The 4 bytes by which a signature line names an Ed25519 key (C2SP signed-note, Signatures)."""
    return sha256(name.encode() + b"\n" + ED25519 + public_key).digest()[:4]


def parse(content: str) -> SignedNote:
    """The note that is written in a text, exactly as `render` writes it.

    Raises:
        MalformedNoteError: it is not a note, has no signature, or is too long.
    """
    # A character takes at most four bytes, so long text is not encoded just to measure it.
    if len(content) > LONGEST_NOTE or len(content.encode(errors="replace")) > LONGEST_NOTE:
        raise MalformedNoteError(reason=Text(msgid("it is longer than {most} bytes"), {"most": LONGEST_NOTE}))
    text, separator, lines = content.rpartition("\n\n")
    if not separator or not lines.endswith("\n"):
        raise MalformedNoteError(reason=Text(msgid("it does not end with an empty line and signatures")))
    text += "\n"
    _check_text(text)
    signatures = lines[:-1].split("\n")
    if len(signatures) > MOST_SIGNATURES:
        raise MalformedNoteError(reason=Text(msgid("it has more than {most} signatures"), {"most": MOST_SIGNATURES}))
    return SignedNote(text, tuple(_signature(line) for line in signatures))


def checkpoint_text(checkpoint: Checkpoint) -> str:
    """The text of the note of a checkpoint (C2SP tlog-checkpoint, Note text)."""
    root = b64encode(checkpoint.root).decode()
    return "\n".join((checkpoint.origin, str(checkpoint.size), root, *checkpoint.extensions)) + "\n"


def read_checkpoint(text: str) -> Checkpoint:
    """The checkpoint that the text of a note holds; the signatures must be checked before it is trusted.

    Raises:
        MalformedNoteError: the text is not that of a checkpoint of a SHA-256 tree.
    """
    lines = text.removesuffix("\n").split("\n")
    if len(lines) < 3 or not all(lines):  # noqa: PLR2004 - origin, size, root
        raise MalformedNoteError(
            reason=Text(msgid("origin, size and root are not three lines with something in them"))
        )
    origin, size, root, *extensions = lines
    if not _SIZE.fullmatch(size) or int(size) > LARGEST_SIZE:
        raise MalformedNoteError(reason=Text(msgid("the size is not a plain decimal number")))
    digest = _base64(root)
    if len(digest) != HASH_SIZE:
        raise MalformedNoteError(reason=Text(msgid("the root is not {size} bytes"), {"size": HASH_SIZE}))
    return Checkpoint(origin, int(size), digest, tuple(extensions))


def _line(signature: NoteSignature) -> str:
    return f"{_DASH}{signature.name} {b64encode(signature.key_id + signature.signature).decode()}\n"


def _signature(line: str) -> NoteSignature:
    name, separator, encoded = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not separator:
        raise MalformedNoteError(reason=Text(msgid("a signature line is not dash, name, signature")))
    _check_name(name)
    content = _base64(encoded)
    if len(content) <= 4:  # noqa: PLR2004 - the key id
        raise MalformedNoteError(reason=Text(msgid("a signature is too short")))
    return NoteSignature(name, content[:4], content[4:])


def _base64(text: str) -> bytes:
    # Only the canonical spelling is accepted, even if another decodes to the same bytes.
    try:
        content = binascii.a2b_base64(text, strict_mode=True)
    except (binascii.Error, ValueError):
        raise MalformedNoteError(reason=Text(msgid("something is not base64"))) from None
    if b64encode(content).decode() != text:
        raise MalformedNoteError(reason=Text(msgid("something is not canonical base64")))
    return content


def _check_name(name: str) -> None:
    if not name or "+" in name or any(character.isspace() or character < " " for character in name):
        raise MalformedNoteError(reason=Text(msgid("a key name is empty or has a space or a plus sign in it")))


def _check_text(text: str) -> None:
    if not text.endswith("\n") or text == "\n":
        raise MalformedNoteError(reason=Text(msgid("the text is empty or its last line does not end")))
    if any(character < " " and character != "\n" for character in text):
        raise MalformedNoteError(reason=Text(msgid("there is a control character in it")))
    try:
        text.encode()
    except UnicodeEncodeError:
        raise MalformedNoteError(reason=Text(msgid("it is not UTF-8"))) from None
