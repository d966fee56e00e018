"""Passkeys, read by `webauthn`, which is imported once an answer comes: OpenSSL's bindings and CBOR come with it."""

from collections.abc import Iterator
from contextlib import contextmanager

from medspace.core.canonical import JsonObject
from medspace.core.text import Text, msgid
from medspace.services.accounts.ceremonies import ALGORITHMS, decoded, encoded
from medspace.services.accounts.errors import PasskeyRefusedError
from medspace.services.accounts.ports import NewPasskey, RelyingParty

# Nobody here looks at who made an authenticator; what is not needed is not read (TPM, SafetyNet, certificates).
ATTESTED = frozenset({"none", "packed"})
SHORTEST_RSA = 2048


class WebauthnVerifier:
    """Reads answers of authenticators."""

    def registered(self, response: JsonObject, challenge: bytes, party: RelyingParty) -> NewPasskey:
        """The passkey that was made.

        Raises:
            PasskeyRefusedError: the answer does not hold.
        """
        from webauthn import verify_registration_response  # noqa: PLC0415 - see above
        from webauthn.helpers import parse_attestation_object  # noqa: PLC0415
        from webauthn.helpers.cose import COSEAlgorithmIdentifier  # noqa: PLC0415

        with _refusing():
            attested = parse_attestation_object(decoded(response["response"]["attestationObject"]))
            if attested.fmt not in ATTESTED or getattr(attested.att_stmt, "x5c", None):
                raise PasskeyRefusedError(reason=Text(msgid("it sends a certificate that nobody asked for")))
            made = verify_registration_response(
                credential=response,
                expected_challenge=challenge,
                expected_rp_id=party.id,
                expected_origin=party.origin,
                require_user_verification=True,
                supported_pub_key_algs=[COSEAlgorithmIdentifier(one) for one in ALGORITHMS],
            )
            _check_key(made.credential_public_key)
            return NewPasskey(encoded(made.credential_id), encoded(made.credential_public_key), made.sign_count)

    def asserted(self, response: JsonObject, challenge: bytes, party: RelyingParty, key: str) -> int:
        """How often the passkey with this public key says that it has signed.

        Raises:
            PasskeyRefusedError: the answer does not hold.
        """
        from webauthn import verify_authentication_response  # noqa: PLC0415 - see above

        with _refusing():
            proven = verify_authentication_response(
                credential=response,
                expected_challenge=challenge,
                expected_rp_id=party.id,
                expected_origin=party.origin,
                credential_public_key=decoded(key),
                credential_current_sign_count=0,  # the rule about counts is ours: it is held within the transaction
                require_user_verification=True,
            )
            return proven.new_sign_count


def _check_key(key: bytes) -> None:
    """Refuse a key that no signature could be checked with later, or that is too short to trust."""
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey  # noqa: PLC0415 - see above
    from webauthn.helpers import decode_credential_public_key  # noqa: PLC0415
    from webauthn.helpers.decoded_public_key_to_cryptography import decoded_public_key_to_cryptography  # noqa: PLC0415

    public = decoded_public_key_to_cryptography(decode_credential_public_key(key))
    if isinstance(public, RSAPublicKey) and public.key_size < SHORTEST_RSA:
        raise PasskeyRefusedError(reason=Text(msgid("its key is too short")))


@contextmanager
def _refusing() -> Iterator[None]:
    """Whatever the library finds wrong is a refusal; it says more than whoever tries answers should learn."""
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm  # noqa: PLC0415 - see above
    from webauthn.helpers.exceptions import WebAuthnException  # noqa: PLC0415

    broken = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError)
    try:
        yield
    except (WebAuthnException, InvalidSignature, UnsupportedAlgorithm, *broken) as error:
        reason = Text(msgid("its answer does not hold"))
        raise PasskeyRefusedError(reason=reason) from error
