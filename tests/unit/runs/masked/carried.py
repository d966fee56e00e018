"""A table of sites whose vectors are parts: real files, which a coordinator made by hand carries to and fro."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from medspace.adapters.blobs.files import FileBlobStore
from medspace.core.engine import MASKED_WEIGHTS, Workplace
from medspace.core.parts import Keeping, Part
from medspace.core.usage import Output, Step
from medspace.runs.masked.site import MaskedSite
from medspace.runs.ports import Answer, Question
from tests.masked import ADMISSION, CLOCK, Coordinated, Seated, seated


@dataclass
class WithParts(Seated):
    """A site that has a place for parts."""

    store: Any = None
    rows: Any = None
    protection: str = MASKED_WEIGHTS
    noisy: bool = False

    @property
    def keeping(self) -> Keeping:
        """Whose parts these are."""
        return Keeping("did:web:user", self.did)

    def workplace(self) -> Workplace:
        """Where a step is done."""
        return Workplace(self.rows, self.randomness, CLOCK, self.memory, self.keys, self.store.of(self.keeping))

    def answer(self, step: Step) -> Output:
        """Do a step."""
        terms = {"listed": self.listed, "protection": self.protection, "noisy": self.noisy}
        admission = replace(ADMISSION, holder=self.did, **terms)
        return self.engine.answer(admission, step, self.workplace())


@dataclass
class Carrying(Coordinated):
    """Carries parts too; `swap` may put another part in the place of one that a site is brought."""

    store: Any = None
    swap: Callable[[str, Part], Part] = lambda _site, part: part
    sent: list[int] = field(default_factory=list)  # bytes of parts, to and from the sites

    @property
    def keeping(self) -> Keeping:
        """The coordinator's parts."""
        return Keeping("did:web:coordinator", "run")

    @property
    def blobs(self) -> Any:
        """To read and write them."""
        return self.store.of(self.keeping)

    def brought(self, site: str, question: Question) -> Step:
        """A step with its parts."""
        parts = tuple(self.swap(site, part) for part in question.parts)
        for part in parts:
            assert self.store.share(part.digest, self.keeping, self.sites[site].keeping)
            self.sent.append(part.size)
        return replace(super().brought(site, question), parts=parts)

    def answered(self, site: str, output: Output) -> Answer:
        """An answer with its parts."""
        for part in output.parts:
            assert self.store.share(part.digest, self.sites[site].keeping, self.keeping)
            self.sent.append(part.size)
        return replace(super().answered(site, output), parts=output.parts)


def table(
    folder: Path, rows: Sequence[Any], task: dict[str, Any], line: Any, procedure: Any, **seats: Any
) -> Carrying:
    """Sites with these rows, of one kind of task, and their coordinator."""
    store = FileBlobStore(folder, 1 << 30, lambda: 0.0)
    sites = {
        site: WithParts(site, MaskedSite(line), one.keys, one.randomness, store=store, rows=rows[number])
        for number, (site, one) in enumerate(seated([0] * len(rows), **seats).items())
    }
    made = Carrying(sites, procedure=procedure, task=task, store=store)
    made.procedure = procedure.within(made.blobs)
    return made
