"""What other connectors say in English is read in the reader's language, where it is a sentence of this program."""

import pytest

from medspace.app.doors.views import problem
from medspace.app.node.language import speaker
from medspace.app.node.retelling import BOUNDS, recognised, rendered, retold
from medspace.connector.model import ProcessFailure
from medspace.connector.reasons import REQUIRED
from medspace.core.text import Text
from medspace.policy.operands import OPERANDS

CHINESE = speaker("zh_Hans")


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("There is no dataset hearts in this catalogue.", "本目录中没有数据集 hearts。"),
        ("The offer cannot be used: it is nested too deeply.", "要约无法使用：它嵌套过深。"),
        ("No answer from http://a: nothing listens there.", "http://a 没有答复：该地址没有程序在监听。"),
        ("Our ethics board says no.", "Our ethics board says no."),
        ("", ""),
        ("There is no dataset " + "x" * BOUNDS.longest + " in this catalogue.", None),
    ],
)
def test_a_sentence_of_ours_is_told_in_chinese_and_any_other_as_it_is(said, told):
    assert retold(said, CHINESE) == (said if told is None else told)
    assert retold(said, speaker("en")) == said


def test_a_refusal_is_shown_in_the_language_of_who_reads_it():
    failure = ProcessFailure(
        code="catalog.unknown", reason=("There is no dataset a in this catalogue.",), source="peer"
    )
    assert problem(failure, CHINESE)["sentence"] == "本目录中没有数据集 a。"
    assert problem(failure, speaker("en"))["sentence"] == failure.reason[0]


def test_a_gap_that_is_filled_in_two_ways_is_no_sentence_of_ours():
    pattern = (
        "Take {network} out of [network] allow; name only networks of other members' connectors, such as 10.1.2.0/24."
    )
    assert retold(pattern.replace("{network}", "10.0.0.0/8"), CHINESE) != pattern.replace("{network}", "10.0.0.0/8")


def test_a_sentence_within_a_sentence_is_told_and_what_is_deeper_stays_as_it_was_said():
    inner = "nothing listens there"
    once = f"No answer from http://a: {inner}."
    assert inner not in retold(once, CHINESE)
    twice = retold(f"The offer cannot be used: {once}", CHINESE)
    assert twice.startswith("要约无法使用：")
    assert inner in twice


def test_a_gap_longer_than_any_is_no_sentence_of_ours():
    said = "There is no dataset {} in this catalogue."
    assert recognised(said.format("x" * BOUNDS.gap)).text is not None
    assert recognised(said.format("x" * (BOUNDS.gap + 1))).text is None


def test_what_no_msgid_begins_like_is_compared_with_few():
    assert recognised("Our ethics board says no.").tried < 1_200
    assert recognised("There is no dataset a in this catalogue.").tried < 1_200
    assert recognised("nothing listens there").tried == 0


FORBIDDEN = "You may not download the data. You asked to download the data."


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("You may not download the data.", "您不得下载数据。"),
        (FORBIDDEN, "您不得下载数据。您请求下载数据。"),
        (
            f"{FORBIDDEN} These terms allow you to: train a model on the data.",
            "您不得下载数据。您请求下载数据。这些条款允许您：用数据训练模型。",
        ),
        ("Our board says no. You asked to download the data.", "Our board says no.您请求下载数据。"),
        ("Our board says no. Ask again.", "Our board says no. Ask again."),
    ],
)
def test_several_sentences_are_told_one_by_one(said, told):
    assert retold(said, CHINESE) == told
    assert retold(said, speaker("en")) == said


def test_more_than_may_be_told_together_stays_as_it_was_said():
    assert retold(FORBIDDEN * 20, CHINESE) == FORBIDDEN * 20
    assert retold(" ".join([FORBIDDEN] * 20), CHINESE) == " ".join([FORBIDDEN] * 20)


def test_what_a_site_said_within_our_sentence_is_told_in_the_same_language():
    said = Text("{words}", {"words": "You may not download the data. You asked to download the data."})
    ours = Text("The site {site} refuses: {reason}.", {"site": "did:web:h", "reason": said})
    assert rendered(ours, CHINESE) == "站点 did:web:h 拒绝：您不得下载数据。您请求下载数据。"
    assert rendered(ours, speaker("en")) == str(ours)
    own = Text("The site {site} refuses: {reason}.", {"site": "did:web:h", "reason": "Our board says no"})
    assert rendered(own, CHINESE) == "站点 did:web:h 拒绝：Our board says no。"
    name = Text("The site {site} refuses: {reason}.", {"site": "patients", "reason": "x"})
    assert rendered(name, CHINESE) == "站点 patients 拒绝：x。"
    assert rendered(Text("{count} rows", {"count": 2}), speaker("en")) == "2 rows"


REFUSED = (
    "The agreement does not allow this use (label.regions). label.regions: Required: by users in the European "
    "Union or SG. The user is in DE. Ask the data holder for terms that name your place."
)
BY_NAME = "Required: by did:web:a. The user is did:web:b. Ask the data holder for terms that name you."
BY_PURPOSE = "Required: for health research. The purpose is marketing. State a purpose that the terms allow."


def test_what_a_hospital_refuses_is_told_with_what_its_terms_require():
    assert retold(REFUSED, CHINESE) == (
        "合约不允许此项使用（label.regions）。label.regions：要求：由位于欧洲联盟或SG的使用方使用。"
        "使用方位于DE。请数据提供方在条款中列明贵方所在地。"
    )
    reason = (f"/permission/0/constraint/2: {BY_NAME}", f"/permission/0/constraint/0: {BY_PURPOSE}")
    failure = ProcessFailure(code="policy.recipient", source="peer", reason=reason)
    assert problem(failure, CHINESE)["sentence"] == (
        "要求：由 did:web:a 使用。使用方为 did:web:b。请数据提供方在条款中列明贵方。 "
        "要求：用于健康研究。用途为营销。请声明条款所允许的用途。"
    )


@pytest.mark.parametrize("phrase", sorted({text for row in OPERANDS.values() for text in row.phrases.values()}))
def test_whatever_terms_may_require_is_told(phrase):
    said = f"Required: {phrase.format(value='12')}."
    assert retold(said, CHINESE) == Text(REQUIRED, {"asked": Text(phrase, {"value": "12"})}).render(CHINESE)
    assert retold(said, CHINESE) != said


def test_a_demand_that_is_none_of_ours_stays_and_so_does_its_clause():
    assert retold("Required: patience.", CHINESE) == "要求：patience。"
    assert retold("board.rule: Our board says no.", CHINESE) == "board.rule: Our board says no."
