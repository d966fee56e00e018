"""What seals and signatures cost: 50 MiB for one peer against AES-GCM alone, and what each signed message costs."""

import statistics
from collections.abc import Callable
from datetime import UTC, datetime
from os import urandom
from time import process_time
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from medspace.adapters.system import SystemRandomness
from medspace.core.keys import MldsaKey
from medspace.core.signing import Ed25519Signer, HybridSigner, MldsaSigner
from medspace.trust import envelope
from medspace.trust.envelope import Context, EnvelopeKey
from medspace.trust.model import Member
from medspace.trust.streams import CHUNK, open_stream, seal_stream

MIB = 1 << 20
SIZE = 50 * MIB  # bytes
TIMES, MESSAGES = 9, 200
PEERS = 9  # beside oneself, of ten sites
NOW = datetime(2026, 11, 28, tzinfo=UTC)
A, B = "did:web:a.example", "did:web:b.example"
CONTEXT = Context("urn:run:1", "sha256:" + "1" * 64, A, B, "round 1")


class _Keys:
    """One key of ML-DSA-65 (`core.signing.MldsaKeys`)."""

    def __init__(self) -> None:
        self._signer = MldsaSigner.from_seed(urandom(32))
        self.known = (MldsaKey(self._signer.public_key, 0),)

    def current(self) -> MldsaSigner:
        return self._signer


def measure() -> dict[str, dict[str, Any]]:
    """Processor time, the medians of runs in turn."""
    signer, key = HybridSigner(Ed25519Signer.from_seed(urandom(32)), _Keys()), EnvelopeKey(urandom(96))
    sender = Member(A, "", "", (), signer.public_key, mldsa=signer.mldsa.known)
    ratio, alone = _ratio(signer, sender, key)
    single, together = _message(signer, sender, key), _together(signer, sender, key)
    said = f"AES-GCM of the same chunks alone {alone * 1000:.0f} ms, of all in one call {_at_once() * 1000:.0f}"
    each = f"1 KiB, sealed, signed, opened, proven; of {PEERS} at once {together:.2f} each"
    return {
        "seal.ratio": {"value": ratio, "unit": "x", "reference": said, "target": "<= 1.3"},
        "seal.ms_per_message": {"value": single, "unit": "ms", "reference": each, "target": "<= 3"},
    }


def _seconds(work: Callable[[], object]) -> float:
    begun = process_time()
    work()
    return process_time() - begun


def _ratio(signer: HybridSigner, sender: Member, key: EnvelopeKey) -> tuple[float, float]:
    """Sealing and opening against encrypting and decrypting, of the same pieces, each with a nonce of its own."""
    content = [urandom(CHUNK) for _ in range(SIZE // CHUNK)]
    public, randomness = key.public, SystemRandomness()

    def ours() -> None:
        sealed = seal_stream(content, CONTEXT, public, signer, randomness)
        opened = open_stream(sealed, CONTEXT, key, sender, NOW, both=True)
        assert sum(map(len, opened)) == SIZE

    def alone() -> None:
        cipher = AESGCM(urandom(32))
        nonces = [urandom(12) for _ in content]
        sealed = (cipher.encrypt(nonce, piece, None) for nonce, piece in zip(nonces, content, strict=True))
        opened = (cipher.decrypt(nonce, piece, None) for nonce, piece in zip(nonces, sealed, strict=True))
        assert sum(map(len, opened)) == SIZE

    ours(), alone()
    both = [(_seconds(ours), _seconds(alone)) for _ in range(TIMES)]
    return statistics.median(one / other for one, other in both), statistics.median(other for _, other in both)


def _at_once() -> float:
    """Seconds for encrypting and decrypting all of it in one call each."""
    content = urandom(SIZE)

    def both() -> None:
        cipher, nonce = AESGCM(urandom(32)), urandom(12)
        assert len(cipher.decrypt(nonce, cipher.encrypt(nonce, content, None), None)) == SIZE

    return statistics.median(_seconds(both) for _ in range(3))


def _message(signer: HybridSigner, sender: Member, key: EnvelopeKey) -> float:
    """Milliseconds of one message of a kilobyte, from its sender to its reader."""
    message, public = urandom(1024), key.public

    def there_and_back() -> None:
        sealed = envelope.seal(message, CONTEXT, public, signer)
        assert envelope.open_sealed(sealed, CONTEXT, key, sender, NOW, both=True) == message

    there_and_back()
    return statistics.mean(_seconds(there_and_back) for _ in range(MESSAGES)) * 1000


def _together(signer: HybridSigner, sender: Member, key: EnvelopeKey) -> float:
    """The same of messages that are signed at once, for each."""
    public, peers = key.public, [f"did:web:{number}.example" for number in range(PEERS)]
    messages, keys = {peer: urandom(1024) for peer in peers}, dict.fromkeys(peers, public)

    def there_and_back() -> None:
        for peer, sealed in envelope.seal_all(messages, CONTEXT, keys, signer).items():
            theirs = Context(CONTEXT.run, CONTEXT.manifest, A, peer, CONTEXT.label)
            assert envelope.open_sealed(sealed, theirs, key, sender, NOW, both=True) == messages[peer]

    there_and_back()
    return statistics.mean(_seconds(there_and_back) for _ in range(MESSAGES // PEERS)) * 1000 / PEERS
