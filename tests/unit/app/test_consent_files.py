"""Files of consents and proofs that are none: each is said by what is wrong with it."""

import pytest

from medspace.app.features.consent.verbs import ConsentFileError, ConsentUnreadableError, _batches, _object
from medspace.app.verbs import root


def test_a_file_that_is_not_there_is_not_a_line_that_is_wrong(tmp_path):
    with pytest.raises(ConsentUnreadableError):
        list(_batches(tmp_path / "none.ndjson"))
    with pytest.raises(ConsentUnreadableError):
        root(["consent", "verify", str(tmp_path / "none.json"), "--salt", "00", "--authority-key", "x"])


@pytest.mark.parametrize(
    "content", [b"x", b'{"a": 1}\n[]', b"{", b"[" * 5000, b'{"a": "' + b"x" * 70_000 + b'"}', b"\xff"]
)
def test_a_line_that_holds_no_resource_is_named(tmp_path, content):
    file = tmp_path / "consents.ndjson"
    file.write_bytes(content)
    with pytest.raises(ConsentFileError) as refused:
        list(_batches(file))
    assert refused.value.facts["line"] == (2 if b"\n" in content else 1)


def test_terms_are_one_json_object_over_any_number_of_lines(tmp_path):
    file = tmp_path / "terms.json"
    file.write_text('{\n  "since": "2024-01-01"\n}\n')
    assert _object(file) == {"since": "2024-01-01"}
    for bad in ("[]", "{", ""):
        file.write_text(bad)
        with pytest.raises(ConsentUnreadableError):
            _object(file)
