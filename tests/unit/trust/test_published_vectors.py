"""Known answers of the algorithms, from the vectors that `cryptography` publishes (cryptography-vectors, dev extra).

X-Wing may be said of the envelope's KEM because these hold: HPKE's KEM 0x647a is X-Wing (draft-ietf-hpke-pq,
draft-connolly-cfrg-xwing-kem), and the secrets of its vectors come out of our keys.
"""

import json
from hashlib import shake_256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey, MLDSA65PublicKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

from medspace.core.signing import MLDSA_SIGNATURE_BYTES, MldsaSigner
from medspace.trust.envelope import EnvelopeKey
from tests.unit.trust.test_envelope import Hpke, decapsulated

vectors = pytest.importorskip("cryptography_vectors", reason="the published vectors come with the extra dev")
FOLDER = Path(vectors.__file__).parent
HYBRID = 0x647A
CIPHERS = {1: (16, AESGCM), 2: (32, AESGCM), 3: (32, ChaCha20Poly1305)}
SOME = 50  # of each file: they are many, and made alike


def records(file):
    """The records of a response file: `name = value` lines, apart by empty lines."""
    found, record = [], {}
    with (FOLDER / file).open() as lines:
        for line in lines:
            name, _, value = line.strip().partition(" = ")
            if name == "count" and record:
                found.append(record)
                if len(found) == SOME:
                    return found
                record = {}
            if name:
                record[name] = value
    return found


def hpke():
    found = json.loads((FOLDER / "HPKE" / "hpke-pq-test-vectors.json").read_text())
    return [one for one in found if one["kem_id"] == HYBRID and one["kdf_id"] == 1 and one["aead_id"] in CIPHERS]


def test_the_kem_of_the_envelope_is_x_wing():
    found = hpke()
    assert found
    for vector in found:
        seed, enc = shake_256(bytes.fromhex(vector["skRm"])).digest(96), bytes.fromhex(vector["enc"])
        assert EnvelopeKey(seed).public.hex() == vector["pkRm"]
        shared = decapsulated(seed, enc)
        assert shared.hex() == vector["shared_secret"]
        size, aead = CIPHERS[vector["aead_id"]]
        scheme = Hpke(vector["aead_id"], aead, size)
        key, nonce = scheme.schedule(shared, bytes.fromhex(vector["info"]))
        assert (key.hex(), nonce.hex()) == (vector["key"], vector["base_nonce"])
        for number, one in enumerate(vector["encryptions"]):
            used = (int.from_bytes(nonce) ^ number).to_bytes(12)
            assert used.hex() == one["nonce"]
            text = aead(key).decrypt(used, bytes.fromhex(one["ct"]), bytes.fromhex(one["aad"]))
            assert text.hex() == one["pt"]


def test_ml_kem_768_of_fips_203():
    found = records("asymmetric/MLKEM/kat_MLKEM_768.rsp")
    assert len(found) == SOME
    for one in found:
        key = MLKEM768PrivateKey.from_seed_bytes(bytes.fromhex(one["d"] + one["z"]))
        assert key.public_key().public_bytes_raw().hex() == one["pk"]
        assert key.decapsulate(bytes.fromhex(one["ct"])).hex() == one["ss"]
        assert key.decapsulate(bytes.fromhex(one["ct_n"])).hex() == one["ss_n"]  # implicit rejection


def test_ml_dsa_65_of_fips_204():
    found = records("asymmetric/MLDSA/kat_MLDSA_65_det_pure.rsp")
    assert len(found) == SOME
    for one in found:
        seed, public = bytes.fromhex(one["xi"]), bytes.fromhex(one["pk"])
        assert MldsaSigner.from_seed(seed).public_key == public
        message, context = bytes.fromhex(one["msg"]), bytes.fromhex(one["ctx"])
        signature = bytes.fromhex(one["sm"])[:MLDSA_SIGNATURE_BYTES]
        MLDSA65PublicKey.from_public_bytes(public).verify(signature, message, context)
        made = MLDSA65PrivateKey.from_seed_bytes(seed).sign(message, context)
        MLDSA65PublicKey.from_public_bytes(public).verify(made, message, context)
