"""A sealed file gives back what was written, piece by piece, and nothing else."""

import io

import pytest

from medspace.adapters.sealedfile import CHUNK, TAG, SealedFileError, SealedWriter, opened
from medspace.adapters.system import SystemRandomness

CHEAP = 14
PASSPHRASE = b"correct horse battery"


def sealed(*pieces: bytes) -> bytes:
    file = io.BytesIO()
    writer = SealedWriter(file, PASSPHRASE, SystemRandomness(), CHEAP)
    for piece in pieces:
        writer.write(piece)
    writer.finish()
    return file.getvalue()


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK])
def test_what_was_written_comes_back_in_bounded_pieces(size):
    content = bytes(range(256)) * (size // 256 + 1)
    pieces = list(opened(io.BytesIO(sealed(content[: size // 2], content[size // 2 : size])), PASSPHRASE, "it"))
    assert b"".join(pieces) == content[:size]
    assert max(map(len, pieces), default=0) <= CHUNK


def test_the_same_content_is_never_sealed_to_the_same_bytes():
    assert sealed(b"same")[-20:] != sealed(b"same")[-20:]
    assert len(sealed(b"same")) - len(sealed(b"")) == 4


@pytest.mark.parametrize("wrong", [b"", b"medspace sealed file 2\n\x00\x02{}", b"medspace sealed file 1\n\xff\xff"])
def test_other_files_are_none(wrong):
    with pytest.raises(SealedFileError, match="not a sealed file of this version"):
        list(opened(io.BytesIO(wrong), PASSPHRASE, "it"))


def test_a_file_without_a_chunk_was_cut_off():
    whole = sealed(b"")
    with pytest.raises(SealedFileError, match="cut off"):
        list(opened(io.BytesIO(whole[:-TAG]), PASSPHRASE, "it"))
