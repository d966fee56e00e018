"""Public data sets: looked up, verified, fetched only where they are not here. Nothing here touches the network."""

from hashlib import sha256
from pathlib import Path

import pytest

from medspace.adapters import extras, registry
from medspace.adapters.registry import (
    REGISTRY,
    AlteredDatasetError,
    PublicDataset,
    PublicFile,
    UnavailableDatasetError,
    UnregisteredDatasetError,
    fetch,
)
from tests.shared_data import DATA

CONTENT = b"a,b\n1,2\n"


@pytest.fixture(autouse=True)
def small(monkeypatch):
    entry = PublicFile("https://data.example/x.csv", sha256(CONTENT).hexdigest())
    monkeypatch.setattr(
        registry, "REGISTRY", {**REGISTRY, "small": PublicDataset("t", "o", "l", "c", {"x.csv": entry})}
    )


def put(folder: Path, content: bytes = CONTENT) -> Path:
    path = folder / "small" / "x.csv"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    return path


def downloads(content):
    calls = []

    def download(url, output_file, pooch, *_):
        calls.append(url)
        Path(output_file).write_bytes(content)

    return download, calls


def refuse(url, output_file, pooch, *_):
    raise ConnectionError("offline")


def test_the_named_folder_comes_first(tmp_path):
    path = put(tmp_path)
    found = fetch("small", "x.csv", environment={"MEDSPACE_DATA": str(tmp_path)}, downloader=refuse)
    assert found == path


def test_what_is_not_there_is_fetched_once(tmp_path):
    download, calls = downloads(CONTENT)
    for _ in range(2):
        path = fetch("small", "x.csv", environment={"MEDSPACE_DATA": "/nowhere"}, cache=tmp_path, downloader=download)
        assert path.read_bytes() == CONTENT
    assert calls == ["https://data.example/x.csv"]


@pytest.mark.parametrize("where", ["folder", "cache"])
def test_an_altered_file_is_refused_wherever_it_lies(tmp_path, where):
    put(tmp_path, CONTENT + b" ")
    environment = {"MEDSPACE_DATA": str(tmp_path)} if where == "folder" else {}
    with pytest.raises(AlteredDatasetError, match="small"):
        fetch("small", "x.csv", environment=environment, cache=tmp_path, downloader=refuse)


def test_an_altered_download_is_refused_and_does_not_stay(tmp_path):
    download, _ = downloads(b"other")
    with pytest.raises(AlteredDatasetError):
        fetch("small", "x.csv", environment={}, cache=tmp_path, downloader=download)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_offline_it_says_where_to_get_it_and_where_to_put_it(tmp_path):
    with pytest.raises(UnavailableDatasetError) as caught:
        fetch("small", "x.csv", environment={}, cache=tmp_path, downloader=refuse)
    assert "https://data.example/x.csv" in str(caught.value)
    assert "MEDSPACE_DATA" in str(caught.value)


@pytest.mark.parametrize(("dataset", "file"), [("none", "x.csv"), ("small", "y.csv"), ("small", "../x.csv")])
def test_what_is_not_registered_is_not_looked_for(dataset, file):
    with pytest.raises(UnregisteredDatasetError):
        fetch(dataset, file)


def test_without_pooch_the_error_names_the_extra(tmp_path, monkeypatch):
    def absent(name):
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(extras, "import_module", absent)
    with pytest.raises(extras.MissingExtraError):
        fetch("small", "x.csv", environment={}, cache=tmp_path)


def test_every_entry_names_origin_licence_citation_and_checksum():
    for dataset in REGISTRY.values():
        assert all([dataset.title, dataset.origin, dataset.licence, dataset.citation, dataset.files])
        for entry in dataset.files.values():
            assert entry.url.startswith("https://")
            assert len(bytes.fromhex(entry.sha256)) == 32


@pytest.mark.parametrize("dataset", sorted(REGISTRY))
def test_the_real_files_are_the_registered_ones(dataset):
    folder = DATA
    if not (folder / dataset).is_dir():
        pytest.skip(f"{dataset} is not in the folder MEDSPACE_DATA")
    for file in REGISTRY[dataset].files:
        assert fetch(dataset, file, environment={"MEDSPACE_DATA": str(folder)}, downloader=refuse).name == file
