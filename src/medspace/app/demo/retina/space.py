"""The parties of the pilot and their files: an authority, a company, five hospitals, a clinic that joins later."""

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path

import numpy as np

from medspace.adapters.keys import write_secret
from medspace.adapters.ownership import write_owned
from medspace.app.demo.retina.data import GRADES, SIDE, Photographs
from medspace.app.demo.space import PURPOSE, HeldAsset, Holding, Party
from medspace.app.node.config import QuestionSettings
from medspace.core.canonical import JsonObject

ASSET = "retina"
FILE, DICTIONARY = "retina.npz", "retina.toml"
MIN_COHORT, QUESTIONS, NUMBERS = 5, 200, 100_000
LEAST_AUC, MOST_ECE = 0.6, 0.25  # that each hospital's contract demands of a model before it leaves
HOSPITALS = (
    ("north", "Eye Hospital North", "SE"),
    ("east", "Eye Hospital East", "PL"),
    ("south", "Eye Hospital South", "IT"),
    ("west", "Eye Hospital West", "IE"),
    ("centre", "Eye Hospital Centre", "CZ"),
)
PORTS = 2 * (len(HOSPITALS) + 3)  # with those of the clinic that joins later
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


def holding(held: Mapping[str, Photographs], seed: int) -> Holding:
    """Writes the photographs of each party that holds some.

    What decides the order in which a hospital trains on its rows is a secret of its own. Here it follows from the
    seed, as these photographs are public: so a pilot can be done again to the bit.
    """

    def hold(folder: Path, party: Party) -> HeldAsset | None:
        if party.key not in held:
            return None
        _write_photographs(folder, party, held[party.key])
        write_secret(folder / QuestionSettings().secret, sha256(f"{seed} {party.key}".encode()).hexdigest().encode())
        return _photographs(party)

    return hold


def _write_photographs(folder: Path, party: Party, photographs: Photographs) -> None:
    patients = np.array([f"{party.key}-{number:04}" for number in range(1, photographs.count + 1)])
    grades = np.array(GRADES)[photographs.grades]
    np.savez(folder / FILE, images=photographs.images, patient=patients, grade=grades)
    write_owned(folder / DICTIONARY, dictionary(f"Fundus photographs, {party.name}"))


def _photographs(party: Party) -> HeldAsset:
    return HeldAsset(
        id=ASSET,
        title=f"Fundus photographs, {party.name}",
        description="Photographs of the back of the eye, graded for diabetic retinopathy. RetinaMNIST, CC BY 4.0.",
        keywords=("retina", "diabetes", "ophthalmology"),
        source=f"images:{FILE}",
        dictionary=DICTIONARY,
        questions=QUESTIONS,
        numbers=NUMBERS,
        min_cohort=MIN_COHORT,
        outputs=("net.progress", "net.model"),
        gates=(("gate_auc", LEAST_AUC), ("gate_ece", MOST_ECE)),
    )
