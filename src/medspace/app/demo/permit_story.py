"""The story of a data permit: three processes on this machine, from the application to the end of a running use.

A company that applies, an access body that is the authority of the space as well, and a hospital; each a connector in
a process of its own, asked with the same SDK that everybody uses.
"""

import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from medspace.app.compose.sdk import Space
from medspace.app.demo.data import HOSPITALS
from medspace.app.demo.processes import stage_of
from medspace.app.demo.space import ASSET, PURPOSE, Party, free_ports, hold_hospital, lay_out
from medspace.app.demo.story import heart_task
from medspace.app.demo.waiting import refusal_of, until
from medspace.app.doors.cli.screen import Screen
from medspace.core.canonical import JsonObject
from medspace.core.engine import COORDINATOR_SEES_SUMS
from medspace.core.text import Text, msgid

OPTED_OUT = tuple(str(number) for number in range(1, 13))  # rows of twelve patients
TRAIN = "medspace:train"
APPLICATION: JsonObject = {
    "people": ["Ada Example", "Bo Example"],
    "purposes": [PURPOSE],
    "since": "2026-01-01T00:00:00Z",
    "until": "2029-12-31T23:59:59Z",
    "title": "What predicts heart disease",
    "summary": "A model from the records of a hospital; the records stay there.",
    "safeguards": "Only sums leave the hospital.",
}


def permit_parties(ports: Sequence[int]) -> tuple[Party, ...]:
    """The three parties, with two ports each from a range of six."""
    hospital = HOSPITALS[0]
    return (
        Party("body", "Health Data Access Body", "HU", "authority", (ports[0], ports[1])),
        Party("company", "Cardio Analytics", "CH", "user", (ports[2], ports[3])),
        Party(hospital.key, hospital.name, hospital.region, "holder", (ports[4], ports[5]), hospital),
    )


def run_permit(screen: Screen, folder: Path | None = None) -> JsonObject:
    """Tell the story; returns what it showed."""
    began = time.perf_counter()
    members = permit_parties(free_ports(6))
    laid_out = partial(_laid_out, members=members)
    with stage_of(folder, "medspace-permit-", laid_out, screen.language) as (_, spaces):
        told = tell_permit(members, spaces)
        told["seconds"] = round(time.perf_counter() - began, 1)
        screen.show(told, lambda: _show(screen, told))
    return told


def _laid_out(home: Path, members: Sequence[Party]) -> dict[str, Path]:
    """The files of all parties; the hospital offers its data by permit."""
    configs = lay_out(home, members, hold_hospital)
    body, hospital = members[0], members[-1]
    file = configs[hospital.key]
    more = f'credentials = ["DataPermit@{body.did}"]\nroute = "permit"\nprotection = "{COORDINATOR_SEES_SUMS}"\n'
    text = file.read_text(encoding="utf-8").replace("min_sites = 3\n", f"min_sites = 1\n{more}")
    # With one hospital there is nobody to hide among, so its sums leave, as the contract says.
    lines = (line for line in text.splitlines(keepends=True) if not line.startswith("outputs = "))
    file.write_text("".join(lines), encoding="utf-8")
    return configs


def tell_permit(members: Sequence[Party], spaces: Mapping[str, Space]) -> JsonObject:
    """The story itself, on three running connectors."""
    at, company, holder = members
    body, user, hospital = (spaces[party.key] for party in members)
    for party in (company, holder):
        body.admit(party.did, name=party.name, region=party.region, roles=[party.role])
        spaces[party.key].refresh()
    body.believe("DataPermit", [at.did], where=f"{at.did}#permits")
    refused = refusal_of(lambda: user.negotiate(holder.did, ASSET))
    case = user.apply_for_permit(at.did, {**APPLICATION, "datasets": [{"holder": holder.did, "dataset": ASSET}]})[
        "id"
    ]
    until(lambda: body.permit(case))
    body.ask_permit(case, "How long will you keep the model?")
    until(lambda: user.permit(case)["state"] == "questioned")
    user.answer_permit(case, "Until the end of 2029, then it is deleted.")
    until(lambda: body.permit(case)["state"] == "applied")
    body.decide_permit(
        case,
        "It serves research, and no record leaves the hospital.",
        granted=True,
        less={"people": ["Ada Example"], "conditions": ["The model is published."], "fees": "120.00 EUR"},
    )
    until(lambda: user.permit(case)["state"] == "granted")
    until(lambda: any(one["state"] == "holds" for one in hospital.received_credentials()))
    hospital.set_opt_outs(ASSET, "id", OPTED_OUT)
    agreement = user.negotiate(holder.did, ASSET)
    run = user.train({**heart_task(), "min_sites": 1, "protection": COORDINATOR_SEES_SUMS}, [agreement["agreement"]])
    use = user.request(agreement["agreement"], TRAIN)["id"]
    revoked = time.perf_counter()
    body.revoke_permit(case, "The study has ended.")
    until(lambda: user.use(use)["state"] == "TERMINATED")
    ended = time.perf_counter() - revoked
    return {
        "refused": {name: refused.get(name) for name in ("code", "sentence", "next_step")},
        "case": case,
        "contract": agreement["contract"],
        "rows": run["model"]["quality"]["sites"][0]["rows"],
        "opted_out": len(OPTED_OUT),
        "ended": {"seconds": round(ended, 3), "code": user.use(use)["problem"]["code"]},
        "again": refusal_of(lambda: user.request(agreement["agreement"], TRAIN))["code"],
        "register": user.permit_register(at.did),
    }


def _show(screen: Screen, told: JsonObject) -> None:
    refused, register = told["refused"], told["register"][0]
    lines = (
        Text(msgid("1. Without a permit the hospital refuses ({code}):"), {"code": refused["code"]}),
        Text("   {sentence}", {"sentence": str(refused["sentence"])}),
        Text("   {next_step}", {"next_step": str(refused["next_step"])}),
        Text(msgid("2. The company applies, is asked something, answers; the access body grants.")),
        Text(
            msgid("3. It trains on {rows} patients: {count} have opted out, and stay out."),
            {"rows": told["rows"], "count": told["opted_out"]},
        ),
        Text(
            msgid("4. The permit is revoked: {seconds} s later the running use is over ({code})."),
            {"seconds": told["ended"]["seconds"], "code": told["ended"]["code"]},
        ),
        Text(
            msgid("5. The public register says that {title} was revoked: {reasons}"),
            {"title": str(register["title"]), "reasons": str(register["revoked"])},
        ),
        Text(msgid("The whole story took {seconds} s."), {"seconds": told["seconds"]}),
    )
    for line in lines:
        screen.line(line)
