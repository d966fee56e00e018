from base64 import b64decode, b64encode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medspace.core.signing import Ed25519Signer
from medspace.ledger import note
from medspace.ledger.errors import MalformedNoteError
from medspace.ledger.model import Checkpoint
from medspace.ledger.note import SignedNote
from tests.examples import most

SIGNER = Ed25519Signer.from_seed(bytes(32))
WITNESS = Ed25519Signer.from_seed(bytes([1] * 32))
NAME = "did:web:127.0.0.1%3A8101"
STATE = Checkpoint(NAME, 7, bytes(range(32)))
SIGNED = SignedNote(note.checkpoint_text(STATE)).signed(NAME, SIGNER)


def test_a_note_of_another_implementation_is_read_and_its_key_named():
    # The published example of the Go implementation (golang.org/x/mod/sumdb/note): the key PeterNeumann.
    public = b64decode("ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
    text = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
    line = "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
    read = note.parse(f"{text}\n\N{EM DASH} PeterNeumann {line}\n")
    assert public[:1] == note.ED25519
    assert note.key_id("PeterNeumann", public[1:]) == read.signatures[0].key_id == bytes.fromhex("c74f20a3")
    assert read.text == text
    assert read.signed_by("PeterNeumann", public[1:])


def test_a_checkpoint_is_written_as_three_lines_and_a_signature():
    lines = SIGNED.render().split("\n")
    assert lines[:4] == [NAME, "7", b64encode(bytes(range(32))).decode(), ""]
    assert lines[4].startswith(f"\N{EM DASH} {NAME} ")
    assert lines[5:] == [""]


def test_what_is_rendered_is_parsed_back():
    read = note.parse(SIGNED.render())
    assert read == SIGNED
    assert note.read_checkpoint(read.text) == STATE


def test_several_parties_sign_one_text_and_unknown_ones_do_not_matter():
    both = note.parse(SIGNED.signed("witness.example", WITNESS).render())
    assert both.signed_by(NAME, SIGNER.public_key)
    assert both.signed_by("witness.example", WITNESS.public_key)
    assert not both.signed_by("witness.example", SIGNER.public_key)
    assert not both.signed_by(NAME, WITNESS.public_key)


def test_a_wrong_signature_in_a_known_name_spoils_the_note():
    wrong = note.NoteSignature(NAME, note.key_id(NAME, SIGNER.public_key), bytes(64))
    assert not SignedNote(SIGNED.text, (wrong,)).signed_by(NAME, SIGNER.public_key)
    assert not SignedNote(SIGNED.text, (*SIGNED.signatures, wrong)).signed_by(NAME, SIGNER.public_key)


def test_a_changed_text_is_not_signed():
    changed = SignedNote(SIGNED.text.replace("\n7\n", "\n8\n"), SIGNED.signatures)
    assert not changed.signed_by(NAME, SIGNER.public_key)
    assert not SignedNote(SIGNED.text).signed_by(NAME, SIGNER.public_key)


def test_extension_lines_are_kept():
    state = Checkpoint("log.example", 0, bytes(32), ("one", "two"))
    assert note.read_checkpoint(note.checkpoint_text(state)) == state


LINE = SIGNED.render().split("\n")[4]


@pytest.mark.parametrize(
    "content",
    [
        "",
        "\n\n",
        "text\n",
        "text\n\n",
        f"text\n{LINE}\n",
        f"\n\n{LINE}\n",
        f"text\n\n{LINE}",
        f"text\n\n{LINE}\n\n",
        f"text\r\n\n{LINE}\n",
        f"te\x00xt\n\n{LINE}\n",
        f"te\ud800xt\n\n{LINE}\n",
        f"text\n\n{LINE}\r\n",
        f"text\n\n- {LINE[2:]}\n",
        f"text\n\n\N{EM DASH}{LINE[2:]}\n",
        f"text\n\n{LINE} \n",
        f"text\n\n{LINE}=\n",
        f"text\n\n{LINE[:-2]}\n",
        "text\n\n\N{EM DASH} name\n",
        "text\n\n\N{EM DASH} name \n",
        "text\n\n\N{EM DASH}  AAAAAAA=\n",
        "text\n\n\N{EM DASH} na+me AAAAAAA=\n",
        "text\n\n\N{EM DASH} na\N{NO-BREAK SPACE}me AAAAAAA=\n",
        "text\n\n\N{EM DASH} name AAAAAA==\n",
        "text\n\n\N{EM DASH} name AAAAAAB=\n",
        "text\n\n\N{EM DASH} name ÄAAAAAA=\n",
        "text\n\n" + f"{LINE}\n" * 65,
        "x" * (note.LONGEST_NOTE + 1),
        "\N{EM DASH}" * (note.LONGEST_NOTE // 2),
    ],
)
def test_what_is_not_exactly_a_note_is_refused(content):
    with pytest.raises(MalformedNoteError):
        note.parse(content)


def test_sixteen_signatures_are_read():
    assert len(note.parse("text\n\n" + f"{LINE}\n" * 16).signatures) == 16


ROOT = b64encode(bytes(32)).decode()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "origin\n7\n",
        f"\n7\n{ROOT}\n",
        f"origin\n07\n{ROOT}\n",
        f"origin\n+7\n{ROOT}\n",
        f"origin\n-7\n{ROOT}\n",
        f"origin\n7 \n{ROOT}\n",
        f"origin\n\N{ARABIC-INDIC DIGIT SEVEN}\n{ROOT}\n",
        f"origin\n{2**63}\n{ROOT}\n",
        f"origin\n{10**30}\n{ROOT}\n",
        "origin\n7\nAAAA\n",
        f"origin\n7\n{ROOT[:-2]}B=\n",
        f"origin\n7\n{ROOT}\n\nextension\n",
    ],
)
def test_what_is_not_exactly_a_checkpoint_is_refused(text):
    with pytest.raises(MalformedNoteError):
        note.read_checkpoint(text)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\N{EM SPACE}b", "a\x01b"])
