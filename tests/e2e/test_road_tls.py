"""The road between machines: names instead of addresses, certificates of an authority of one's own, https only.

The connectors are bound to this machine's own address in its network, since a name that leads to loopback is never
called (`adapters.http.guard`).
"""

import socket
from collections.abc import Sequence
from pathlib import Path

import httpx
import pytest

from medspace.app.compose.connector import ConnectorParts
from medspace.app.node.config import ConfigError, read_config
from medspace.core.errors import MedspaceError
from tests.e2e.space import ASSET, TASK, Node, Stage, hospital, staged
from tests.unit.adapters.http_servers import Authority as CertificateAuthority

NAMES = {key: f"{key}.medspace.test" for key in ("authority", "hospital", "user", "stranger")}


def own_address() -> str:
    """The address of this machine in its network."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        try:
            asking.connect(("198.51.100.1", 9))  # sends nothing: asks for the route only
        except OSError:
            return ""
        return str(asking.getsockname()[0])


ADDRESS = own_address()
needs_network = pytest.mark.skipif(not ADDRESS or ADDRESS.startswith("127."), reason="the machine has no network")


async def on_this_machine(host: str, _port: int) -> Sequence[str]:
    """Every name of the space is this machine."""
    assert host in NAMES.values(), host
    return (ADDRESS,)


def certify(node: Node, signer: CertificateAuthority, name: str) -> None:
    """Give a connector a certificate for its name."""
    signer.server_context(name)
    (node.folder / "server.pem").write_bytes((signer.folder / "server.pem").read_bytes())


def lay_out(stage: Stage, key: str, signer: CertificateAuthority, *asset: object) -> Node:
    """A participant that is reached by its name, over TLS, and trusts one certificate authority."""
    node = stage.add(key, *asset, parts=ConnectorParts(resolve=on_this_machine))  # type: ignore[arg-type]
    text = node.file.read_text()
    port = node.config.public.port
    old_did = node.did
    public = f'host = "{ADDRESS}"\nurl = "https://{NAMES[key]}:{port}"\n'
    public += 'certificate = "server.pem"\ncertificate_key = "server.pem"\n'
    text = text.replace("[private]", f"{public}\n[private]")
    network = f'certificates = "{signer.file}"\nallow = ["{ADDRESS}/32"]'
    text = text.replace('allow = ["127.0.0.0/8"]', network)
    node.file.write_text(text.replace(old_did, f"did:web:{NAMES[key]}%3A{port}"))
    node.did = node.config.did
    certify(node, signer, NAMES[key])
    return node


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    with staged(tmp_path_factory.mktemp("tls")) as stage:
        signer = stage.signer = CertificateAuthority(stage.folder / "signer")
        stage.other = CertificateAuthority(stage.folder / "other")
        lay_out(stage, "authority", signer)
        lay_out(stage, "hospital", signer, hospital(1))
        lay_out(stage, "user", signer)
        stage.open()
        stage.admit()
        yield stage


@needs_network
def test_agreement_and_training_over_tls(stage):
    hospital_ = stage.nodes["hospital"]
    assert hospital_.did == f"did:web:hospital.medspace.test%3A{hospital_.config.public.port}"
    user = stage.space("user")
    (offered,) = user.catalog(hospital_.did)
    assert offered["id"] == ASSET
    run = user.train(TASK, [stage.agree("user", "hospital")], wait=60)
    assert (run["state"], run["model"]["rows"]) == ("finished", 60)
    address = stage.address("user", stage.space("user").transfers()[0]["id"])
    assert address["endpoint"].startswith(f"https://hospital.medspace.test:{hospital_.config.public.port}/")


@needs_network
def test_a_public_listener_with_tls_answers_nothing_in_plain_text(stage):
    port = stage.nodes["hospital"].config.public.port
    with pytest.raises(httpx.TransportError):
        httpx.get(f"http://{ADDRESS}:{port}/.well-known/did.json")


@needs_network
def test_a_participant_whose_certificate_nobody_vouches_for_is_not_admitted(stage):
    stranger = lay_out(stage, "stranger", stage.other)
    stage.open("stranger")
    try:
        with pytest.raises(MedspaceError) as unknown:
            stage.admit("stranger")
        assert "CERTIFICATE_VERIFY_FAILED" in str(unknown.value)
        # It does not trust the others' certificates either, and asks nobody without TLS.
        with pytest.raises(MedspaceError) as mutual:
            stage.space("stranger").catalog(stage.nodes["hospital"].did)
        assert "CERTIFICATE_VERIFY_FAILED" in str(mutual.value)
        assert stranger.did not in {member["did"] for member in stage.space("user").members()}
    finally:
        stage.close("stranger")
        del stage.nodes["stranger"]


@needs_network
def test_an_impostor_under_a_members_name_is_not_talked_to(stage):
    node = stage.nodes["hospital"]
    stage.close("hospital")
    certify(node, stage.other, NAMES["hospital"])
    stage.open("hospital")
    try:
        with pytest.raises(MedspaceError) as refused:
            stage.agree("user", "hospital")
        assert "CERTIFICATE_VERIFY_FAILED" in str(refused.value)
        assert stage.entries("hospital", "negotiation.requested")[1:] == []
    finally:
        stage.close("hospital")
        certify(node, stage.signer, NAMES["hospital"])
        stage.open("hospital")
    assert stage.agree("user", "hospital")


# --- what is refused before anything listens -------------------------------------------------------------------


URL = 'url = "https://b.example"\n'


def written(folder: Path, public: str) -> Path:
    file = folder / "medspace.toml"
    file.write_text(
        '[participant]\nname = "X"\n[private]\nport = 8201\n[space]\nauthority = "did:web:a.example"\n'
        f'authority_key = "k"\n[public]\nport = 8200\nhost = "0.0.0.0"\n{public}\n'
    )
    return file


def test_an_open_address_without_tls_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"public.host is not loopback and there is no TLS"):
        read_config(written(tmp_path, ""))


def test_an_open_address_needs_a_name(tmp_path):
    with pytest.raises(ConfigError, match=r"public.url is missing"):
        read_config(written(tmp_path, "behind_proxy = true"))


def test_half_a_certificate_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="go together"):
        read_config(written(tmp_path, f'{URL}certificate = "server.pem"'))


@pytest.mark.parametrize("public", ["behind_proxy = true", 'certificate = "a.pem"\ncertificate_key = "a.pem"'])
def test_a_proxy_or_a_certificate_opens_it(tmp_path, public):
    assert read_config(written(tmp_path, URL + public)).public.host == "0.0.0.0"
