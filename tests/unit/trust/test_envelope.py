"""Sealed messages: they open for the peer, in their context, as their sender signed them, and never otherwise.

The oracle is HPKE written once more from RFC 9180 and X-Wing's combiner, of primitives only; it opens the published
vector (KEM 0x647a) and what the module seals, and the module opens what it seals.
"""

import json
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha3_256, sha256, shake_256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from medspace.adapters.memory import SeededRandomness
from medspace.core.errors import InvalidInputError
from medspace.trust import envelope, hybrid, jws
from medspace.trust.envelope import Context, EnvelopeKey, open_sealed, pair_secret, seal
from medspace.trust.errors import EnvelopeError, EnvelopeKeyError, MldsaKeyMissingError, SignatureSingleError
from tests.runs import signer_of
from tests.signing import hybrid_of, member_of

A, B, C = "did:web:a.example", "did:web:b.example", "did:web:c.example"
CONTEXT = Context("urn:run:1", "sha256:" + "1" * 64, A, B, "round 1")
NOW = datetime(2026, 11, 28, tzinfo=UTC)
SIGNER, OTHER = hybrid_of(A), hybrid_of(C)
SENDER = member_of(A)
KEY = EnvelopeKey.generate(SeededRandomness(1))
VECTOR = json.loads((Path(__file__).parent / "hpke_vector.json").read_text())["vector"]


# --- the oracle -----------------------------------------------------------------------------------------------------


def extract(salt, material):
    mac = HMAC(salt or bytes(32), SHA256())
    mac.update(material)
    return mac.finalize()


class Hpke:
    """RFC 9180, base mode, of HKDF-SHA256, one AEAD and the KEM of ML-KEM-768 and X25519."""

    def __init__(self, aead_id, aead, key_bytes=32):
        self.aead, self.key_bytes = aead, key_bytes
        self.suite = b"HPKE" + (0x647A).to_bytes(2, "big") + (1).to_bytes(2, "big") + aead_id.to_bytes(2, "big")

    def labeled(self, salt, label, material):
        return extract(salt, b"HPKE-v1" + self.suite + label + material)

    def expand(self, key, label, info, length):
        said = length.to_bytes(2, "big") + b"HPKE-v1" + self.suite + label + info
        return HKDFExpand(algorithm=SHA256(), length=length, info=said).derive(key)

    def schedule(self, shared, info):
        context = b"\0" + self.labeled(b"", b"psk_id_hash", b"") + self.labeled(b"", b"info_hash", info)
        secret = self.labeled(shared, b"secret", b"")
        return self.expand(secret, b"key", context, self.key_bytes), self.expand(secret, b"base_nonce", context, 12)


def combined(lattice, curve, ephemeral, static):
    return sha3_256(lattice + curve + ephemeral + static + b"\\.//^\\").digest()


def decapsulated(seed, enc):
    lattice, curve = MLKEM768PrivateKey.from_seed_bytes(seed[:64]), X25519PrivateKey.from_private_bytes(seed[64:])
    shared = curve.exchange(X25519PublicKey.from_public_bytes(enc[1088:]))
    return combined(lattice.decapsulate(enc[:1088]), shared, enc[1088:], curve.public_key().public_bytes_raw())


def encapsulated(public):
    shared, ciphertext = MLKEM768PublicKey.from_public_bytes(public[:1184]).encapsulate()
    ephemeral = X25519PrivateKey.generate()
    point, static = ephemeral.public_key().public_bytes_raw(), public[1184:]
    curve = ephemeral.exchange(X25519PublicKey.from_public_bytes(static))
    return combined(shared, curve, point, static), ciphertext + point


def test_the_oracle_opens_the_published_vector():
    hpke, info = Hpke(3, ChaCha20Poly1305), bytes.fromhex(VECTOR["info"])
    seed, enc = shake_256(bytes.fromhex(VECTOR["skRm"])).digest(96), bytes.fromhex(VECTOR["enc"])
    assert EnvelopeKey(seed).public.hex() == VECTOR["pkRm"]
    shared = decapsulated(seed, enc)
    key, nonce = hpke.schedule(shared, info)
    assert (shared.hex(), key.hex(), nonce.hex()) == (VECTOR["shared_secret"], VECTOR["key"], VECTOR["base_nonce"])
    first = VECTOR["encryptions"][0]
    text = ChaCha20Poly1305(key).decrypt(nonce, bytes.fromhex(first["ct"]), bytes.fromhex(first["aad"]))
    assert text.hex() == first["pt"]