def test_a_key_name_has_no_spaces_and_no_plus(name):
    with pytest.raises(MalformedNoteError):
        SignedNote("text\n").signed(name, SIGNER)


@pytest.mark.parametrize("text", ["", "\n", "no end", "a\tb\n", "\ud800\n"])
def test_a_text_that_no_note_can_carry_is_not_signed(text):
    with pytest.raises(MalformedNoteError):
        SignedNote(text).signed(NAME, SIGNER)


texts = st.text(st.characters(min_codepoint=32, exclude_categories=["Cs"]) | st.just("\n"), max_size=60)
names = st.text(st.characters(min_codepoint=33, max_codepoint=0x24F), min_size=1, max_size=20).filter(
    lambda name: "+" not in name and not any(character.isspace() for character in name)
)


@given(texts, names, names)
@settings(max_examples=most(100))
def test_any_signed_note_is_read_back(text, first, second):
    if text == "":
        text = "x"
    signed = SignedNote(text + "\n").signed(first, SIGNER).signed(second, WITNESS)
    read = note.parse(signed.render())
    assert read == signed
    assert read.signed_by(first, SIGNER.public_key)
    assert read.signed_by(second, WITNESS.public_key)


@given(st.text(max_size=120))
@settings(max_examples=most(100))
def test_any_text_is_a_note_or_an_error(content):
    try:
        read = note.parse(content)
    except MalformedNoteError:
        return
    assert read.render() == content


@given(st.integers(0, len(SIGNED.render()) - 1), st.characters())
@settings(max_examples=most(100))
def test_a_changed_character_never_stays_signed(place, character):
    content = SIGNED.render()
    changed = content[:place] + character + content[place + 1 :]
    if changed == content:
        return
    try:
        assert not note.parse(changed).signed_by(NAME, SIGNER.public_key)
    except MalformedNoteError:
        return
