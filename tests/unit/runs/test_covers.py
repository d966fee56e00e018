"""Questions and answers that nobody on the way reads: what opens them, and what does not."""

from dataclasses import replace

import pytest

from medspace.adapters.memory import SeededRandomness
from medspace.core.engine import MASKED_SUMS
from medspace.core.limits import ANSWER, STEP
from medspace.runs.covers import (
    LARGEST_ANSWER,
    LARGEST_QUESTION,
    Cover,
    CoveredAnswer,
    to_question,
    to_step,
    uncovered,
)
from medspace.trust import envelope
from medspace.trust.envelope import Context, EnvelopeKey
from medspace.trust.errors import EnvelopeError, EnvelopeKeyError, EnvelopeUnreadableError
from tests.runs import manifest_of

USER, SITE, OTHER = "did:web:user.example", "did:web:north.example", "did:web:south.example"
USE = "urn:job:1"
SEATS = {SITE: "urn:agreement:1", OTHER: "urn:agreement:2"}
MANIFEST = manifest_of(USER, {"task": "glm"}, SEATS, protocol=MASKED_SUMS)
CHANCE = SeededRandomness(1)
KEY, WRONG = EnvelopeKey.generate(CHANCE), EnvelopeKey.generate(CHANCE)
SAID, TO = CoveredAnswer(200, b"said"), to_question(b"a question")
ASKED = b'{"task":{"target":"disease"}}'


def cover():
    return Cover.drawn(MANIFEST, USE, SITE, KEY.public, CHANCE)


def opened(sealed, manifest=MANIFEST, use=USE, site=SITE, key=KEY):
    return uncovered(sealed, manifest, use, site, key, CHANCE)


def test_a_question_opens_at_its_seat_and_its_answer_where_it_was_asked():
    asked = cover()
    body, answers = opened(asked.question(ASKED))
    assert body == ASKED
    for said in (SAID, CoveredAnswer(503, b"", "600"), CoveredAnswer(403, b"\n200 \n")):
        assert asked.answers.opened(answers.sealed(said, TO), TO) == said


def test_neither_shows_what_is_in_it():
    asked = cover()
    question = asked.question(ASKED)
    assert b"disease" not in question
    assert asked.answers.key not in question
    assert b"said" not in asked.answers.sealed(SAID, TO)
    assert question != asked.question(ASKED)


@pytest.mark.parametrize(
    "other",
    [
        {"manifest": replace(MANIFEST, nonce="0" * 63 + "1")},
        {"manifest": replace(MANIFEST, coordinator=OTHER)},
        {"use": "urn:job:2"},
        {"site": OTHER},
        {"key": WRONG},
    ],
    ids=["run", "coordinator", "use", "site", "key"],
)
def test_a_question_opens_nowhere_else(other):
    with pytest.raises(EnvelopeUnreadableError):
        opened(cover().question(ASKED), **other)


def test_a_question_that_was_changed_or_brings_no_key_is_refused():
    sealed = bytearray(cover().question(ASKED))
    sealed[-1] ^= 1
    context = Context(MANIFEST.run, MANIFEST.digest, USER, SITE, f"question {USE}")
    for bad in (bytes(sealed), b"", ASKED, envelope.enclose(b"short", context, KEY.public)):
        with pytest.raises(EnvelopeUnreadableError):
            opened(bad)


def test_an_answer_opens_with_its_key_and_for_its_use_and_question_only():
    asked = cover().answers
    sealed = asked.sealed(SAID, TO)
    others = [replace(asked, use="urn:job:2"), replace(asked, manifest="sha256:0"), cover().answers]
    for answers, text, to in [
        *((other, sealed, TO) for other in others),
        (asked, sealed, to_question(b"another")),
        (asked, sealed, to_step("ab")),
        (asked, b"\xff", TO),
        (asked, sealed[:-4], TO),
        (asked, b"{}", TO),
        (asked, asked.sealed(CoveredAnswer(200, b"said", "soon"), TO), TO),
        (asked, asked.sealed(CoveredAnswer(2000, b"said"), TO), TO),
    ]:
        with pytest.raises(ValueError):
            answers.opened(text, to)


def test_what_fits_in_the_open_fits_sealed():
    asked = cover()
    assert len(asked.question(bytes(STEP))) == LARGEST_QUESTION
    assert len(asked.answers.sealed(CoveredAnswer(200, bytes(ANSWER)), TO)) <= LARGEST_ANSWER
    with pytest.raises(EnvelopeError):
        asked.question(bytes(envelope.LARGEST_MESSAGE))
    with pytest.raises(EnvelopeKeyError):
        replace(asked, seat=b"none").question(ASKED)
