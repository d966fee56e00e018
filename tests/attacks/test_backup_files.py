"""A backup in the hands of somebody who changes it, or who makes one: nothing is written, whatever they try."""

import io
import json
import shutil
import tracemalloc

import msgspec
import pytest

from medspace.adapters.sealedfile import CHUNK, MAGIC, TAG, SealedFileError, SealedWriter, opened
from medspace.adapters.sql import upgrade
from medspace.adapters.system import SystemRandomness
from medspace.app.features.setup.service import Wishes, set_up
from medspace.app.features.upkeep.archive import BackupContents, BackupInvalidError, Filed, packed
from medspace.app.features.upkeep.backing_up import back_up
from medspace.app.features.upkeep.restoring import RestoreFolderError, restore
from medspace.app.node.config import read_config

CHEAP = 14
PASSPHRASE = b"correct horse battery"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A backup of a connector that does not run, of several chunks."""
    folder = tmp_path_factory.mktemp("origin") / "hospital"
    set_up(folder, Wishes("Hospital", 8100, "", "", "CN", None))
    config = folder / "medspace.toml"
    upgrade(read_config(config).database_url)
    (folder / "authorities.pem").write_bytes(SystemRandomness().token_bytes(3 * CHUNK))
    config.write_text(config.read_text().replace("[network]", '[network]\ncertificates = "authorities.pem"'))
    file = folder.parent / "hospital.backup"
    back_up(config, file, PASSPHRASE, cost=CHEAP)
    return file.read_bytes()


@pytest.fixture
def refused(tmp_path):
    """What is said of a changed backup; afterwards nothing is there."""

    def refuse(content: bytes, passphrase: bytes = PASSPHRASE) -> Exception:
        file, folder = tmp_path / "it.backup", tmp_path / "new" / "hospital"
        folder.parent.mkdir(exist_ok=True)
        file.write_bytes(content)
        with pytest.raises((SealedFileError, BackupInvalidError, RestoreFolderError)) as error:
            restore(file, folder, passphrase)
        assert list(folder.parent.iterdir()) == []
        return error.value

    return refuse


def head(content: bytes) -> int:
    """Where the chunks begin."""
    return len(MAGIC) + 2 + int.from_bytes(content[len(MAGIC) : len(MAGIC) + 2], "big")


def chunks(content: bytes) -> list[bytes]:
    body = content[head(content) :]
    return [body[at : at + CHUNK + TAG] for at in range(0, len(body), CHUNK + TAG)]


def test_it_is_restored_where_nobody_changed_it(whole, tmp_path):
    file = tmp_path / "it.backup"
    file.write_bytes(whole)
    found = restore(file, tmp_path / "hospital", PASSPHRASE)
    assert (tmp_path / "hospital" / "medspace.toml").exists()
    assert found["did"] == "did:web:127.0.0.1%3A8100"
    assert len(chunks(whole)) >= 4
    with pytest.raises(RestoreFolderError):
        restore(file, tmp_path / "hospital", PASSPHRASE)


def test_a_bit_that_was_turned_anywhere_is_noticed(whole, refused):
    places = [0, len(MAGIC), len(MAGIC) + 1, *range(len(MAGIC) + 2, head(whole), 7)]
    places += [head(whole), head(whole) + CHUNK, head(whole) + CHUNK + TAG, len(whole) // 2, len(whole) - 1]
    for place in places:
        changed = bytearray(whole)
        changed[place] ^= 1
        refused(bytes(changed))


def test_chunks_that_are_missing_doubled_or_in_another_order_are_noticed(whole, refused):
    start, (first, second, third, *rest) = whole[: head(whole)], chunks(whole)
    for others in (
        [first, third, second, *rest],
        [first, second, *rest],
        [first, second, second, third, *rest],
        [second, first, third, *rest],
        [first, second, third],
        [first, second, third, *rest[:-1]],
        [first, second, third, *rest, rest[-1]],
        [*rest],
        [],
    ):
        refused(start + b"".join(others))


def test_chunks_of_another_backup_under_the_same_passphrase_are_noticed(whole, refused, tmp_path):
    other = io.BytesIO()
    writer = SealedWriter(other, PASSPHRASE, SystemRandomness(), CHEAP)
    writer.write(bytes(4 * CHUNK))
    writer.finish()
    mixed = whole[: head(whole)] + b"".join([chunks(whole)[0], *chunks(other.getvalue())[1:]])
    refused(mixed)


@pytest.mark.parametrize("cut", [1, TAG, TAG + 1, CHUNK, 2 * CHUNK + 2 * TAG])
def test_an_end_that_was_cut_off_is_noticed(whole, refused, cut):
    refused(whole[:-cut])


def test_something_behind_the_end_is_noticed(whole, refused):
    refused(whole + b"x")
    refused(whole + whole)


def test_another_passphrase_opens_nothing(whole, refused):
    assert "passphrase is wrong" in str(refused(whole, b"correct horse batterz"))
    assert "passphrase is wrong" in str(refused(whole, b""))


def test_a_header_cannot_ask_for_endless_work_or_weak_keys(whole, refused):
    said = json.loads(whole[len(MAGIC) + 2 : head(whole)])
    for change in ({"cost": 40}, {"cost": 1}, {"cost": -1}, {"kdf": "none"}, {"cipher": "none"}, {"chunk": 1 << 40}):
        header = json.dumps(said | change).encode()
        tracemalloc.start()
        refused(MAGIC + len(header).to_bytes(2, "big") + header + whole[head(whole) :])
        assert tracemalloc.get_traced_memory()[1] < 32 << 20
        tracemalloc.stop()


# --- made by somebody who knows the passphrase ------------------------------------------------------------


def made(table: BackupContents | bytes, content: bytes = b"") -> bytes:
    file = io.BytesIO()
    writer = SealedWriter(file, PASSPHRASE, SystemRandomness(), CHEAP)
    writer.write(table if isinstance(table, bytes) else packed(table))
    writer.write(content)
    writer.finish()
    return file.getvalue()


def table_of(*files: Filed, **more) -> BackupContents:
    facts = {"id": "urn:x", "did": "did:web:x", "version": "1", "made": "2026-01-01T00:00:00.000Z"}
    return BackupContents(**facts, running=False, entries=0, files=files, **more)


CONFIGURATION = Filed("medspace.toml", 0, "configuration")


@pytest.mark.parametrize(
    "name",
    [
        "../evil",
        "keys/../../evil",
        "/etc/passwd",
        "keys//evil",
        "./evil",
        "keys/.",
        "..",
        "",
        "keys\\..\\evil",
        "C:evil",
        "evil\x00.toml",
        "evil\n",
        "evil\u202egnp",
        " evil",
        "a/" * 600 + "a",
        "a" * 300,
        "medspace.toml",
        "MEDSPACE.toml",
        "medspace.toml/evil",
    ],
)
def test_a_name_that_leads_elsewhere_is_refused_before_anything_is_written(refused, name):
    assert "leads out of its folder" in str(refused(made(table_of(CONFIGURATION, Filed(name, 4, "file")), b"evil")))


def test_a_name_that_takes_the_place_of_a_folder_is_refused(refused):
    files = Filed("keys/one", 0, "secret"), Filed("keys", 0, "secret")
    assert "leads out" in str(refused(made(table_of(CONFIGURATION, *files))))


def test_sizes_that_are_not_there_or_that_no_disk_has_are_refused(refused):
    refused(made(table_of(CONFIGURATION, Filed("big", 1 << 60, "file")), b"little"))
    refused(made(table_of(CONFIGURATION, Filed("small", 1, "file")), b"more than that"))
    refused(made((1 << 31).to_bytes(4, "big") + b"{}"))
    refused(made(b"\x00\x00\x00\x04[[[["))
    refused(made(b"\x00\x00"))
    many = table_of(CONFIGURATION, *(Filed(f"f{number}", 0, "file") for number in range(10_001)))
    refused(made(len(said := msgspec.json.encode(many)).to_bytes(4, "big") + said))
    refused(made(table_of(CONFIGURATION, form=2)))
    refused(made(table_of(Filed("only", 0, "file"))))


def test_what_unfolds_is_written_as_long_as_it_is(tmp_path):
    """Nothing is packed: a backup of many zeros is as long as they are, and is read in pieces."""
    zeros = made(table_of(CONFIGURATION, Filed("zeros", 8 * CHUNK, "file")), bytes(8 * CHUNK))
    assert len(zeros) > 8 * CHUNK
    file = io.BytesIO(zeros)
    tracemalloc.start()
    for _ in opened(file, PASSPHRASE, "it"):
        pass
    assert tracemalloc.get_traced_memory()[1] < 6 * CHUNK
    tracemalloc.stop()


def test_a_disk_without_room_is_noticed_before_anything_is_written(whole, tmp_path, monkeypatch):
    file = tmp_path / "it.backup"
    file.write_bytes(whole)
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1 << 20))
    with pytest.raises(RestoreFolderError, match="MiB are free"):
        restore(file, tmp_path / "hospital", PASSPHRASE)
    assert [one.name for one in tmp_path.iterdir()] == ["it.backup"]


def test_a_configuration_that_no_connector_starts_with_is_not_restored(refused):
    content = b"[participant]\nname = 'x'\n"
    refused(made(table_of(Filed("medspace.toml", len(content), "configuration")), content))
