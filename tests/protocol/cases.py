"""The cases of the official conformance kit as one table: an id, what the system's script does, what the runner does.

Steps are read from left to right:
    >m      send message m, which must succeed
    !m      send message m, which must be rejected (4xx and not 404)
    ?m      from now on, message m of the system is answered (before, its path is unknown: 404)
    <m      wait until message m has arrived
    =S      the system says, on GET, that the process is in state S
`trigger` asks the system under test to begin as consumer. MET and CAT cases have steps of their own.
"""

import json
from dataclasses import dataclass, field
from typing import Any

Script = dict[str, list[str]]


@dataclass(frozen=True)
class Case:
    """One case; `id` is that of the official kit, or begins with `X_` where the kit has none."""

    id: str
    script: Script
    steps: str
    ids: dict[str, str] = field(default_factory=dict)

    @property
    def family(self) -> str:
        """What is tested: MET, CAT, CN, CN_C, TP or TP_C."""
        return self.id.removeprefix("X_").partition(":")[0]

    @property
    def key(self) -> str:
        """The id as it stands in names of datasets and agreements."""
        return self.id.replace(":", "_").replace("-", "_")

    @property
    def dataset(self) -> str:
        """The id of the dataset by which the system finds this case's script."""
        return self.ids.get("dataset", f"dataset_{self.key}")

    @property
    def agreement(self) -> str:
        """The id of the agreement by which the system finds this case's script."""
        return f"agreement_{self.key}"


def _row(id_: str, script: str, steps: str, **ids: str) -> Case:
    reactions: Script = {}
    for reaction in filter(None, (part.strip() for part in script.split(";"))):
        trigger, _, actions = reaction.partition(":")
        reactions[trigger.strip()] = actions.split()
    return Case(id_, reactions, steps, ids)


METADATA_AND_CATALOGUE = (
    _row("MET:01-01", "", "version"),
    _row("CAT:01-01", "", "catalogue"),
    _row("CAT:01-02", "", "dataset"),
    _row("CAT:01-03", "", "unknown-dataset"),
)

AGREE = "request: agree; verified: finalize"

NEGOTIATION_AS_PROVIDER = (
    _row("CN:01-01", "request: offer", "?offers >request <offers >termination =TERMINATED"),
    _row(
        "CN:01-02",
        "request: offer; counter: terminate",
        "?offers >request <offers ?termination >counter <termination",
    ),
    _row(
        "CN:01-03",
        "request: offer; accepted: agree; verified: finalize",
        "?offers >request <offers ?agreement >accepted <agreement ?finalized >verification <finalized",
    ),
    _row("CN:01-04", AGREE, "?agreement >request <agreement ?finalized >verification <finalized"),
    _row("CN:02-01", "request: terminate", ">request ?termination <termination"),
    _row("CN:02-02", "", ">request >termination =TERMINATED"),
    _row("CN:02-03", "request: agree", "?agreement >request <agreement >termination =TERMINATED"),
    _row("CN:02-04", "request: offer", "?offers >request <offers >termination =TERMINATED"),
    _row("CN:02-05", "request: offer terminate", "?offers >request <offers ?termination <termination"),
    _row(
        "CN:02-06",
        "request: offer; accepted: terminate",
        "?offers >request <offers >accepted ?termination <termination",
    ),
    _row(
        "CN:02-07",
        "request: agree; verified: terminate",
        "?agreement >request <agreement ?termination >verification <termination",
    ),
    _row(
        "CN:03-01",
        AGREE,
        "?agreement >request <agreement ?finalized >verification <finalized =FINALIZED !termination",
    ),
    _row("CN:03-02", "request: offer", "?offers >request <offers !verification"),
    # The agreement that the script sends meets 404, so the system stays in ACCEPTED.
    _row("CN:03-03", "request: offer; accepted: agree", "?offers >request <offers >accepted !verification"),
    _row("CN:03-04", "request: offer", "?offers >request <offers >counter !counter"),
)