def test_the_oracle_opens_what_is_sealed():
    sealed = seal(b"a share", CONTEXT, KEY.public, SIGNER)
    content = jws.decode(sealed.split(".")[1])
    key, nonce = Hpke(2, AESGCM).schedule(decapsulated(KEY.seed, content[:1120]), CONTEXT.header())
    assert AESGCM(key).decrypt(nonce, content[1120:], b"") == b"a share"


def test_what_the_oracle_seals_is_opened():
    shared, enc = encapsulated(KEY.public)
    key, nonce = Hpke(2, AESGCM).schedule(shared, CONTEXT.header())
    content = enc + AESGCM(key).encrypt(nonce, b"a share", b"")
    assert open_sealed(signed(CONTEXT.header(), content), CONTEXT, KEY, SENDER, NOW) == b"a share"


def signed(header, content, signer=SIGNER, context=CONTEXT, **more):
    """A text as its sender makes it, of whatever header and ciphertext."""
    text = f"{jws.encode(header)}.{jws.encode(content)}"
    digests = more.get("digests", sha256(text.encode()).digest())
    signature = hybrid.sign(signer, context.sender, envelope.TYPE, context.batch() + b"\n" + digests)
    return f"{text}.{jws.encode(digests)}.{signature}"


# --- what it promises -----------------------------------------------------------------------------------------------


def refused(sealed, context=CONTEXT, key=KEY, sender=SENDER):
    with pytest.raises(EnvelopeError) as caught:
        open_sealed(sealed, context, key, sender, NOW)
    assert isinstance(caught.value, InvalidInputError)


@pytest.mark.parametrize("message", [b"", b"x", b"m" * 100_000])
def test_a_message_opens_for_its_peer(message):
    sealed = seal(message, CONTEXT, KEY.public, SIGNER)
    assert sealed.isascii()
    assert len(jws.decode(sealed.split(".")[1])) == len(message) + envelope.OVERHEAD
    assert open_sealed(sealed, CONTEXT, KEY, SENDER, NOW) == message


def test_the_header_names_the_suite_and_everybody():
    header = json.loads(jws.decode(seal(b"", CONTEXT, KEY.public, SIGNER).split(".")[0]))
    assert header["suite"] == "647a-0001-0002"
    assert (header["from"], header["to"], header["run"], header["label"]) == (A, B, "urn:run:1", "round 1")


@pytest.mark.parametrize(
    "change",
    [
        {"run": "urn:run:2"}, {"manifest": "sha256:" + "2" * 64}, {"sender": C}, {"recipient": C},
        {"label": "round 2"},
    ],
)  # fmt: skip
def test_a_message_opens_in_its_context_only(change):
    sealed, other = seal(b"m", CONTEXT, KEY.public, SIGNER), replace(CONTEXT, **change)
    refused(sealed, other)
    # Not either where a new header and signature are put to the old ciphertext: the key schedule binds it too.
    refused(signed(other.header(), jws.decode(sealed.split(".")[1]), context=other), other)


def test_nobody_passes_the_message_of_another_as_its_own():
    stolen = jws.decode(seal(b"m", CONTEXT, KEY.public, SIGNER).split(".")[1])
    theirs = replace(CONTEXT, sender=C)
    refused(signed(theirs.header(), stolen, OTHER, theirs), theirs, sender=member_of(C))
    refused(signed(CONTEXT.header(), stolen, OTHER))  # signed by somebody else than its sender


def test_another_key_opens_nothing():
    refused(seal(b"m", CONTEXT, KEY.public, SIGNER), key=EnvelopeKey.generate(SeededRandomness(2)))


def test_a_weaker_suite_is_not_taken():
    header = json.loads(CONTEXT.header()) | {"suite": "0020-0001-0002"}
    content = jws.decode(seal(b"m", CONTEXT, KEY.public, SIGNER).split(".")[1])
    refused(signed(json.dumps(header, separators=(",", ":")).encode(), content))


