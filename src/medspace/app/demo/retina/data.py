"""The photographs of the pilot: RetinaMNIST over five hospitals, and half of the training set of IDRiD as a clinic.

RetinaMNIST: 1,600 photographs of 28 x 28 pixels with a grade from 0 to 4 (DeepDRiD; Yang et al., Sci Data
2023;10:41; CC BY 4.0), with its official split into 1,080 to train on, 120 to choose by, 400 to judge by. IDRiD: 217
photographs of another camera and another crop (Porwal et al., Med Image Anal 2020;59:101561; CC BY 4.0).
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from medspace.adapters.images import arrays
from medspace.adapters.registry import FOLDER_VARIABLE, fetch
from medspace.core.errors import InvalidInputError
from medspace.core.text import msgid

GRADES = ("0", "1", "2", "3", "4")
REFERABLE = 2  # from this grade on a patient is sent to a specialist
SIDE = 28
RETINA = ("retinamnist", "retinamnist.npz")
CLINIC = ("idrid-half", "idrid_half.npz")
CLINIC_ORIGIN = "https://ieee-dataport.org/open-access/indian-diabetic-retinopathy-image-dataset-idrid"
CLINIC_SHA256 = "aa0b4b2f85335adc7c4215e7fa6518fa745a1796c57796e7d30c33130312e7b6"
# Of each grade, the share of each hospital; each is the same of all three parts of the official split.
SHARES: Mapping[str, tuple[float, ...]] = MappingProxyType(
    {
        "north": (0.34, 0.24, 0.30, 0.26, 0.26),
        "east": (0.24, 0.20, 0.24, 0.28, 0.26),
        "south": (0.22, 0.16, 0.16, 0.16, 0.16),
        "west": (0.08, 0.22, 0.20, 0.18, 0.18),
        "centre": (0.12, 0.18, 0.10, 0.12, 0.14),
    }
)


class ClinicUnavailableError(InvalidInputError):
    """The photographs of the clinic that joins later are not here, or are others."""

    code = "pilot.clinic_missing"
    sentence = msgid("The file {file} of the clinic that joins later is not here, or its SHA-256 is not {sha256}.")
    next_step = msgid(
        "Put it into the folder {dataset} below MEDSPACE_DATA (made from {origin}), or say --without-clinic."
    )


@dataclass(frozen=True, slots=True)
class Photographs:
    """Images (count x height x width x 3, bytes) and the grade of each."""

    images: NDArray[np.uint8]
    grades: NDArray[np.int64]

    @property
    def count(self) -> int:
        """How many."""
        return len(self.grades)

    def chosen(self, places: NDArray[np.int64]) -> "Photographs":
        """Some of them."""
        return Photographs(self.images[places], self.grades[places])


@dataclass(frozen=True, slots=True)
class HospitalPhotographs:
    """What one hospital has: to train on together, to choose its own adjustment by, and to judge by."""

    train: Photographs
    choose: Photographs
    judge: Photographs


def retina(folder: Path | None = None) -> Mapping[str, Photographs]:
    """The official parts `train`, `val` and `test` of RetinaMNIST.

    Raises:
        UnavailableDatasetError: the file is not here and could not be fetched.
        AlteredDatasetError: it is another one.
    """
    environment = None if folder is None else {FOLDER_VARIABLE: str(folder)}
    found = arrays.read(fetch(*RETINA, environment=environment))
    return {part: _photographs(found[f"{part}_images"], found[f"{part}_labels"]) for part in ("train", "val", "test")}


def clinic(folder: Path | None = None) -> Photographs:
    """The photographs of the clinic that joins later.

    Raises:
        ClinicUnavailableError: they are not here, or are others.
    """
    place = Path(folder or os.environ.get(FOLDER_VARIABLE, ""), *CLINIC)
    facts = {"file": CLINIC[1], "dataset": CLINIC[0], "sha256": CLINIC_SHA256, "origin": CLINIC_ORIGIN}
    try:
        with place.open("rb") as content:
            right = file_digest(content, "sha256").hexdigest() == CLINIC_SHA256
    except OSError:
        right = False
    if not right:
        raise ClinicUnavailableError(**facts)
    found = arrays.read(place)
    return _photographs(found[f"images_{SIDE}"], found["grade"])


def _photographs(images: arrays.Array, grades: arrays.Array) -> Photographs:
    return Photographs(np.ascontiguousarray(images, np.uint8), np.asarray(grades, np.int64).reshape(-1))


def split(parts: Mapping[str, Photographs], seed: int) -> dict[str, HospitalPhotographs]:
    """The photographs of each hospital: of each grade its share, which ones by the seed."""
    made = {part: _dealt(photographs, seed) for part, photographs in parts.items()}
    return {
        key: HospitalPhotographs(*(parts[part].chosen(made[part][key]) for part in ("train", "val", "test")))
        for key in SHARES
    }


def joined(parts: Sequence[Photographs]) -> Photographs:
    """Those of several places, in one."""
    return Photographs(np.concatenate([one.images for one in parts]), np.concatenate([one.grades for one in parts]))


def _dealt(photographs: Photographs, seed: int) -> dict[str, NDArray[np.int64]]:
    source = np.random.default_rng(seed)
    found: dict[str, list[NDArray[np.int64]]] = {key: [] for key in SHARES}
    for grade in range(len(GRADES)):
        places = source.permutation(np.flatnonzero(photographs.grades == grade))
        ends = np.rint(np.cumsum([shares[grade] for shares in SHARES.values()]) * len(places)).astype(np.int64)
        for key, own in zip(SHARES, np.split(places, ends[:-1]), strict=True):
            found[key].append(own)
    return {key: np.sort(np.concatenate(own)) for key, own in found.items()}
