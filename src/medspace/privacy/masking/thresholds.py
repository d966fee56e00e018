"""How many sites there must be, and how many of them open, for the masks to hide a site among others.

With n seats, t that open, and c that may collude with the user and the coordinator:

- c < 2t - n: two groups of t seats share at least 2t - n, so an honest one among them. It opens for one list of
  survivors only, so a coordinator that shows two lists opens at most one of them. (Shares of a site's own mask opened
  for one list, and its seeds of pairs for another, would together uncover its vector.)
- t > c: colluders alone cannot open anything.
- survivors - c >= min_sites: colluders can subtract their own part from a sum; this many others stay in it. With
  fewer than three, each of them could subtract its own and read the other.
"""

from dataclasses import dataclass

from medspace.core.text import Text, msgid
from medspace.privacy.masking.errors import ThresholdsInvalidError

LEAST_SITES = 3


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The numbers of a run: its seats, how many open, how many may collude, and how many others a sum must hold."""

    seats: int
    opening: int
    colluders: int
    min_sites: int

    @classmethod
    def for_seats(cls, seats: int, colluders: int = 1, min_sites: int = LEAST_SITES) -> "Thresholds":
        """With the fewest that can open, so that the most may be lost; `problem` says whether that suffices."""
        return cls(seats, _least_opening(seats, colluders), colluders, min_sites)

    @property
    def fewest_survivors(self) -> int:
        """Vectors that must arrive for the sum to be opened at all."""
        return max(self.opening, self.min_sites + self.colluders)

    @property
    def most_lost(self) -> int:
        """Sites that a round can do without; below 0 where the seats are too few."""
        return self.seats - self.fewest_survivors

    @property
    def problem(self) -> Text | None:
        """Why masks under these numbers would not protect; None where they do."""
        if self.colluders < 0:
            return Text(msgid("the number of sites that may tell what they see is below 0"))
        if self.min_sites < LEAST_SITES:
            sentence = msgid(
                "a sum over {found} sites lets each of them subtract its own part and read the others: at least "
                "{least} must be in it"
            )
            return Text(sentence, {"found": self.min_sites, "least": LEAST_SITES})
        if self.seats < self.min_sites + self.colluders:
            return self._too_few_seats()
        return self._wrong_opening()

    def check(self) -> None:
        """Check that masks under these numbers protect.

        Raises:
            ThresholdsInvalidError: they would not, and why.
        """
        if (problem := self.problem) is not None:
            raise ThresholdsInvalidError(reason=problem)

    def lost_too_many(self, survivors: int) -> Text | None:
        """Why a sum over only so many sites stays closed; None where it may be opened."""
        if survivors >= self.fewest_survivors:
            return None
        sentence = msgid(
            "of {seats} sites {survivors} are left, and {fewest} are needed: {opening} to open the sum, and "
            "{min_sites} in it besides the {colluders} that may tell what they see"
        )
        facts = {
            "seats": self.seats,
            "survivors": survivors,
            "fewest": self.fewest_survivors,
            "opening": self.opening,
            "min_sites": self.min_sites,
            "colluders": self.colluders,
        }
        return Text(sentence, facts)

    def _too_few_seats(self) -> Text:
        facts = {
            "seats": self.seats,
            "colluders": self.colluders,
            "min_sites": self.min_sites,
            "fewest": self.min_sites + self.colluders,
            "trusted": self.seats - self.min_sites,
        }
        if self.seats < self.min_sites:
            sentence = msgid("{seats} sites are too few: a sum must be over {min_sites} at least")
            return Text(sentence, facts)
        sentence = msgid(
            "{seats} sites are too few: a sum must be over {min_sites} of them besides the {colluders} that may tell "
            "what they see, so {fewest} are the fewest, and then none of them may be lost; {seats} are enough only "
            "where the contract says that at most {trusted} of the others may (colluders = {trusted})"
        )
        return Text(sentence, facts)

    def _wrong_opening(self) -> Text | None:
        least = _least_opening(self.seats, self.colluders)
        facts = {"seats": self.seats, "opening": self.opening, "colluders": self.colluders, "least": least}
        if self.opening > self.seats:
            return Text(msgid("there are {seats} sites, and {opening} would have to open"), facts)
        if self.opening <= self.colluders:
            return Text(
                msgid(
                    "{opening} sites can open a sum, and {colluders} may tell what they see: these need nobody else"
                ),
                facts,
            )
        if self.opening < least:
            sentence = msgid(
                "{opening} of {seats} sites can open a sum, and {colluders} may tell what they see: two lists of who "
                "is in it could both be opened; at least {least} must open it"
            )
            return Text(sentence, facts)
        return None


def _least_opening(seats: int, colluders: int) -> int:
    """The least t with c < 2t - n and c < t."""
    return max((seats + colluders) // 2, colluders) + 1
