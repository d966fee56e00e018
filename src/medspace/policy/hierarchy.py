"""Terms with broader terms, and a three-valued answer to "is this term a kind of that one?"."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """Terms of a closed vocabulary; `ancestors` maps each term to all its broader terms, excluding itself."""

    ancestors: Mapping[str, frozenset[str]]

    @classmethod
    def of(cls, parents: Mapping[str, tuple[str, ...]]) -> "Hierarchy":
        """Build the hierarchy from direct broader terms.

        Each of them must itself be a term, and there must be no cycle.
        """
        return cls({term: _closure(term, parents) for term in parents})

    def __contains__(self, term: object) -> bool:
        return term in self.ancestors

    def within(self, narrow: str, wide: str) -> bool | None:
        """Whether `narrow` is `wide` or one of its kinds.

        None where this cannot be decided: a term is unknown, or `narrow` is in fact the broader one and may or may
        not be meant as `wide`.
        """
        ancestors = self.ancestors.get(narrow)
        if ancestors is None or wide not in self.ancestors:
            return None
        if narrow == wide or wide in ancestors:
            return True
        return None if narrow in self.ancestors[wide] else False

    def same(self, held: str, named: str) -> bool | None:
        """Whether both are the same term; None where one is broader than the other or a term is unknown."""
        if held == named:
            return True if held in self.ancestors else None
        return False if self.within(held, named) is False else None


def _closure(term: str, parents: Mapping[str, tuple[str, ...]]) -> frozenset[str]:
    direct = parents[term]
    return frozenset(direct).union(*(_closure(parent, parents) for parent in direct))
