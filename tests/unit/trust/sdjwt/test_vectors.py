"""The published vectors: SD-JWTs of the reference implementation, a status list of the draft, OpenID4VP examples."""

import json
from datetime import UTC, datetime

import pytest

from medspace.trust.credentials.keys import read_jwk
from medspace.trust.dcql import read_query
from medspace.trust.sdjwt.errors import KeyBindingTimeError
from medspace.trust.sdjwt.model import IssuerKeys, TokenStatusList
from medspace.trust.sdjwt.proving import Binding, holder_key, prove_bound, prove_issued
from medspace.trust.sdjwt.reading import disclosed, split
from medspace.trust.sdjwt.statuslist import unpack
from medspace.trust.sdjwt.vc import verify_presented
from tests.shared_data import public

NOW = datetime(2026, 11, 24, tzinfo=UTC)
VP = "vc/openid4vp/1.0/examples"


@pytest.mark.parametrize("name", ["key_binding", "object_data_types", "recursions"])
def test_what_the_reference_implementation_issued_and_presented_is_read_alike(name):
    vector = json.loads(public(f"vc/sd-jwt/ref-{name}.json").read_text())
    keys = IssuerKeys("https://example.com/issuer", [("", read_jwk(one)) for one in vector["issuer_public_jwks"]])
    shown = split(vector["presentation"])
    proof = prove_issued(shown, keys, NOW, ("example+sd-jwt",))
    assert proof.disclosed.claims == vector["expected_verified_payload"]
    assert shown.text == vector["presentation"]
    if vector["key_binding"]:
        binding, at = Binding(vector["audience"], vector["nonce"]), datetime.fromtimestamp(1795447637, UTC)
        assert prove_bound(shown, holder_key(proof.payload), binding, at)[0] == at
        with pytest.raises(KeyBindingTimeError):
            prove_bound(shown, holder_key(proof.payload), binding, NOW)
    whole = prove_issued(split(vector["issuance"]), keys, NOW, ("example+sd-jwt",))
    assert disclosed(vector["sd_jwt_payload"], split(vector["issuance"]).disclosures) == whole.disclosed


def test_the_presentation_of_openid4vp_holds_for_its_own_verifier():
    text = "".join(public(f"{VP}/sd_jwt_vcld/01/sd_jwt_presentation.txt").read_text().split())
    # its settings name the key of the reference implementation
    key = json.loads(public("vc/sd-jwt/ref-key_binding.json").read_text())["issuer_public_jwks"][0]
    keys = IssuerKeys("https://issuer.example.com", [("", read_jwk(key))])
    binding, at = Binding("https://verifier.example.org", "1234567890"), datetime.fromtimestamp(1744743394, UTC)
    presented = verify_presented(text, keys, "https://credentials.example.com/example_credential", binding, at)
    expected = json.loads(public(f"{VP}/sd_jwt_vcld/01/verified_contents.json").read_text())
    assert presented.card.disclosed.claims == expected


def test_the_status_list_of_the_draft_is_unpacked_alike():
    text = public("vc/token-status-list/examples/status_list_jwt.md").read_text()
    said = json.loads(text.split(".\n", 1)[1])["status_list"]
    listed = TokenStatusList("", "", NOW, NOW, said["bits"], unpack(said["lst"]))
    # draft-ietf-oauth-status-list, 4.1: the example with sixteen statuses of one bit
    assert [listed.status(index) for index in range(16)] == [1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0, 1]


def test_each_query_of_the_standard_is_read():
    found = sorted(public(f"{VP}/query_lang").iterdir())
    assert len(found) >= 7
    for file in found:
        said = json.loads(file.read_text())
        assert [one.id for one in read_query(said).cards] == [one["id"] for one in said["credentials"]]
