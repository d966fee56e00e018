"""Sentences that another connector made to be expensive: each gap holds a sentence, whose gaps hold sentences."""

from dataclasses import replace

import pytest

from medspace.app.node import retelling
from medspace.app.node.language import speaker
from medspace.app.node.retelling import BOUNDS, RetellingBounds, recognised, retold

LONG = 500  # characters of a sentence that is taken from another connector
MSGIDS = 3_000  # more than this program has
UNBOUND = RetellingBounds(longest=LONG, gap=LONG, deepest=3, share=100)
WHOLE = replace(BOUNDS, longest=LONG)  # as if no sentence were too long
INNER = "x, line x (asset x): x"
MIDDLE = f"{INNER} reaches {INNER} in {INNER} ms"
OUTER = f"{MIDDLE}. of round {MIDDLE}. on {MIDDLE}., asked by {MIDDLE}. at {MIDDLE}."
VARIANTS = [OUTER.replace("x", letter) for letter in "bcdfjkpquw"]
SHORTER = (
    "x uses x (x) since x: x, line x uses x (x) since x: x (asset x uses x (x) since x: x): x uses x (x) since x: x"
)


@pytest.mark.parametrize("sentence", [*VARIANTS, SHORTER])
def test_a_sentence_is_compared_with_few_msgids_however_it_is_made(sentence, attack_report):
    assert len(sentence) <= LONG
    most = max(recognised(sentence).tried, recognised(sentence, WHOLE).tried)
    attack_report("sentences within sentences: msgids that one is compared with", got=most, unit="msgids")
    assert most <= BOUNDS.share * MSGIDS


@pytest.mark.parametrize("sentence", VARIANTS)
def test_without_the_bounds_each_gap_is_read_again_and_again(sentence, attack_report):
    tried = recognised(sentence, UNBOUND).tried
    attack_report("sentences within sentences: msgids that one is compared with", control=tried, unit="msgids")
    assert tried > 3 * BOUNDS.share * MSGIDS


def test_too_long_a_sentence_stays_as_it_was_said_and_the_same_one_is_read_once(monkeypatch):
    read = []
    monkeypatch.setattr(retelling, "recognised", lambda said: read.append(said) or recognised(said))
    chinese = speaker("zh_Hans")
    for sentence in VARIANTS:
        assert retold(sentence, chinese) == sentence
    assert not read
    fresh = SHORTER.replace("x", "y")
    assert retold(fresh, chinese) == retold(fresh, chinese) != fresh
    assert read == [fresh]
