"""Public data sets by name, with origin, licence, citation and checksums.

A file is looked for in the folder that MEDSPACE_DATA names, then in the user's cache, then fetched from its origin.
Wherever it came from, it is used only if its SHA-256 is the registered one.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path
from types import MappingProxyType
from typing import Any

from medspace.adapters.extras import require
from medspace.core.errors import InvalidInputError, ProofError, WaitingError
from medspace.core.text import msgid

FOLDER_VARIABLE = "MEDSPACE_DATA"
_UCI = "https://archive.ics.uci.edu/ml/machine-learning-databases"
_FLAMBY = "https://raw.githubusercontent.com/owkin/FLamby/edacf54d5211/flamby/datasets/fed_tcga_brca"

Downloader = Callable[[str, Any, Any], None]


class UnregisteredDatasetError(InvalidInputError):
    """The data set is not registered."""

    code = "registry.unknown"
    sentence = msgid("No public data set is registered as {dataset} with a file {file}.")
    next_step = msgid("docs/data.md lists the data sets that are.")


class AlteredDatasetError(ProofError):
    """The file is not the registered one."""

    code = "registry.altered"
    sentence = msgid("The file {file} of the data set {dataset} is not the registered one: its SHA-256 differs.")
    next_step = msgid("Remove {path} and get the file again from {origin}.")


class UnavailableDatasetError(WaitingError):
    """The file is missing and could not be fetched."""

    code = "registry.unavailable"
    sentence = msgid("The file {file} of the data set {dataset} is not here and could not be fetched.")
    next_step = msgid("Get it from {origin} and put it into the folder {dataset} below the folder MEDSPACE_DATA.")


@dataclass(frozen=True, slots=True)
class PublicFile:
    """One file: where it comes from, and its SHA-256 in hexadecimal digits."""

    url: str
    sha256: str


@dataclass(frozen=True, slots=True)
class PublicDataset:
    """A data set that anybody may get."""

    title: str
    origin: str
    licence: str
    citation: str
    files: Mapping[str, PublicFile]


REGISTRY: Mapping[str, PublicDataset] = MappingProxyType(
    {
        "heart-disease-4-hospitals": PublicDataset(
            title="Heart Disease (Cleveland, Hungary, Switzerland, VA Long Beach)",
            origin="UCI Machine Learning Repository, data set 45",
            licence="CC BY 4.0",
            citation="A. Janosi, W. Steinbrunn, M. Pfisterer, R. Detrano: Heart Disease. UCI, 1988",
            files={
                "processed.cleveland.data": PublicFile(
                    f"{_UCI}/heart-disease/processed.cleveland.data",
                    "a74b7efa387bc9d108d7d0115d831fe9b414b29ae7124f331b622b4efa0427c8",
                ),
                "processed.hungarian.data": PublicFile(
                    f"{_UCI}/heart-disease/processed.hungarian.data",
                    "d1ad108f785768cd3d7e82dc522e6f5a61eea93cccfb3a46ee8076f73fc3d796",
                ),
                "processed.switzerland.data": PublicFile(
                    f"{_UCI}/heart-disease/processed.switzerland.data",
                    "834a405ccf5b66ab4056bb77794adc8df0b7125186454c0a1d002d33c6c3b314",
                ),
                "processed.va.data": PublicFile(
                    f"{_UCI}/heart-disease/processed.va.data",
                    "e7c93d8d0d2acdadfa4c5e8de768e2191e7f618b952e29623f1f0d5949ff6b8f",
                ),
            },
        ),
        "fed-tcga-brca": PublicDataset(
            title="TCGA-BRCA: survival after breast cancer, six regions",
            origin="The Cancer Genome Atlas (Genomic Data Commons), split by the FLamby authors",
            licence="GDC open access (never try to identify a participant); the split MIT",
            citation="J. Liu et al., Cell 2018;173:400. J. Ogier du Terrail et al., FLamby, NeurIPS 2022",
            files={
                "brca.csv": PublicFile(
                    f"{_FLAMBY}/brca.csv", "07cb53423f7d579d33cfdbf2cba57b2aee75318b85866c68ce39a75b1f1ba020"
                ),
                "centers.csv": PublicFile(
                    f"{_FLAMBY}/centers.csv", "d610df2dae0203ea229c9579747ed3eb8d28e137c5378f55acc6fe6b4632bb1d"
                ),
                "train_test_split.csv": PublicFile(
                    f"{_FLAMBY}/train_test_split.csv",
                    "1249c6543a4060ff0fdaf8510fc37017755836db6c9fc5e6af96057c36510990",
                ),
            },
        ),
        "messidor-dr-features": PublicDataset(
            title="Diabetic Retinopathy Debrecen: features of 1,151 retinal images",
            origin="UCI Machine Learning Repository, data set 329",
            licence="CC BY 4.0",
            citation="B. Antal, A. Hajdu, Knowledge-Based Systems 2014;60:20",
            files={
                "messidor_features.arff": PublicFile(
                    f"{_UCI}/00329/messidor_features.arff",
                    "f26adef0a94920205da4eedefbb6ccd730fd4b52a18ac7c01457cc7c1382c0c4",
                ),
            },
        ),
        "retinamnist": PublicDataset(
            title="RetinaMNIST: 1,600 fundus photographs of 28 x 28 pixels, graded for diabetic retinopathy",
            origin="MedMNIST v2, from the DeepDRiD challenge (ISBI 2020)",
            licence="CC BY 4.0",
            citation="J. Yang et al., Scientific Data 2023;10:41",
            files={
                "retinamnist.npz": PublicFile(
                    "https://zenodo.org/records/10519652/files/retinamnist.npz?download=1",
                    "254915f5f0a2074665c4676356824cf4ef4a3bcab233894b4bafcaf48962bd69",
                ),
            },
        ),
    }
)


def fetch(
    dataset: str,
    file: str,
    *,
    environment: Mapping[str, str] | None = None,
    cache: Path | None = None,
    downloader: Downloader | None = None,
) -> Path:
    """The path of a registered file, its checksum verified.

    Raises:
        UnregisteredDatasetError: it is not registered.
        AlteredDatasetError: the file is another one than the registered.
        UnavailableDatasetError: it is not here and could not be fetched.
        MissingExtraError: it is not here, and what would fetch it is not installed.
    """
    try:
        entry = REGISTRY[dataset].files[file]
    except KeyError:
        raise UnregisteredDatasetError(dataset=dataset, file=file) from None
    folder = (os.environ if environment is None else environment).get(FOLDER_VARIABLE)
    path = Path(folder, dataset, file) if folder else None
    if path is None or not path.exists():
        path = _download(dataset, file, entry, cache, downloader)
    return _verified(path, dataset, file, entry)


def _download(dataset: str, file: str, entry: PublicFile, cache: Path | None, downloader: Downloader | None) -> Path:
    pooch = require("pooch", extra="data")
    path = Path(cache or pooch.os_cache("medspace")) / dataset / file
    if path.exists():
        return path
    pooch.get_logger().setLevel("WARNING")
    try:
        # pooch writes into a temporary file and moves it only if the checksum is right: no partial file remains.
        pooch.retrieve(entry.url, f"sha256:{entry.sha256}", fname=file, path=path.parent, downloader=downloader)
    except OSError as error:  # the errors of the network are OSErrors too
        raise UnavailableDatasetError(dataset=dataset, file=file, origin=entry.url) from error
    except ValueError as error:
        raise AlteredDatasetError(dataset=dataset, file=file, path=str(path), origin=entry.url) from error
    return path


def _verified(path: Path, dataset: str, file: str, entry: PublicFile) -> Path:
    with path.open("rb") as content:
        found = file_digest(content, "sha256").hexdigest()
    if found != entry.sha256:
        raise AlteredDatasetError(dataset=dataset, file=file, path=str(path), origin=entry.url)
    return path
