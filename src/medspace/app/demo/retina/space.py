"""The parties of the pilot and their files: an authority, a company, five hospitals, a clinic that joins later."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from medspace.adapters.keys import make_folder
from medspace.adapters.ownership import write_owned
from medspace.app.demo import space
from medspace.app.demo.retina.data import GRADES, SIDE, Photographs
from medspace.app.demo.space import CONFIG, PURPOSE, UNTIL, Party
from medspace.core.canonical import JsonObject
from medspace.trust.jws import encode

ASSET = "retina"
FILE, DICTIONARY = "retina.npz", "retina.toml"
MIN_COHORT = 5
LEAST_AUC, MOST_ECE = 0.6, 0.25  # that each hospital's contract demands of a model before it leaves
HOSPITALS = (
    ("north", "Eye Hospital North", "SE"),
    ("east", "Eye Hospital East", "PL"),
    ("south", "Eye Hospital South", "IT"),
    ("west", "Eye Hospital West", "IE"),
    ("centre", "Eye Hospital Centre", "CZ"),
)
PORTS = 2 * (len(HOSPITALS) + 2)
MEANINGS = ("no retinopathy", "mild", "moderate", "severe", "proliferative")


def dictionary(title: str) -> str:
    """The data dictionary of a hospital's photographs (TOML)."""
    codes = ", ".join(f'{grade} = "{meaning}"' for grade, meaning in zip(GRADES, MEANINGS, strict=True))
    return f"""\
title = {json.dumps(title)}
person = "patient"

[columns.patient]
type = "code"
description = "Stands for the patient."

[columns.grade]
type = "code"
description = "Grade of diabetic retinopathy (International Clinical Diabetic Retinopathy scale)."
codes = {{ {codes} }}
"""


def task(seed: int, *, rounds: int, epochs: int) -> JsonObject:
    """What is trained: a small convolutional net for the grade, in order."""
    return {
        "task": "net",
        "target": "grade",
        "classes": list(GRADES),
        "ordinal": True,
        "images": {
            "height": SIDE,
            "width": SIDE,
            "channels": 3,
            "filters": [24, 24],
            "shrink": 2,
            "augmentation": {"flip": True, "turn": 90, "zoom": 0.1},
        },
        "purpose": PURPOSE,
        "rate": 0.05,
        "schedule": "steps",
        "momentum": 0.9,
        "batch": 16,
        "epochs": epochs,
        "l2": 0.0001,
        "clip": 5,
        "max_rounds": rounds + 2,
        "min_sites": 3,
        "seed": seed,
    }


def parties(ports: Sequence[int]) -> tuple[Party, ...]:
    """Authority, company and hospitals, with two ports each."""
    pairs = list(zip(ports[::2], ports[1::2], strict=True))
    return (
        Party("authority", "Retina Space Authority", "BE", "authority", pairs[0]),
        Party("company", "Retina Research", "NL", "user", pairs[1]),
        *(Party(*named, "holder", pair) for named, pair in zip(HOSPITALS, pairs[2:], strict=True)),
    )


def lay_out(folder: Path, members: Sequence[Party], held: Mapping[str, Photographs]) -> dict[str, Path]:
    """Write keys, photographs and configurations of all parties below a folder; returns each configuration file."""
    make_folder(folder)
    authority = members[0]
    pinned = encode(space.keys(folder / authority.key).public_key)
    files = {authority.key: _configured(folder, authority, authority.did, pinned, "")}
    for party in members[1:]:
        files[party.key] = lay_out_one(folder, party, held.get(party.key), authority.did, pinned)
    return files


def lay_out_one(folder: Path, party: Party, held: Photographs | None, authority: str, pinned: str) -> Path:
    """The same for one party, in a space whose authority has this DID and this public key."""
    space.keys(folder / party.key)
    if held is None:
        return _configured(folder, party, authority, pinned, "")
    _write_photographs(folder / party.key, party, held)
    return _configured(folder, party, authority, pinned, _asset(party))


def _configured(folder: Path, party: Party, authority: str, pinned: str, asset: str) -> Path:
    file = folder / party.key / CONFIG
    write_owned(file, space.configuration(party, authority, pinned) + asset)
    return file


def _write_photographs(folder: Path, party: Party, photographs: Photographs) -> None:
    patients = np.array([f"{party.key}-{number:04}" for number in range(1, photographs.count + 1)])
    grades = np.array(GRADES)[photographs.grades]
    np.savez(folder / FILE, images=photographs.images, patient=patients, grade=grades)
    write_owned(folder / DICTIONARY, dictionary(f"Fundus photographs, {party.name}"))


def _asset(party: Party) -> str:
    return f"""
[[assets]]
id = "{ASSET}"
title = {json.dumps(f"Fundus photographs, {party.name}")}
description = "Photographs of the back of the eye, graded for diabetic retinopathy. RetinaMNIST, CC BY 4.0."
keywords = ["retina", "diabetes", "ophthalmology"]
source = "images:{FILE}"
dictionary = "{DICTIONARY}"
questions = 200
numbers = 100000

[assets.label]
purposes = ["{PURPOSE}"]
regions = ["World"]
kinds = ["medspace:train"]
valid_until = "{UNTIL}"
sensitivity = "non-public"

[[assets.offers]]
template = "train-only"

[assets.offers.terms]
purposes = ["{PURPOSE}"]
regions = ["World"]
until = "{UNTIL}"
count = 20
min_cohort = {MIN_COHORT}
min_sites = 3
outputs = ["net.progress", "net.model"]
gate_auc = {LEAST_AUC}
gate_ece = {MOST_ECE}
"""
