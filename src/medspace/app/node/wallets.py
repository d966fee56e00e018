"""The settings of wallets."""

from urllib.parse import urlsplit

import msgspec

from medspace.app.node.networks import is_loopback
from medspace.core.text import Text, msgid


class WalletSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Wallets of patients: `url` is the address of their page and door, of a host that nothing else has.

    Without it there are none. It begins with https, unless it is localhost, and has no path; the public listener
    answers there. On one machine `http://localhost:PORT` is another origin than `http://127.0.0.1:PORT`.
    """

    url: str = ""

    @property
    def origin(self) -> str:
        """The origin, without a slash at its end."""
        return self.url.rstrip("/")

    @property
    def host(self) -> str:
        """Host and port, as browsers send them."""
        return urlsplit(self.url).netloc.lower()


def flaw(wallets: WalletSettings, base: str, portal: str) -> Text | None:
    """Why the address of wallets cannot be used, beside that of the connector and that of its portal; None if it can.

    A page of strangers that shared an origin with the portal could act in it.
    """
    if not wallets.url:
        return None
    try:
        parts = urlsplit(wallets.url)
        valid = bool(parts.hostname) and not parts.path.strip("/") and parts.username is None and parts.port != 0
    except ValueError:
        return Text(msgid("wallets.url is not an address such as https://wallet.hospital.example"))
    local = parts.scheme == "http" and is_loopback(parts.hostname or "")
    if not valid or parts.query or parts.fragment or not (parts.scheme == "https" or local):
        return Text(msgid("wallets.url is not an address such as https://wallet.hospital.example"))
    others = {urlsplit(base).netloc.lower()} | ({urlsplit(portal).netloc.lower()} if portal else set())
    if wallets.host in others:
        return Text(msgid("wallets.url must have a host of its own, apart from public.url and portal.url"))
    return None
