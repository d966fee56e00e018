"""The wallet's page: a few files that stand beside this one; nothing in them depends on who asks.

The content security policy allows scripts and styles of this origin alone, and no HTML from strings (Trusted Types);
the page may call other hospitals, which a patient has cards of, by https.
"""

import gzip
import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

HERE = Path(__file__).with_name("static")
TYPES: Mapping[str, str] = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
}
INDEX, WORKER = "index.html", "wallet-worker.js"
SHORT = 16  # characters of the version


class WalletPage:
    """The files by their addresses, as they were when the connector first needed them."""

    def __init__(self, origin: str) -> None:
        self._bodies = {path.name: path.read_bytes() for path in sorted(HERE.iterdir()) if path.suffix in TYPES}
        files = ["/", *(f"/wallet-page/{name}" for name in self._bodies if name not in (INDEX, WORKER))]
        version = sha256(b"\n".join(self._bodies.values())).hexdigest()[:SHORT]
        head = f"const VERSION = {json.dumps(version)};\nconst FILES = {json.dumps(files)};\n"
        self._bodies[WORKER] = head.encode() + self._bodies[WORKER]
        self._packed = {name: gzip.compress(body, mtime=0) for name, body in self._bodies.items()}
        self._headers = _headers(origin)

    @property
    def size(self) -> int:
        """How many bytes all files have, unpacked."""
        return sum(map(len, self._bodies.values()))

    def answer(self, request: Request) -> Response:
        """The file at an address."""
        name = request.path_params.get("name") or request.url.path.strip("/") or INDEX
        body = self._bodies.get(name)
        if body is None:
            return Response(status_code=404)
        packed = "gzip" in request.headers.get("accept-encoding", "")
        headers = self._headers | ({"Content-Encoding": "gzip"} if packed else {})
        content = self._packed[name] if packed else body
        return Response(content, media_type=TYPES[Path(name).suffix], headers=headers)


def _headers(origin: str) -> dict[str, str]:
    """What a browser is told with each file."""
    here = urlsplit(origin)
    others = "https:" if here.scheme == "https" else "https: http://localhost:* http://127.0.0.1:*"
    policy = (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; manifest-src 'self'; "
        f"worker-src 'self'; connect-src 'self' {others}; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types wallet-worker"
    )
    return {
        "Content-Security-Policy": policy,
        "Cache-Control": "no-cache",
        "Vary": "Accept-Encoding",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    }
