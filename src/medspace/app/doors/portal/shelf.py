"""Scripts, style sheets and pictures: read once, packed, named by what is in them, so that browsers keep them."""

import gzip
from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha384
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

HERE = Path(__file__).with_name("static")
TYPES: Mapping[str, str] = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
    ".wasm": "application/wasm",
}
FOREVER = "public, max-age=31536000, immutable"
SHORT = 12  # characters of a digest in an address


@dataclass(frozen=True, slots=True)
class ShelfFile:
    """One file: `integrity` is its SHA-384 as a browser checks it (W3C Subresource Integrity)."""

    body: bytes
    packed: bytes
    media_type: str
    integrity: str
    version: str


class Shelf:
    """All files of the portal and its features, by their names; nothing else can be asked for."""

    def __init__(self, folders: Iterable[Path]) -> None:
        self._files = {
            path.relative_to(folder).as_posix(): _read(path)
            for folder in (HERE, *folders)
            for path in sorted(folder.rglob("*"))
            if path.suffix in TYPES
        }

    def address(self, name: str) -> str:
        """Where a file is."""
        return f"/portal/static/{name}?v={self._files[name].version}"

    def addresses(self) -> list[str]:
        """Where all files are."""
        return [self.address(name) for name in sorted(self._files)]

    def integrity(self, name: str) -> str:
        """What a browser checks it by."""
        return self._files[name].integrity

    def answer(self, request: Request) -> Response:
        """A file, packed where the browser takes that."""
        found = self._files.get(request.path_params["name"])
        if found is None:
            return Response(status_code=404)
        packed = "gzip" in request.headers.get("accept-encoding", "")
        headers = {"Cache-Control": FOREVER if request.query_params.get("v") == found.version else "no-cache"}
        headers |= {"Vary": "Accept-Encoding"} | ({"Content-Encoding": "gzip"} if packed else {})
        return Response(found.packed if packed else found.body, media_type=found.media_type, headers=headers)


def _read(path: Path) -> ShelfFile:
    body = path.read_bytes()
    digest = sha384(body).digest()
    packed = gzip.compress(body, mtime=0)
    integrity = f"sha384-{b64encode(digest).decode()}"
    return ShelfFile(body, packed, TYPES[path.suffix], integrity, digest.hex()[:SHORT])
