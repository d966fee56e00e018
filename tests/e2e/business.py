"""What a data user does with a data holder, by the management API, while connectors come and go."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from medspace.app.compose.sdk import Space
from medspace.app.doors.sdk import SpaceError
from medspace.app.features.setup.service import Wishes, set_up
from medspace.app.node.config import read_config
from medspace.connector.errors import TransitionError
from tests.e2e.crash import FUNCTION, PATIENCE, Crowd, Deadline, Node, insist, until
from tests.e2e.zygote import Zygote
from tests.ports import claim

KIND = "medspace:train"
# The terms alone answer, as often as they are asked, and one holder is enough.
TRIAL: dict[str, Any] = {"rows_are_persons": True, "answers": "automatic", "count": None, "min_sites": 1}
WALKS = (
    ("complete",),
    ("terminate",),
    ("suspend", "terminate"),
    ("suspend", "resume", "complete"),
    ("suspend", "resume", "suspend", "resume", "terminate"),
)
REACHED = {"complete": "COMPLETED", "terminate": "TERMINATED", "suspend": "SUSPENDED", "resume": "STARTED"}


class TransitionRefused(Exception):  # noqa: N818 - what was asked for has happened already
    """The process is in another state."""


def steer(space: Space, pid: str, verb: str) -> None:
    try:
        space.steer(pid, verb)
    except SpaceError as error:
        if error.code == TransitionError.code:
            raise TransitionRefused from error
        raise


def table(folder: Path) -> Path:
    """A hospital's rows."""
    file = folder / "heart.csv"
    rows = "".join(f"{40 + number % 40},{number % 2}\n" for number in range(60))
    file.write_text("age,disease\n" + rows, encoding="utf-8")
    return file


def configs(folder: Path, users: tuple[str, ...]) -> dict[str, Path]:
    """A holder, who is the authority too, and users."""
    holder = set_up(folder / "holder", Wishes("Holder", claim(2)[0], region="DE", offer=table(folder), **TRIAL))
    made = {"holder": Path(holder["config"])}
    alone = made["holder"].read_text(encoding="utf-8")  # one hospital: its sums are seen, and the terms say so
    seen = alone.replace("min_sites = 1\n", 'min_sites = 1\nprotection = "coordinator-sees-sums"\n')
    many = seen.replace("\n[assets.label]", "numbers = 1000000\n\n[assets.label]")  # they train over and over
    made["holder"].write_text(many, encoding="utf-8")
    for name in users:
        wishes = Wishes(name, claim(2)[0], holder["did"], holder["public_key"], region="DE")
        made[name] = Path(set_up(folder / name, wishes)["config"])
    return made


@contextmanager
def members(folder: Path, *users: str) -> Iterator[Crowd]:
    """A holder and users, running, each a member of the holder's space."""
    with Zygote(FUNCTION) as zygote, Crowd(configs(folder, users), zygote) as crowd:
        holder, *others = crowd.nodes
        for user in others:
            user.wait()
            with holder.space() as authority:
                admit(authority, user)
        yield crowd


def admit(authority: Space, user: Node) -> None:
    """Put a user on the members list."""
    insist(lambda: authority.admit(read_config(user.config).did, name=user.name, region="DE"))


class Business:
    """What the user does with the holder; keeps what was confirmed."""

    def __init__(self, holder: Node, user: Node) -> None:
        self.holder, self.user = holder, user
        self.did = read_config(holder.config).did
        self.negotiations: set[str] = set()
        self.transfers: dict[str, str] = {}  # pid -> the state that was seen last

    def turn(self, chance: random.Random) -> None:
        """Agree, then use the agreement once or twice."""
        with self.user.space() as user, self.holder.space() as holder:
            agreement = self.agree(user)
            for _ in range(chance.randint(1, 2)):
                self.use(agreement, user, holder, chance)

    def agree(self, user: Space) -> str:
        body = {"participant": self.did, "dataset": "heart", "offer": ""}
        begun = insist(lambda: user._post("/negotiations", body))
        self.negotiations.add(begun["id"])
        ended = until(lambda: user._get(f"/negotiations/{begun['id']}"), "FINALIZED", "TERMINATED")
        assert ended["state"] == "FINALIZED", ended
        return str(ended["agreement"])

    def use(self, agreement: str, user: Space, holder: Space, chance: random.Random) -> None:
        begun = insist(lambda: user._post("/transfers", {"agreement": agreement, "format": KIND, "address": None}))
        self.transfers[begun["id"]] = ""
        look = self.looking(user, begun["id"])
        started = until(look, "STARTED", "TERMINATED")
        assert started["state"] == "STARTED", started
        twin = started["endpoint"].rpartition("/")[2]  # a job has the holder's pid of its transfer
        by_holder = False
        for verb in chance.choice(WALKS):
            # What one side has suspended only that side resumes.
            by_holder = by_holder if verb == "resume" else chance.random() < 0.5
            space, pid = (holder, twin) if by_holder else (user, begun["id"])
            self.steer(space, pid, verb)
            self.transfers[begun["id"]] = until(look, REACHED[verb])["state"]

    def looking(self, space: Space, pid: str) -> Callable[[], dict[str, Any]]:
        return lambda: space._get(f"/transfers/{pid}")

    def steer(self, space: Space, pid: str, verb: str) -> None:
        """Say it until it is so on this side; said twice, the second time is refused."""
        deadline = Deadline(PATIENCE)
        while True:
            with suppress(TransitionRefused):
                insist(lambda: steer(space, pid, verb))
            if (found := insist(self.looking(space, pid)))["state"] == REACHED[verb]:
                return
            assert not deadline.passed(), f"it could not be told to {verb}: {found}"
            time.sleep(0.01)
