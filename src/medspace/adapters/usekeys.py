"""Keys of uses as files, each of mode 0600 in a folder of their own: port `connector.usage.memory.UseKeys`.

They are not part of a backup (docs/operations.md). Forgetting a key deletes its file: remnants of deleted files
are left to disk encryption.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, unquote

from medspace.adapters.keys import (
    SecretExistsError,
    SecretFileError,
    read_secret,
    remove_secret,
    replace_secret,
    write_secret,
)
from medspace.core.clock import Randomness
from medspace.core.sealing import KEY_BYTES

SUFFIX, BEGUN = ".key", ".begun"


@dataclass(frozen=True, slots=True)
class FileUseKeys:
    """The keys in the files of one folder, which is made with the first of them."""

    folder: Path
    _randomness: Randomness = field(repr=False)

    def key(self, use: str) -> bytes | None:
        """The key of a use; None where it has none, or no longer.

        Raises:
            SecretFileError: its file does not hold a key, or cannot be read.
            SecretExposedError: others can reach the file.
        """
        file = self._file(use)
        if not file.exists():
            return None
        content = read_secret(file)
        if len(content) != KEY_BYTES:
            raise SecretFileError(path=str(file), reason=f"{len(content)} bytes")
        return content

    def make(self, use: str) -> bytes:
        """The key of a use; made where there is none.

        Raises:
            SecretFileError, SecretExposedError: as `key`.
            OSError: it cannot be written.
        """
        known = self.key(use)
        if known is not None:
            return known
        made = self._randomness.token_bytes(KEY_BYTES)
        with suppress(SecretExistsError):  # somebody was faster
            write_secret(self._file(use), made)
        return read_secret(self._file(use))

    def begin(self, use: str, number: int, step: str) -> bool:
        """Note durably that a step of a use begins; False where a later one has, or another one of this number.

        Raises:
            SecretFileError: what was noted before cannot be read.
            OSError: it cannot be written.
        """
        file, now = self._file(use, BEGUN), f"{number} {step}"
        if file.exists():
            said = read_secret(file).decode(errors="replace")
            last, _, known = said.partition(" ")
            if not last.isdecimal():
                raise SecretFileError(path=str(file), reason=said[:20])
            if number < int(last) or (number == int(last) and step != known):
                return False
            if said == now:
                return True
        replace_secret(file, now.encode())
        return True

    def forget(self, use: str) -> None:
        """Delete the key of a use, if it has one.

        Raises:
            OSError: it cannot be deleted.
        """
        remove_secret(self._file(use, BEGUN))
        remove_secret(self._file(use))

    def uses(self) -> Iterator[str]:
        """The uses that have a key."""
        for file in self.folder.glob(f"[!.]*{SUFFIX}"):
            yield unquote(file.name.removesuffix(SUFFIX))

    def _file(self, use: str, suffix: str = SUFFIX) -> Path:
        return self.folder / f"{quote(use, safe='')}{suffix}"
