"""Which rows a use works on while an asset gets new ones: those that it began with, until it is over.

What takes the place of an asset's content is for uses that begin afterwards, so no model is made of two contents.
This is kept in memory alone: after a restart there is only the newest content, and a use under masks that began on an
earlier one is refused (`usage.rows_changed`).
"""

from collections.abc import Iterable, Mapping

from medspace.core.material import Source


class Editions:
    """The sources of one holder: the newest of each asset, and those that open uses began with."""

    def __init__(self, newest: Mapping[str, Source]) -> None:
        self._newest = newest
        self._begun: dict[str, tuple[str, Source]] = {}  # by use

    def of(self, asset: str, use: str) -> Source | None:
        """What a use works on, or would if it began now; None where the asset is not held any more."""
        asset_begun, source = self._begun.get(use, ("", None))
        newest = self._newest.get(asset)
        return source if newest is not None and asset_begun == asset else newest

    def begin(self, asset: str, use: str, source: Source) -> None:
        """From now on, the use works on this one."""
        self._begun.setdefault(use, (asset, source))

    def holds(self, source: Source) -> bool:
        """Whether a source is the newest of its asset, or a use works on it."""
        return any(source is one for one in (*self._newest.values(), *(one for _, one in self._begun.values())))

    def replaced(self) -> list[str]:
        """The uses that work on something that is not the newest any more."""
        return [use for use, (asset, source) in self._begun.items() if self._newest.get(asset) is not source]

    def end(self, uses: Iterable[str]) -> None:
        """Forget what these uses began with: they are over."""
        for use in uses:
            self._begun.pop(use, None)
