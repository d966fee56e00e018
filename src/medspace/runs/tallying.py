"""One round's answers: each is what was asked for, counts once, or names its site with what is wrong with it."""

import msgspec

from medspace.core.text import Text, msgid
from medspace.ledger.kinds import ANSWER
from medspace.runs import rules
from medspace.runs.errors import AnswerInvalidError, SiteError
from medspace.runs.model import AnswerRef, Fault, Seat
from medspace.runs.ports import Answer, Demands, Question, Sums


class Tallying:
    """Takes the answers of a round. `answers`, `faults` and `rows` say what came."""

    def __init__(self, demands: Demands, number: int, question: Question, sums: Sums, uses: dict[str, str]) -> None:
        self._demands = demands
        self._number = number
        self._question = question
        self._sums = sums
        self._uses = uses
        self.answers: list[AnswerRef] = []
        self.faults: list[Fault] = []
        self.rows = 0

    def take(self, seat: Seat, answer: Answer | SiteError) -> bool:
        """One site's outcome; what cannot be right becomes a fault and is not added. Whether it was added."""
        try:
            if isinstance(answer, SiteError):
                raise answer
            least = rules.min_cohort(self._demands, seat)
            self._check(seat, answer, least)
            self.rows += self._sums.add(answer, least)
        except SiteError as error:
            self.faults.append(rules.fault(seat, self._number, error))
            return False
        self.answers.append(self._reference(seat, answer))
        return True

    def _reference(self, seat: Seat, answer: Answer) -> AnswerRef:
        return AnswerRef(seat.site, self._uses[seat.site], answer.release, answer.digest)

    def _check(self, seat: Seat, answer: Answer, least: int) -> None:
        if (answer.site, answer.round, answer.kind) != (seat.site, self._number, self._question.output):
            raise self._invalid(seat, msgid("it answers another question"))
        if ANSWER.flaw(msgspec.to_builtins(self._reference(seat, answer))) is not None:
            raise self._invalid(seat, msgid("its release has no identity or no digest"))
        if type(answer.cohort) is not int or answer.cohort < least:
            raise self._invalid(seat, msgid("it stands for too few persons"))

    def _invalid(self, seat: Seat, sentence: str) -> AnswerInvalidError:
        return AnswerInvalidError(site=seat.site, round=self._number, reason=Text(sentence))
