"""The P-256 key of a connector whose credentials are signed with ES256: a file beside its Ed25519 key.

It is made when it is needed for the first time, under the same passphrase. Members go on to know the connector by the
key of the members list; this one is in its DID document, for everybody else.
"""

from pathlib import Path

from medspace.adapters.keys import open_p256, passphrase_from
from medspace.app.node.config import PASSPHRASE, Config
from medspace.core.canonical import JsonObject
from medspace.trust.credentials.jose import EcKey


def ec_key_file(config: Config) -> Path:
    """Where the key is."""
    key = config.path(config.participant.key)
    return key.with_name(f"{key.stem}.p256.pem")


def open_ec_key(config: Config) -> EcKey:
    """The key, made if there is none yet.

    Raises:
        SecretFileError, SecretExposedError: the file cannot be used.
    """
    return EcKey.named(config.did, open_p256(ec_key_file(config), passphrase_from(PASSPHRASE)))


def method(config: Config) -> JsonObject:
    """The key as it stands in the DID document."""
    key = open_ec_key(config)
    said = {"id": key.id, "type": "JsonWebKey2020", "controller": config.did}
    return {**said, "publicKeyJwk": key.public.json()}