NEGOTIATION_AS_CONSUMER = (
    _row(
        "CN_C:01-01",
        "offer: accept; agreement: verify",
        "?request >trigger <request ?accepted >offers <accepted ?verification >agreement <verification"
        " >finalized =FINALIZED",
    ),
    _row("CN_C:01-02", "offer: counter", "?request >trigger <request ?counter >offers <counter >termination"),
    _row(
        "CN_C:01-03", "offer: terminate", "?request >trigger <request ?termination >offers <termination =TERMINATED"
    ),
    _row(
        "CN_C:01-04",
        "agreement: verify",
        "?request >trigger <request ?verification >agreement <verification >finalized =FINALIZED",
    ),
    _row("CN_C:02-01", "", "?request >trigger <request >termination =TERMINATED"),
    _row("CN_C:02-02", "requested: terminate", "?request >trigger <request ?termination <termination =TERMINATED"),
    _row(
        "CN_C:02-03",
        "agreement: terminate",
        "?request >trigger <request ?termination >agreement <termination =TERMINATED",
    ),
    _row("CN_C:02-04", "", "?request >trigger <request >offers =OFFERED >termination =TERMINATED"),
    _row(
        "CN_C:02-05",
        "offer: accept",
        "?request >trigger <request ?accepted >offers <accepted >termination =TERMINATED",
    ),
    _row(
        "CN_C:02-06",
        "agreement: verify",
        "?request >trigger <request ?verification >agreement <verification >termination =TERMINATED",
    ),
    _row("CN_C:03-01", "", "?request >trigger <request !finalized =REQUESTED"),
    _row("CN_C:03-02", "", "?request >trigger <request >offers =OFFERED !agreement =OFFERED"),
    _row("CN_C:03-03", "", "?request >trigger <request >offers !finalized =OFFERED"),
    _row(
        "CN_C:03-04", "offer: accept", "?request >trigger <request ?accepted >offers <accepted !finalized =ACCEPTED"
    ),
    _row("CN_C:03-05", "offer: accept", "?request >trigger <request ?accepted >offers <accepted !offers =ACCEPTED"),
    # A verification may be tried here; nothing answers it, so it is never acknowledged.
    _row(
        "CN_C:03-06",
        "offer: accept; agreement: verify",
        "?request >trigger <request ?accepted >offers <accepted >agreement !finalized =AGREED",
    ),
)

TRANSFER_AS_PROVIDER = (
    _row("TP:01-01", "request: start terminate", "?start >request <start ?termination <termination =TERMINATED"),
    _row("TP:01-02", "request: start complete", "?start >request <start ?completion <completion =COMPLETED"),
    _row(
        "TP:01-03",
        "request: start suspend terminate",
        "?start >request <start ?suspension <suspension ?termination <termination =TERMINATED",
    ),
    _row(
        "TP:01-04",
        "request: start suspend start complete",
        "?start >request <start ?suspension <suspension ?start <start ?completion <completion =COMPLETED",
    ),
    _row("TP:01-05", "request: terminate", "?termination >request <termination =TERMINATED"),
    _row("TP:02-01", "request: start", "?start >request <start =STARTED >termination =TERMINATED"),
    _row("TP:02-02", "request: start", "?start >request <start =STARTED >completion =COMPLETED"),
    _row(
        "TP:02-03",
        "request: start",
        "?start >request <start >suspension =SUSPENDED >termination =TERMINATED",
    ),
    _row("TP:02-05", "", ">request =REQUESTED >termination =TERMINATED"),
    _row("TP:03-01", "", ">request =REQUESTED !completion =REQUESTED"),
    _row("TP:03-02", "", ">request =REQUESTED !suspension =REQUESTED"),
    _row("TP:03-03", "request: start", "?start >request <start >suspension !completion =SUSPENDED"),
    _row("TP:03-04", "request: start", "?start >request <start >termination !start =TERMINATED"),
    _row("TP:03-05", "request: start", "?start >request <start >termination !suspension =TERMINATED"),
    _row("TP:03-06", "request: start", "?start >request <start >termination !completion =TERMINATED"),
)

TRANSFER_AS_CONSUMER = (
    _row("TP_C:01-01", "", "?request >trigger <request >start =STARTED >termination =TERMINATED"),
    _row("TP_C:01-02", "", "?request >trigger <request >start =STARTED >completion =COMPLETED"),
    _row(
        "TP_C:01-03",
        "",
        "?request >trigger <request >start =STARTED >suspension =SUSPENDED >termination =TERMINATED",
    ),
    _row(
        "TP_C:01-04",
        "",
        "?request >trigger <request >start =STARTED >suspension =SUSPENDED >start =STARTED >completion =COMPLETED",
    ),
    _row("TP_C:01-05", "", "?request >trigger <request >termination =TERMINATED"),
    _row(
        "TP_C:02-01",
        "start: terminate",
        "?request >trigger <request ?termination >start <termination =TERMINATED",
    ),
    _row("TP_C:02-02", "start: complete", "?request >trigger <request ?completion >start <completion =COMPLETED"),
    _row(
        "TP_C:02-03",
        "start: suspend terminate",
        "?request >trigger <request ?suspension >start <suspension ?termination <termination =TERMINATED",
    ),
    _row("TP_C:02-05", "requested: terminate", "?request >trigger <request ?termination <termination =TERMINATED"),
    _row("TP_C:03-01", "", "?request >trigger <request =REQUESTED !completion =REQUESTED"),
    _row("TP_C:03-02", "", "?request >trigger <request =REQUESTED !suspension =REQUESTED"),
    _row(
        "TP_C:03-03",
        "",
        "?request >trigger <request >start =STARTED >suspension =SUSPENDED !completion =SUSPENDED",
    ),
    _row(
        "TP_C:03-04",
        "",
        "?request >trigger <request >start =STARTED >termination =TERMINATED !start =TERMINATED",
    ),
    _row(
        "TP_C:03-05",
        "",
        "?request >trigger <request >start =STARTED >termination =TERMINATED !suspension =TERMINATED",
    ),
    _row(
        "TP_C:03-06",
        "",
        "?request >trigger <request >start =STARTED >termination =TERMINATED !completion =TERMINATED",
    ),
)

