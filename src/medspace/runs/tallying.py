"""One round's answers: each is what its seat was asked for, counts once, or names its site with what is wrong."""

from collections.abc import Mapping

import msgspec

from medspace.core import limits
from medspace.core.canonical import exact
from medspace.core.errors import InvalidInputError
from medspace.core.hashing import digest
from medspace.core.text import Text, msgid
from medspace.ledger.kinds import ANSWER
from medspace.runs import rules
from medspace.runs.errors import AnswerInvalidError, SiteError
from medspace.runs.model import AnswerRef, Fault, Seat
from medspace.runs.ports import Answer, Demands, Gathering, Question, Questions


class RoundQuestions:
    """What a round asks: of each seat the same, or of some of them each its own question."""

    def __init__(self, questions: Questions, seats: tuple[Seat, ...]) -> None:
        self._questions = questions
        self.seats = tuple(seat for seat in seats if isinstance(questions, Question) or seat.site in questions)

    def of(self, site: str) -> Question:
        """What one of these seats is asked."""
        return self._questions if isinstance(self._questions, Question) else self._questions[site]

    @property
    def step(self) -> str:
        """The name of the round: that of its steps, in the order of the seats; also where those are gone."""
        everybody = [self._questions] if isinstance(self._questions, Question) else self._questions.values()
        asked = [self.of(seat.site) for seat in self.seats] or everybody
        return "+".join(dict.fromkeys(question.step for question in asked))

    @property
    def parts(self) -> tuple[str, ...]:
        """The digests of what all questions carry, each once."""
        carried = (part.digest for seat in self.seats for part in self.of(seat.site).parts)
        return tuple(dict.fromkeys(f"sha256:{one}" for one in carried))

    @property
    def digest(self) -> str:
        """The digest of what is asked."""
        if isinstance(self._questions, Question):
            return digest(exact(self._questions.inputs))
        return digest(exact({seat.site: self.of(seat.site).inputs for seat in self.seats}))

    def noted(self, site: str) -> Mapping[str, str]:
        """What is noted of the question of one seat, where it has its own."""
        if isinstance(self._questions, Question):
            return {}
        own = self.of(site)
        return {"step": own.step, "question": digest(exact(own.inputs))}


class Tallying:
    """Takes the answers of a round. `answers`, `faults`, `rows` and `mail` say what came.

    `writing`: from so many seats mail may reach another one (`rules.writing`); of all with a use, unless it is said.
    """

    def __init__(
        self,
        demands: Demands,
        number: int,
        asked: RoundQuestions,
        gathering: Gathering,
        uses: Mapping[str, str],
        writing: int | None = None,
    ) -> None:
        self._demands = demands
        self._number = number
        self._asked = asked
        self._gathering = gathering
        self._uses = uses
        self._room = limits.MAIL // max((len(uses) if writing is None else writing) - 1, 1)  # of one message
        self.answers: list[AnswerRef] = []
        self.faults: list[Fault] = []
        self.rows = 0
        self.mail: dict[str, dict[str, str]] = {}  # by recipient and sender

    def take(self, seat: Seat, answer: Answer | SiteError) -> bool:
        """One site's outcome; what cannot be right becomes a fault and is not added. Whether it was added."""
        try:
            if isinstance(answer, SiteError):
                raise answer
            least = rules.min_cohort(self._demands, seat)
            self._check(seat, answer, least)
            self.rows += self._gathering.add(answer, least)
        except SiteError as error:
            self.faults.append(rules.fault(seat, self._number, error))
            return False
        except InvalidInputError as error:  # what cannot be read, such as a part that holds no tensors
            invalid = AnswerInvalidError(site=seat.site, round=self._number, reason=error.text)
            self.faults.append(rules.fault(seat, self._number, invalid))
            return False
        self.answers.append(self._reference(seat, answer))
        for recipient, message in answer.outbox.items():
            self.mail.setdefault(recipient, {})[seat.site] = message
        return True

    def _reference(self, seat: Seat, answer: Answer) -> AnswerRef:
        use = self._uses[seat.site]
        parts = tuple(f"sha256:{part.digest}" for part in answer.parts)
        return AnswerRef(seat.site, use, answer.release, answer.digest, parts=parts, **self._asked.noted(seat.site))

    def _check(self, seat: Seat, answer: Answer, least: int) -> None:
        question = self._asked.of(seat.site)
        fits = answer.kind == question.output or (question.ends and answer.kind == question.ends)
        if (answer.site, answer.round) != (seat.site, self._number) or not fits:
            raise self._invalid(seat, msgid("it answers another question"))
        if ANSWER.flaw(self._reference(seat, answer).facts) is not None:
            raise self._invalid(seat, msgid("its release has no identity or no digest"))
        if type(answer.cohort) is not int or answer.cohort < (0 if question.message else least):
            raise self._invalid(seat, msgid("it stands for too few persons"))
        known = self._uses.keys() - {seat.site}
        if answer.outbox.keys() - known or not self._fits(answer.outbox):
            raise self._invalid(seat, msgid("its messages are too large, or for nobody in the run"))

    def _fits(self, outbox: Mapping[str, str]) -> bool:
        """Whether each message leaves room for one of each other seat beside it: its recipient refuses what is more.

        It is counted as it goes: escaped, in UTF-8.
        """
        sizes = [len(msgspec.json.encode(message)) - len('""') for message in outbox.values()]
        return max(sizes, default=0) <= self._room and sum(sizes) <= limits.MAIL

    def _invalid(self, seat: Seat, sentence: str) -> AnswerInvalidError:
        return AnswerInvalidError(site=seat.site, round=self._number, reason=Text(sentence))
