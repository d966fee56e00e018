"""A small space on one machine: how its parties are laid out, and the four hospitals of the heart-disease records."""

import json
import secrets
import socket
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from medspace.adapters.keys import create_key, create_token, make_folder
from medspace.adapters.mldsa import open_mldsa_keys
from medspace.adapters.ownership import write_owned
from medspace.adapters.system import SystemClock, SystemRandomness
from medspace.app.demo.data import HOSPITALS, Hospital, write_hospital
from medspace.core.signing import Ed25519Signer
from medspace.trust.did import did_web
from medspace.trust.jws import encode

CONFIG = "medspace.toml"
ASSET = "heart-disease"
PURPOSE = "ehds:HealthcareScientificResearch"
UNTIL = "2030-06-30T00:00:00Z"
MIN_COHORT = 5  # eight of the patients in Zurich and Basel have no disease
QUESTIONS = 60  # a year: more than a tenth of the smaller hospitals' patients, so that the demo can be run again
NUMBERS = 4_000  # for the same reason: the demo's model has about 650
LOWEST_PORT, HIGHEST_PORT = 12_000, 15_000


@dataclass(frozen=True, slots=True)
class Party:
    """One participant of the small space, with its two ports; `hospital` where it holds patients."""

    key: str
    name: str
    region: str
    role: str
    ports: tuple[int, int]
    hospital: Hospital | None = None

    @property
    def did(self) -> str:
        """Its DID, on this machine."""
        return did_web(f"http://127.0.0.1:{self.ports[0]}")


@dataclass(frozen=True, slots=True)
class HeldAsset:
    """What a hospital of such a space holds, and offers for training alone; `gates` are demands on its models."""

    id: str
    title: str
    description: str
    keywords: tuple[str, ...]
    source: str
    dictionary: str
    questions: int
    numbers: int
    min_cohort: int
    outputs: tuple[str, ...]
    gates: tuple[tuple[str, float], ...] = ()

    def section(self) -> str:
        """Its part of a configuration file (TOML)."""
        demanded = "".join(f"{name} = {value}\n" for name, value in self.gates)
        return f"""
[[assets]]
id = "{self.id}"
title = {json.dumps(self.title)}
description = "{self.description}"
keywords = {json.dumps(self.keywords)}
source = "{self.source}"
dictionary = "{self.dictionary}"
questions = {self.questions}
numbers = {self.numbers}

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
min_cohort = {self.min_cohort}
min_sites = 3
outputs = {json.dumps(self.outputs)}
{demanded}"""


Holding = Callable[[Path, Party], HeldAsset | None]
"""Writes what a party holds, if anything, into its folder."""


def parties(ports: Sequence[int]) -> tuple[Party, ...]:
    """The six parties, with two ports each from a range of twelve: authority and company first."""
    pairs = list(zip(ports[::2], ports[1::2], strict=True))
    heads = (
        Party("authority", "Heart Space Authority", "HU", "authority", pairs[0]),
        Party("company", "Cardio Analytics", "CH", "user", pairs[1]),
    )
    hospitals = (
        Party(hospital.key, hospital.name, hospital.region, "holder", pair, hospital)
        for hospital, pair in zip(HOSPITALS, pairs[2:], strict=True)
    )
    return (*heads, *hospitals)


def free_ports(count: int) -> list[int]:
    """Consecutive ports that are free now, outside the range that the system uses for outgoing connections."""
    while True:
        first = LOWEST_PORT + secrets.randbelow(HIGHEST_PORT - LOWEST_PORT - count)
        with ExitStack() as stack:
            try:
                for port in range(first, first + count):
                    stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
            except OSError:
                continue
        return list(range(first, first + count))


def lay_out(folder: Path, members: Sequence[Party], hold: Holding) -> dict[str, Path]:
    """Write the keys, data and configurations of all parties below a folder; returns each configuration file."""
    make_folder(folder)
    signers = {party.key: keys(folder / party.key) for party in members}
    authority = next(party for party in members if party.role == "authority")
    pinned = encode(signers[authority.key].public_key)
    return {party.key: _write(folder / party.key, party, authority.did, pinned, hold) for party in members}


def lay_out_one(folder: Path, party: Party, authority: str, key: str, hold: Holding) -> Path:
    """The same for a party that joins later, in a space whose authority has this DID and this public key."""
    keys(folder / party.key)
    return _write(folder / party.key, party, authority, key, hold)


def keys(folder: Path) -> Ed25519Signer:
    """Make the keys and the token of a party in its folder."""
    make_folder(folder)
    create_token(folder / "keys" / "private.token")
    key = folder / "keys" / "participant.pem"
    signer = create_key(key)
    open_mldsa_keys(key, None, clock=SystemClock(), randomness=SystemRandomness())
    return signer


def _write(folder: Path, party: Party, authority: str, key: str, hold: Holding) -> Path:
    file = folder / CONFIG
    write_owned(file, configuration(party, authority, key, hold(folder, party)))
    return file


def hold_hospital(folder: Path, party: Party) -> HeldAsset | None:
    """The heart-disease records of a hospital, written into its folder."""
    if party.hospital is None:
        return None
    write_hospital(party.hospital, folder)
    return heart(party.hospital)


def heart(hospital: Hospital) -> HeldAsset:
    """The records of a hospital, as it offers them."""
    return HeldAsset(
        id=ASSET,
        title=f"Heart disease at angiography, {hospital.name}",
        description="Patients referred for angiography: findings, exercise test, vessels narrowed. UCI, CC BY 4.0.",
        keywords=("heart", "cardiology", "angiography"),
        source=hospital.file,
        dictionary="heart.toml",
        questions=QUESTIONS,
        numbers=NUMBERS,
        min_cohort=MIN_COHORT,
        outputs=("glm.progress", "glm.model", "glm.quality"),
    )


def configuration(party: Party, authority: str, key: str, held: HeldAsset | None = None) -> str:
    """The configuration file of a party (TOML)."""
    text = f"""\
[participant]
name = {json.dumps(party.name)}
region = "{party.region}"
roles = ["{party.role}"]

[public]
port = {party.ports[0]}

[private]
port = {party.ports[1]}

[space]
authority = "{authority}"
authority_key = "{key}"

[network]
allow = ["127.0.0.0/8"]

[log]
level = "warning"
"""
    return text if held is None else text + held.section()