@pytest.mark.parametrize("part", range(5))
def test_no_byte_may_change(part):
    parts = seal(b"m", CONTEXT, KEY.public, SIGNER).split(".")
    content = bytearray(jws.decode(parts[part]))
    content[len(content) // 2] ^= 1
    parts[part] = jws.encode(bytes(content))
    refused(".".join(parts))


@pytest.mark.parametrize("text", ["", ".", "..", "a.b", "é.b.c", "x" * (envelope.LARGEST_SEALED + 1)])
def test_something_else_is_refused(text):
    refused(text)
    assert not envelope.addressed(text, CONTEXT)


def test_a_truncated_ciphertext_is_refused_although_it_is_signed():
    for length in (0, 10, 1120, 1130):
        refused(signed(CONTEXT.header(), bytes(length)))


def test_whom_it_is_for_can_be_seen():
    sealed = seal(b"m", CONTEXT, KEY.public, SIGNER)
    assert envelope.addressed(sealed, CONTEXT)
    assert not envelope.addressed(sealed, replace(CONTEXT, recipient=C))


def test_a_message_has_a_largest_size():
    with pytest.raises(EnvelopeError):
        seal(bytes(envelope.LARGEST_MESSAGE + 1), CONTEXT, KEY.public, SIGNER)


@pytest.mark.parametrize("content", [b"", bytes(1215), bytes(1217), b"\xff" * 1216, KEY.public[:1184] + bytes(32)])
def test_what_is_no_key_seals_nothing(content):
    with pytest.raises(EnvelopeKeyError):
        seal(b"m", CONTEXT, content, SIGNER)


def test_a_key_is_made_of_its_seed_and_shows_nothing_of_it():
    assert EnvelopeKey.generate(SeededRandomness(1)) == KEY
    assert EnvelopeKey(KEY.seed).public == KEY.public
    assert KEY.seed.hex() not in repr(KEY)
    assert "seed" not in repr(KEY)


def test_the_secret_of_a_pair_depends_on_all_that_both_saw():
    theirs = EnvelopeKey.generate(SeededRandomness(2)).public
    base = (b"s" * 32, CONTEXT, (KEY.public, theirs), "sealed")
    variants = [
        base,
        (b"t" * 32, *base[1:]),
        (base[0], replace(CONTEXT, manifest="sha256:" + "3" * 64), *base[2:]),
        (base[0], base[1], (theirs, KEY.public), base[3]),
        (*base[:3], "other"),
    ]
    secrets = [pair_secret(*variant) for variant in variants]
    assert len(set(secrets)) == len(variants)
    assert pair_secret(*base).hex() == FIXED


FIXED = "9da558adf370159772cbae2091e842a751515a0a06c34af3a25b5fb645e39340"


# --- several at once, and for everybody -----------------------------------------------------------------------------

KEYS = {B: KEY, C: EnvelopeKey.generate(SeededRandomness(3))}
PUBLIC = {peer: key.public for peer, key in KEYS.items()}
MESSAGES = {B: b"for b", C: b"for c"}


def of(peer, **changes):
    return replace(CONTEXT, recipient=peer, **changes)


def test_messages_sealed_together_open_each_for_its_own_peer():
    sealed = envelope.seal_all(MESSAGES, CONTEXT, PUBLIC, SIGNER)
    for peer, message in MESSAGES.items():
        assert open_sealed(sealed[peer], of(peer), KEYS[peer], SENDER, NOW, both=True) == message
    refused(sealed[C], of(C))  # B has not the key
    refused(sealed[C], of(B))
    assert envelope.seal_all({}, CONTEXT, {}, SIGNER) == {}


def test_a_message_outside_of_the_signed_list_is_refused():
    """Who carries them may put a message of one signed list to the list of another: none opens."""
    first = envelope.seal_all(MESSAGES, CONTEXT, PUBLIC, SIGNER)[B].split(".")
    second = envelope.seal_all(MESSAGES, CONTEXT, PUBLIC, SIGNER)[B].split(".")
    refused(".".join([*first[:2], *second[2:]]))
    refused(".".join([*first[:2], first[2] + "AAAA", *first[3:]]))
    refused(signed(CONTEXT.header(), jws.decode(first[1]), digests=b""))
    assert open_sealed(".".join(first), CONTEXT, KEY, SENDER, NOW) == b"for b"


def test_too_many_are_not_signed_at_once():
    many = {f"did:web:{number}.example": b"" for number in range(envelope.MOST_MESSAGES + 1)}
    with pytest.raises(EnvelopeError):
        envelope.seal_all(many, CONTEXT, dict.fromkeys(many, KEY.public), SIGNER)


def test_the_sealer_knows_its_messages_again():
    sealed = envelope.seal_all(MESSAGES, CONTEXT, PUBLIC, SIGNER)
    assert envelope.all_sealed(sealed, replace(CONTEXT, label="", recipient=""), SENDER, NOW, both=True)
    for wrong in (
        {B: sealed[C]}, {B: "in clear"}, {B: ""}, sealed | {B: seal(b"m", CONTEXT, KEY.public, OTHER)},
        {B: jws.encode(b"[1]") + ".a.b.c.d"}, {B: jws.encode(b"{}") + ".a.b.c.d"}, {B: "é"},
        {B: jws.encode(b"[" * 3000) + ".a.b.c.d"},
    ):  # fmt: skip
        assert not envelope.all_sealed(wrong, replace(CONTEXT, label=""), SENDER, NOW)
    assert not envelope.all_sealed(sealed, replace(CONTEXT, run="urn:run:2"), SENDER, NOW)


@pytest.mark.parametrize("content", [b"", b"numbers", b"\n" * 100_000])
def test_what_is_signed_for_everybody_is_read_by_everybody(content):
    text = envelope.sign(content, CONTEXT, SIGNER)
    for recipient in ("", B, C):
        assert envelope.proven(text, of(recipient), SENDER, NOW, both=True) == content


@pytest.mark.parametrize(
    "change", [{"run": "urn:run:2"}, {"manifest": "sha256:" + "2" * 64}, {"sender": C}, {"label": "round 2"}]
)
def test_what_is_signed_for_everybody_is_proven_in_its_context_only(change):
    text = envelope.sign(b"numbers", CONTEXT, SIGNER)
    with pytest.raises(EnvelopeError):
        envelope.proven(text, replace(CONTEXT, **change), SENDER, NOW)
    _, content, *signature = text.split(".")
    other = jws.encode(replace(CONTEXT, **change).broadcast())
    with pytest.raises(EnvelopeError):
        envelope.proven(".".join([other, content, *signature]), replace(CONTEXT, **change), SENDER, NOW)


def test_a_changed_or_foreign_text_proves_nothing():
    text, theirs = envelope.sign(b"numbers", CONTEXT, SIGNER), envelope.sign(b"numbers", CONTEXT, OTHER)
    header, _, *signature = text.split(".")
    texts = ["", "a.b.c.d", "é", text[:-4], theirs, f"{header}.{jws.encode(b'others')}.{'.'.join(signature)}"]
    texts += [f"{header}.?.{'.'.join(signature)}", f"{header}.", "x" * (envelope.LARGEST_SEALED + 1)]
    for wrong in texts:
        with pytest.raises(EnvelopeError):
            envelope.proven(wrong, CONTEXT, SENDER, NOW)
    with pytest.raises(EnvelopeError):
        envelope.sign(bytes(envelope.LARGEST_MESSAGE + 1), CONTEXT, SIGNER)


def test_what_was_sealed_is_nothing_that_was_said_and_the_other_way_round():
    said, sealed = envelope.sign(b"m", CONTEXT, SIGNER), seal(b"m", CONTEXT, KEY.public, SIGNER)
    refused(said)
    with pytest.raises(EnvelopeError):
        envelope.proven(sealed, CONTEXT, SENDER, NOW)


def test_who_has_keys_for_two_does_not_sign_with_one():
    once = signer_of(A)

    def opened(text, by, **more):
        return open_sealed(text, CONTEXT, KEY, by, NOW, **more)

    def proven(text, by, **more):
        return envelope.proven(text, CONTEXT, by, NOW, **more)

    sealed, said = seal(b"m", CONTEXT, KEY.public, once), envelope.sign(b"m", CONTEXT, once)
    for text, read in ((sealed, opened), (said, proven)):
        assert read(text, member_of(A, once)) == b"m"  # the control: a member of an older version
        with pytest.raises(SignatureSingleError):
            read(text, SENDER)
        with pytest.raises(MldsaKeyMissingError):
            read(text, member_of(A, once), both=True)


# --- for everybody, with messages for some ------------------------------------------------------------------------


def test_what_is_announced_is_read_by_all_and_its_messages_by_their_peers():
    text, sealed = envelope.announce(b"numbers", MESSAGES, CONTEXT, PUBLIC, SIGNER)
    for peer, message in MESSAGES.items():
        assert envelope.announced(text, of(peer), SENDER, NOW, both=True) == b"numbers"
        assert open_sealed(sealed[peer], of(peer), KEYS[peer], SENDER, NOW, both=True) == message
    assert envelope.all_sealed(sealed, replace(CONTEXT, label="", recipient=""), SENDER, NOW, both=True)
    assert envelope.unproven(text) == b"numbers"
    alone, nothing = envelope.announce(b"", {}, CONTEXT, {}, SIGNER)
    assert (envelope.announced(alone, CONTEXT, SENDER, NOW), nothing) == (b"", {})
    for content, messages in (
        (bytes(envelope.LARGEST_MESSAGE + 1), {}),
        (b"", {B: bytes(envelope.LARGEST_MESSAGE + 1)}),
    ):
        with pytest.raises(EnvelopeError):
            envelope.announce(content, messages, CONTEXT, PUBLIC, SIGNER)


@pytest.mark.parametrize(
    "change", [{"run": "urn:run:2"}, {"manifest": "sha256:" + "2" * 64}, {"sender": C}, {"label": "round 2"}]
)
def test_what_is_announced_is_proven_in_its_context_only(change):
    text, _ = envelope.announce(b"numbers", MESSAGES, CONTEXT, PUBLIC, SIGNER)
    other = replace(CONTEXT, **change)
    for changed in (text, ".".join([jws.encode(other.broadcast()), *text.split(".")[1:]])):
        with pytest.raises(EnvelopeError):
            envelope.announced(changed, other, SENDER, NOW)


def test_an_announcement_that_was_changed_or_is_anothers_proves_nothing():
    text, sealed = envelope.announce(b"numbers", MESSAGES, CONTEXT, PUBLIC, SIGNER)
    again, _ = envelope.announce(b"numbers", MESSAGES, CONTEXT, PUBLIC, SIGNER)
    theirs, _ = envelope.announce(b"numbers", MESSAGES, CONTEXT, PUBLIC, OTHER)
    header, content, listed, *signature = text.split(".")
    said = envelope.sign(b"numbers", CONTEXT, SIGNER)
    texts = ["", "a.b.c.d.e", "é", text[:-4], theirs, said, sealed[B], seal(b"m", CONTEXT, KEY.public, SIGNER)]
    texts += [".".join([header, jws.encode(b"others"), listed, *signature])]
    texts += [".".join([header, content, again.split(".")[2], *signature])]  # the list of other messages
    texts += [".".join([header, content, listed + "AAAA", *signature]), "x" * (envelope.LARGEST_SEALED + 1)]
    for wrong in texts:
        with pytest.raises(EnvelopeError):
            envelope.announced(wrong, CONTEXT, SENDER, NOW)
    refused(text)
    with pytest.raises(EnvelopeError):
        envelope.proven(text, CONTEXT, SENDER, NOW)


def test_one_signature_under_all_is_checked_once_for_the_same_sender(monkeypatch):
    """Another list, another signature, the sender with other keys: each is checked for itself."""
    checked, real = [], envelope.hybrid.check
    monkeypatch.setattr(envelope.hybrid, "check", lambda *args, **more: checked.append(1) or real(*args, **more))
    proven: envelope.Proven = set()
    text, sealed = envelope.announce(b"numbers", MESSAGES, CONTEXT, PUBLIC, SIGNER)
    assert envelope.announced(text, CONTEXT, SENDER, NOW, both=True, proven=proven) == b"numbers"
    assert open_sealed(sealed[B], CONTEXT, KEY, SENDER, NOW, both=True, proven=proven) == b"for b"
    assert len(checked) == 1
    forged, header = text.rpartition(".")[0] + "." + jws.encode(bytes(3373)), jws.encode(CONTEXT.header())
    refusals = [(forged, SENDER), (text, replace(SENDER, mldsa=())), (text, replace(SENDER, public_key=bytes(32)))]
    for number, (wrong, by) in enumerate(refusals, 2):
        with pytest.raises((EnvelopeError, MldsaKeyMissingError)):
            envelope.announced(wrong, CONTEXT, by, NOW, both=True, proven=proven)
        assert len(checked) == number
    with pytest.raises(EnvelopeError):  # a message that is not in the list comes with a signature that holds
        open_sealed(
            f"{header}.AAAA.{sealed[B].split('.', 2)[2]}", CONTEXT, KEY, SENDER, NOW, both=True, proven=proven
        )
    proven.update((SENDER, str(number), b"", True) for number in range(envelope.MOST_PROVEN))
    assert open_sealed(seal(b"m", CONTEXT, KEY.public, SIGNER), CONTEXT, KEY, SENDER, NOW, proven=proven) == b"m"
    assert len(proven) == 1