CASES = (
    *METADATA_AND_CATALOGUE,
    *NEGOTIATION_AS_PROVIDER,
    *NEGOTIATION_AS_CONSUMER,
    *TRANSFER_AS_PROVIDER,
    *TRANSFER_AS_CONSUMER,
)

# Written in the official kit but switched off there; a conformant connector passes them all the same.
DISABLED_UPSTREAM = (
    _row(
        "TP:02-04",
        "request: start",
        "?start >request <start >suspension =SUSPENDED >start =STARTED >completion =COMPLETED",
    ),
    _row(
        "TP_C:02-04",
        "start: suspend start complete",
        "?request >trigger <request ?suspension >start <suspension ?start <start ?completion <completion =COMPLETED",
    ),
)

# Long enough for the system's first message to meet an unknown path.
UNHEARD = "=REQUESTED =REQUESTED =REQUESTED =REQUESTED"

# What the protocol demands and the official kit does not look at.
BEYOND_THE_KIT = (
    _row("X_CN:01", "", ">request >again =REQUESTED"),
    _row("X_CN:02", "request: agree", "?agreement >request <agreement >again =AGREED"),
    _row("X_CN:03", "", ">request !accepted =REQUESTED"),
    _row("X_CN:04", "request: offer", "?offers >request <offers >counter !accepted =REQUESTED"),
    _row("X_CN:05", "", ">request >termination !termination =TERMINATED"),
    _row("X_CN:06", "request: agree", "?agreement >request <agreement !accepted =AGREED"),
    # What is sent while nobody answers has not happened; it is sent again.
    _row("X_CN:07", "request: offer", f">request {UNHEARD} ?offers <offers =OFFERED"),
    _row("X_CN:08", "request: agree; verified: finalize", "?agreement >request <agreement >verification =VERIFIED"),
    # The official kit's own counter-offer in CN:01-02 names an offer and a dataset that nobody has.
    _row(
        "X_CN:09",
        "request: offer; counter: terminate",
        "?offers >request <offers ?termination >counter-elsewhere <termination =TERMINATED",
    ),
    _row(
        "X_CN_C:01",
        "offer: accept; agreement: verify",
        "?accepted >first-offer <accepted ?verification >agreement <verification >finalized =FINALIZED",
    ),
    _row("X_CN_C:02", "", ">first-offer >again =OFFERED"),
    _row("X_CN_C:03", "", ">first-offer !agreement >termination =TERMINATED"),
    _row("X_CN_C:04", "offer: accept", "?request >trigger <request >offers =OFFERED"),
    _row("X_CN_C:05", "", "?request >trigger <request >agreement !agreement =AGREED"),
    _row(
        "X_CN_C:06",
        "requested: terminate",
        f"?request >trigger <request {UNHEARD} ?termination <termination =TERMINATED",
    ),
    _row("X_TP:01", "", ">request >again =REQUESTED"),
    _row("X_TP:02", "request: start", "?start >request <start =STARTED >again =STARTED"),
    _row("X_TP:03", "request: start", "?start >request <start =STARTED !start =STARTED"),
    _row(
        "X_TP:04",
        "request: start complete",
        "?start >request <start ?completion <completion =COMPLETED !termination =COMPLETED",
    ),
    _row("X_TP_C:01", "", "?request >trigger <request >start =STARTED !start =STARTED"),
    _row("X_TP_C:02", "start: complete", "?request >trigger <request >start =STARTED"),
)

ALL = {case.id: case for case in (*CASES, *DISABLED_UPSTREAM, *BEYOND_THE_KIT)}


def reactions(*cases: Case) -> dict[str, Any]:
    """The reaction script by which a system under test can play its part in these cases."""
    script: dict[str, dict[str, Script]] = {"datasets": {}, "agreements": {}}
    for case in cases:
        if case.family.startswith("TP"):
            script["agreements"][case.agreement] = case.script
        elif case.family != "MET":
            script["datasets"][case.dataset] = case.script
    return script


if __name__ == "__main__":
    print(json.dumps(reactions(*ALL.values()), indent=1))  # noqa: T201 - what this command is for
