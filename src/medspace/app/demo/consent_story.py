"""The story of a consent: from a patient's yes in a wallet to the use that is refused once it is withdrawn.

An authority, a company and a hospital, each a connector in a process of its own; the wallet is a program of its own
as well, `medspace wallet`, which knows nothing of the hospital but its invitation.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from medspace.app.compose.sdk import Space
from medspace.app.demo.data import HOSPITALS
from medspace.app.demo.processes import stage_of
from medspace.app.demo.space import ASSET, PURPOSE, Party, free_ports, hold_hospital, lay_out
from medspace.app.demo.story import DemoError, admit, heart_task
from medspace.app.demo.waiting import refusal_of
from medspace.app.doors.cli.screen import Screen
from medspace.core.canonical import JsonObject
from medspace.core.clock import Randomness
from medspace.core.engine import COORDINATOR_SEES_SUMS
from medspace.core.text import Text, msgid

PATIENT, ROWS = "7", 304  # whose wallet it is, and how many patients the hospital has
PERSON, FORM = "id", "hearts"
SECONDS = 60.0  # for one command of the wallet
PROVISION: JsonObject = {
    "type": "permit",
    "purpose": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": PURPOSE}],
}
WORDS = {
    "en": {
        "title": "Heart research",
        "what": "To find out early who falls ill. Your record stays in the hospital.",
        "who": "Members of this data space.",
    },
    "zh": {
        "title": "心脏研究",
        "what": "用于尽早发现谁会患病。您的病历不会离开医院。",
        "who": "本数据空间的成员。",
    },
}


@dataclass(frozen=True, slots=True)
class WalletProgram:
    """The wallet, as the patient runs it: a sealed file, and a program that is started for each command."""

    file: Path
    passphrase: str

    def run(self, *words: str) -> JsonObject:
        """What a command of the wallet says.

        Raises:
            DemoError: it failed.
        """
        command = [sys.executable, "-m", "medspace", "wallet", *words, "--wallet", str(self.file), "--json"]
        said = {**os.environ, "MEDSPACE_WALLET_PASSPHRASE": self.passphrase}
        done = subprocess.run(command, env=said, capture_output=True, text=True, timeout=SECONDS, check=False)  # noqa: S603 - our own program
        if done.returncode:
            raise DemoError(reason=Text(msgid("the wallet said: {said}"), {"said": done.stderr.strip()[-500:]}))
        return dict(json.loads(done.stdout))


def consent_parties(ports: Sequence[int]) -> tuple[Party, ...]:
    """The three parties, with two ports each from a range of six."""
    hospital = HOSPITALS[0]
    return (
        Party("authority", "Space Authority", "HU", "authority", (ports[0], ports[1])),
        Party("company", "Cardio Analytics", "CH", "user", (ports[2], ports[3])),
        Party(hospital.key, hospital.name, hospital.region, "holder", (ports[4], ports[5]), hospital),
    )


def run_consent(screen: Screen, randomness: Randomness, folder: Path | None = None) -> JsonObject:
    """Tell the story; returns what it showed."""
    began = time.perf_counter()
    members = consent_parties(free_ports(6))
    laid_out = partial(_laid_out, members=members)
    with stage_of(folder, "medspace-consent-", laid_out, screen.language) as (home, spaces):
        wallet = WalletProgram(home / "wallet.sealed", randomness.token_bytes(16).hex())
        told = tell_consent(members, spaces, wallet)
        told["seconds"] = round(time.perf_counter() - began, 1)
        screen.show(told, lambda: _show(screen, told))
    return told


def _laid_out(home: Path, members: Sequence[Party]) -> dict[str, Path]:
    """The files of all parties; the hospital offers its data by consent, and has a door for wallets."""
    configs = lay_out(home, members, hold_hospital)
    hospital = members[-1]
    file, more = configs[hospital.key], f'route = "consent"\nprotection = "{COORDINATOR_SEES_SUMS}"\n'
    text = file.read_text(encoding="utf-8").replace("min_sites = 3\n", f"min_sites = 1\n{more}")
    # With one hospital there is nobody to hide among, so its sums leave, as the contract says.
    lines = [line for line in text.splitlines(keepends=True) if not line.startswith("outputs = ")]
    door = f'\n[wallets]\nurl = "http://localhost:{hospital.ports[0]}"\n'
    file.write_text("".join(lines) + door, encoding="utf-8")
    return configs


def tell_consent(members: Sequence[Party], spaces: Mapping[str, Space], wallet: WalletProgram) -> JsonObject:
    """The story itself, on three running connectors and a wallet."""
    holder = members[-1]
    user, hospital = spaces["company"], spaces[holder.key]
    admit(members, spaces)
    others = [str(number) for number in range(1, ROWS + 1) if str(number) != PATIENT]
    hospital.record_consents([_on_paper(one) for one in others])
    given = _consented(hospital, wallet)
    counts = hospital.put_consent_terms(ASSET, PERSON)["counts"]
    agreement = user.negotiate(holder.did, ASSET)
    run = _trained(user, agreement["agreement"])
    seen = wallet.run("uses")["uses"]
    withdrawn = wallet.run("withdraw", FORM, "--yes")
    again = refusal_of(lambda: _trained(user, agreement["agreement"]))
    replay = hospital.replay_consent()
    return {
        "consent": given["id"],
        "reached": counts[PURPOSE],
        "contract": agreement["contract"],
        "rows": run["model"]["quality"]["sites"][0]["rows"],
        "seen": seen,
        "withdrawn": {"time": withdrawn["withdrawn"], "committed": withdrawn["committed"]},
        "again": {name: again.get(name) for name in ("code", "sentence", "next_step")},
        "traced": hospital.uses_of_patient(PATIENT),
        "replay": {"examined": replay["examined"], "outside": replay["outside"]},
    }


def _consented(hospital: Space, wallet: WalletProgram) -> JsonObject:
    """The hospital asks, and the patient says yes in the wallet."""
    hospital.publish_consent_form(FORM, {"purpose": PURPOSE, "words": WORDS, "provision": PROVISION})
    invited = hospital.invite_patient(PATIENT)
    wallet.run("new")
    wallet.run("receive", str(invited["link"]), str(invited["pin"]))
    return wallet.run("consent", FORM, "--yes")


def _trained(user: Space, agreement: str) -> JsonObject:
    return dict(user.train({**heart_task(), "min_sites": 1, "protection": COORDINATOR_SEES_SUMS}, [agreement]))


def _on_paper(patient: str) -> JsonObject:
    """A consent that a patient gave on paper, as a clinical system exports it (FHIR R4)."""
    return {
        "resourceType": "Consent",
        "id": f"paper-{patient}",
        "meta": {"versionId": "1"},
        "status": "active",
        "scope": {"coding": [{"code": "research"}]},
        "patient": {"reference": f"Patient/{patient}"},
        "provision": PROVISION,
    }


def _show(screen: Screen, told: JsonObject) -> None:
    seen, again = told["seen"][0], told["again"]
    language = "zh" if screen.language.startswith("zh") else "en"
    used = {"who": seen["name"], "purpose": seen["words"][language]}
    lines = (
        Text(
            msgid("1. A patient says yes in a wallet; the purpose reaches {count} patients."),
            {"count": told["reached"]},
        ),
        Text(msgid("2. A company trains on {rows} patients, this one among them."), {"rows": told["rows"]}),
        Text(msgid("3. The wallet shows who used the data: {who}, for {purpose}"), used),
        Text(msgid("4. The patient withdraws; the hospital has signed that it was told, and the authority when.")),
        Text(msgid("5. The next use is refused ({code}):"), {"code": again["code"]}),
        Text("   {sentence}", {"sentence": str(again["sentence"])}),
        Text(
            msgid("6. Was every access inside consent? {examined} were examined, {outside} were not."),
            {"examined": told["replay"]["examined"], "outside": len(told["replay"]["outside"])},
        ),
        Text(msgid("The whole story took {seconds} s."), {"seconds": told["seconds"]}),
    )
    for line in lines:
        screen.line(line)
