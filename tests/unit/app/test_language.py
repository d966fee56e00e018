"""Sentences for people in English and Chinese."""

import re
from io import BytesIO
from pathlib import Path

import pytest

import medspace
from medspace.app.node import language
from medspace.app.node.language import CHINESE, ENGLISH, header_language, speaker, spoken_language
from medspace.core.errors import MedspaceError, StorageFullError
from medspace.core.text import Text
from tools import messages


@pytest.mark.parametrize(
    ("asked", "environment", "spoken"),
    [
        ("zh", {}, CHINESE),
        ("zh-CN", {"MEDSPACE_LANG": "en"}, CHINESE),
        ("en", {"LANG": "zh_CN.UTF-8"}, ENGLISH),
        ("", {"MEDSPACE_LANG": "zh_Hans", "LANG": "en_US.UTF-8"}, CHINESE),
        ("", {"LC_ALL": "C", "LANG": "zh_CN.UTF-8"}, ENGLISH),
        ("", {"LANG": "zh_CN.UTF-8"}, CHINESE),
        ("", {"MEDSPACE_LANG": "", "LC_MESSAGES": "zh_TW"}, CHINESE),
        ("", {"LANG": "de_DE.UTF-8"}, ENGLISH),
        ("", {}, ENGLISH),
        ("klingon", {}, ENGLISH),
    ],
)
def test_the_first_wish_that_is_set_decides(asked, environment, spoken):
    assert spoken_language(asked, environment) == spoken


def test_the_environment_of_the_process_is_the_default(monkeypatch):
    monkeypatch.setenv("MEDSPACE_LANG", "zh")
    assert spoken_language() == CHINESE


@pytest.mark.parametrize(
    ("header", "spoken"),
    [
        ("", ENGLISH),
        ("zh-CN,zh;q=0.9,en;q=0.8", CHINESE),
        ("en;q=0.8, zh;q=0.9", CHINESE),
        ("de, fr;q=0.9, zh;q=0.1", CHINESE),
        ("zh_Hans", CHINESE),
        ("zh;q=0, en", ENGLISH),
        ("zh;q=zero", ENGLISH),
        ("*", ENGLISH),
        (",;q=1," * 1000, ENGLISH),
    ],
)
def test_a_browser_names_its_languages(header, spoken):
    assert header_language(header) == spoken


def test_a_sentence_is_said_with_its_facts_in_both_languages():
    text = Text("The record {id} was changed meanwhile.", {"id": "urn:1"})
    assert text.render(speaker(ENGLISH)) == "The record urn:1 was changed meanwhile."
    said = text.render(speaker(CHINESE))
    assert "urn:1" in said
    assert re.search(r"[\u4e00-\u9fff]", said)


def test_an_error_is_two_sentences_that_can_be_said():
    error = StorageFullError()
    for said in (error.text.render(speaker(CHINESE)), error.advice.render(speaker(CHINESE))):
        assert re.search(r"[\u4e00-\u9fff]", said)


def test_a_text_within_a_text_is_said_in_the_same_language():
    inner = Text("There is no room left for the database.")
    said = Text("The proof does not hold: {reason}.", {"reason": inner}).render(speaker(CHINESE))
    assert not re.search(r"[A-Za-z]", said)


def test_what_has_no_translation_stays_english():
    assert speaker(CHINESE)("No such sentence.") == "No such sentence."
    assert speaker(CHINESE)("") == ""


def test_without_compiled_catalogues_everything_is_english(monkeypatch, tmp_path):
    monkeypatch.setattr(language, "files", lambda _package: tmp_path)
    assert speaker.__wrapped__(CHINESE)("Try again later.") == "Try again later."


def test_sources_catalogue_and_compiled_catalogue_agree():
    assert list(messages.complaints(CHINESE, messages.sentences())) == []


def test_every_translation_keeps_the_gaps_and_can_be_filled():
    for sentence in messages.sentences():
        translated = speaker(CHINESE)(sentence)
        facts = dict.fromkeys(messages.gaps(sentence), "x")
        assert translated.format(**facts)


def test_the_base_errors_speak_chinese():
    assert speaker(CHINESE)(MedspaceError.sentence) != MedspaceError.sentence


def test_the_catalogue_is_what_the_program_would_write():
    path = messages.catalogue(CHINESE)
    built = messages.as_po(messages.build(CHINESE, messages.sentences(), messages.kept(path)))
    assert path.read_bytes() == built
    assert BytesIO(path.with_suffix(".mo").read_bytes()).read(4) == b"\xde\x12\x04\x95"


# Half-width marks beside a Chinese character or a gap; what is typed (in backticks) and addresses stay as they are.
HALF = re.compile(r"[\u3400-\u9fff}]\s?[:;,!?](?![/A-Za-z0-9%])|[\u3400-\u9fff]\s?[()]|[(]\s?[\u3400-\u9fff]")
TYPED = re.compile(r"`[^`]*`|\{scheme\}:")


def chinese():
    return list(messages.kept(messages.catalogue(CHINESE)).values())


def test_chinese_sentences_have_full_width_marks():
    odd = [text for text in chinese() if HALF.search(TYPED.sub("", text))]
    assert odd == []
    for wrong in ("结果: 好", "要约,合约", "数据(表)", "{term}: {old}", "( 数据", "是什么?"):
        assert HALF.search(wrong), wrong  # the control
    assert not HALF.search("https://{host}:443/a，时间为 12:30（UTC）")


PLACEHOLDERS = re.compile(r"\b(FILE|FOLDER|DATASET|COLUMN|TYPE|KEY|VALUE|NAME|ID|PROVIDER|MEMBER|RUN|AGREEMENT)\b")


def test_what_is_to_be_filled_in_has_a_chinese_name():
    odd = [text for text in chinese() if PLACEHOLDERS.search(text)]
    assert odd == []


def test_no_template_writes_a_half_width_colon_between_two_texts():
    templates = list(Path(medspace.__file__).parent.rglob("*.html"))
    assert [str(file) for file in templates if "}}: {{" in file.read_text("utf-8")] == []
    assert len(templates) > 10


def test_new_sentences_old_sentences_and_wrong_gaps_are_found(monkeypatch, tmp_path):
    monkeypatch.setattr(messages, "LOCALES", tmp_path)
    messages.update(CHINESE, ["Kept {x}.", "Old."])
    po = messages.catalogue(CHINESE)
    po.write_text(
        po.read_text("utf-8").replace('msgid "Kept {x}."\nmsgstr ""', 'msgid "Kept {x}."\nmsgstr "留 {y}"'), "utf-8"
    )
    found = "\n".join(messages.complaints(CHINESE, ["Kept {x}.", "New."]))
    assert "no translation of 'New.'" in found
    assert "other gaps" in found
    assert "no longer in the sources: 'Old.'" in found
    assert "run `make messages`" in found


def test_a_sentence_must_be_one_literal(tmp_path):
    (tmp_path / "a.py").write_text('x = msgid("a" + b)\n')
    with pytest.raises(SystemExit, match=r"a\.py:1"):
        messages.sentences(tmp_path)


def test_no_error_is_given_words_that_cannot_be_translated():
    assert list(messages.unmarked()) == []


def test_unmarked_words_are_found(tmp_path):
    (tmp_path / "a.py").write_text(
        'raise AnyError(reason="it is closed")\nraise AnyError(reason=f"port {x} is taken", code="a.b")\n'
        'raise AnyError(reason=Text(msgid("it is closed")))\nlog.warning("it is closed", reason="it is closed")\n'
    )
    assert [line.split(": ")[0][-1] for line in messages.unmarked(tmp_path)] == ["1", "2"]
