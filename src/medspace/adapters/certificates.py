"""What an X.509 certificate says (RFC 5280): for whom it is, until when, and whether somebody known has issued it."""

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509

from medspace.adapters.oswords import why
from medspace.core.errors import InvalidInputError
from medspace.core.text import Text, msgid

LARGEST_FILE = 1 << 20


class CertificateFileError(InvalidInputError):
    """A file holds no certificate that can be read."""

    code = "certificate.file"
    sentence = msgid("The certificate {file} cannot be read: {reason}.")
    next_step = msgid("Name a PEM file under [public] certificate: that of this host first, then the intermediates.")


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """One certificate: its names (DNS, and IP addresses as text), its time, and whether it has signed itself."""

    names: tuple[str, ...]
    begins: datetime
    ends: datetime
    issuer: bytes
    subject: bytes

    @property
    def by_itself(self) -> bool:
        """Whether it is its own issuer."""
        return self.issuer == self.subject

    def is_for(self, host: str) -> bool:
        """Whether a host is one of its names (RFC 9525 6.3: a wildcard is one whole label, the first)."""
        host = host.lower().rstrip(".")
        return any(_fits(name.lower(), host) for name in self.names)


def _fits(name: str, host: str) -> bool:
    if name.startswith("*."):
        _, _, parent = host.partition(".")
        return parent == name[2:] and "." in parent
    return name == host


def read_der(content: bytes) -> CertificateFacts:
    """A certificate in DER.

    Raises:
        ValueError: it is none.
    """
    return _shown(x509.load_der_x509_certificate(content))


def read_file(file: Path) -> list[CertificateFacts]:
    """The certificates of a PEM file, in their order.

    Raises:
        CertificateFileError: it cannot be read, or holds none.
    """
    try:
        with file.open("rb") as opened:
            content = opened.read(LARGEST_FILE)
        return [_shown(one) for one in x509.load_pem_x509_certificates(content)]
    except OSError as error:
        raise CertificateFileError(file=str(file), reason=why(error)) from error
    except ValueError:
        raise CertificateFileError(file=str(file), reason=Text(msgid("it holds no certificate in PEM"))) from None


def is_complete(chain: Sequence[CertificateFacts], authorities: ssl.SSLContext) -> bool:
    """Whether a chain leads, link by link, to an authority that is known here, which it need not hold itself."""
    issuer, rest = chain[0].issuer, list(chain[1:])
    known = {read_der(one).subject for one in authorities.get_ca_certs(binary_form=True)}
    while issuer not in known:
        above = next((one for one in rest if one.subject == issuer), None)
        if above is None or above.by_itself:
            return chain[0].by_itself  # one that vouches for itself lacks nothing, whoever trusts it
        rest.remove(above)
        issuer = above.issuer
    return True


def _shown(read: x509.Certificate) -> CertificateFacts:
    try:
        named = read.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names = tuple(named.get_values_for_type(x509.DNSName))
        names += tuple(str(ip_address(str(one))) for one in named.get_values_for_type(x509.IPAddress))
    except (x509.ExtensionNotFound, ValueError):
        names = ()  # a common name is no name of a host any more (RFC 9525 2)
    begins, ends = read.not_valid_before_utc, read.not_valid_after_utc
    return CertificateFacts(names, begins, ends, read.issuer.public_bytes(), read.subject.public_bytes())
