"""What still is to do until a new connector works: its steps in order, each with its state and what does it.

What only a restart or a terminal changes is said as the lines of the configuration and the command; nothing here
changes anything.
"""

import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from medspace.app.node.config import Config
from medspace.app.node.networks import is_loopback
from medspace.core.canonical import JsonObject
from medspace.core.text import Text, msgid

DONE, TO_DO, LATER = "done", "to-do", "later"
EXAMPLE = "https://medspace.hospital.example"


@dataclass(frozen=True, slots=True)
class SetupFacts:
    """What the steps are decided by: the configuration, and what the running connector knows."""

    config: Config
    member: bool  # whether the authority has listed it
    passkey: bool | None  # whether whoever asks has one; None where nobody can
    datasets: int


@dataclass(frozen=True, slots=True)
class SetupStep:
    """One step: `lines` are what to write into the configuration, `commands` what to type, `page` where to go.

    Its `state` is `done`, `to-do`, or `later` for what not everybody needs.
    """

    name: str  # a msgid
    state: str
    found: Text
    lines: str = ""
    commands: tuple[str, ...] = ()
    page: str = ""  # below /portal

    def told(self, speak: Callable[[str], str]) -> JsonObject:
        """The step as JSON, in the words of one language."""
        return {
            "name": speak(self.name),
            "state": self.state,
            "sentence": self.found.render(speak),
            "lines": self.lines,
            "commands": list(self.commands),
            "page": self.page,
        }


def steps_of(facts: SetupFacts) -> Sequence[SetupStep]:
    """All steps, in the order in which they are done; the doctor is asked last, by whoever shows them."""
    return tuple(_steps(facts))


def _steps(facts: SetupFacts) -> Iterator[SetupStep]:
    config = facts.config
    yield _name(config)
    yield _address(config)
    yield _certificate(config)
    yield _region(config)
    yield _authority(facts)
    if facts.passkey is not None:
        yield _passkey(facts)
    yield _dataset(facts)


def _name(config: Config) -> SetupStep:
    name = msgid("Name")
    if config.participant.name.strip():
        return SetupStep(name, DONE, Text(msgid("Others see {name}."), {"name": config.participant.name}))
    found = Text(msgid("Others see no name of this participant."))
    return SetupStep(name, TO_DO, found, '[participant]\nname = "Hospital"', _restart(config))


def _address(config: Config) -> SetupStep:
    name = msgid("Address")
    if config.in_production:
        found = Text(msgid("Others reach it at {url}; its identity is {did}."), _place(config))
        return SetupStep(name, DONE, found)
    found = Text(
        msgid(
            "It is reached from this machine only, at {url}. That is enough to try it out; say how others reach it "
            "before you join a space, since its identity {did} follows from the address."
        ),
        _place(config),
    )
    lines = f'[public]\nurl = "{EXAMPLE}"\nbehind_proxy = true\n\n[network]\nallow = []'
    return SetupStep(name, LATER, found, lines, _restart(config))


def _certificate(config: Config) -> SetupStep:
    name = msgid("Certificate")
    if config.public.certificate:
        found = Text(msgid("It shows the certificate of {file}."), {"file": config.public.certificate})
        return SetupStep(name, DONE, found)
    if config.public.behind_proxy:
        return SetupStep(name, DONE, Text(msgid("A proxy in front of it shows the certificate.")))
    found = Text(
        msgid("Nobody else reaches it, so it needs none yet. Without a proxy that has one, it shows its own:")
    )
    lines = '[public]\ncertificate = "/etc/ssl/medspace.pem"\ncertificate_key = "/etc/ssl/medspace.key"'
    state = LATER if is_loopback(config.public.host) else TO_DO
    return SetupStep(name, state, found, lines, _restart(config))


def _region(config: Config) -> SetupStep:
    name = msgid("Region")
    if config.participant.region:
        found = Text(msgid("It says that it is in {region}."), {"region": config.participant.region})
        return SetupStep(name, DONE, found)
    found = Text(msgid("It does not say where it is; contracts may allow some regions only."))
    return SetupStep(name, TO_DO, found, '[participant]\nregion = "CN"', _restart(config))


def _authority(facts: SetupFacts) -> SetupStep:
    name, config = msgid("Authority"), facts.config
    did = {"did": config.space.authority}
    if config.is_authority:
        return SetupStep(name, DONE, Text(msgid("This connector is the authority of its space.")), page="/members")
    if facts.member:
        return SetupStep(name, DONE, Text(msgid("It is a member of the space of {did}."), did), page="/members")
    found = Text(msgid("The authority {did} has not admitted it yet. Whoever runs the authority types:"), did)
    region = f" --region {shlex.quote(config.participant.region)}" if config.participant.region else ""
    command = f"medspace admit {shlex.quote(config.did)} --name {shlex.quote(config.participant.name)}{region}"
    return SetupStep(name, TO_DO, found, commands=(command,))


def _passkey(facts: SetupFacts) -> SetupStep:
    name = msgid("First passkey")
    if facts.passkey:
        return SetupStep(name, DONE, Text(msgid("You have a passkey and sign in with it.")), page="/preferences")
    found = Text(msgid("You came by a link that counts once. A passkey lets you in again, and confirms what binds."))
    return SetupStep(name, TO_DO, found, page="/preferences")


def _dataset(facts: SetupFacts) -> SetupStep:
    name = msgid("First dataset")
    if facts.datasets:
        found = Text(msgid("Datasets here: {count}."), {"count": facts.datasets})
        return SetupStep(name, DONE, found, page="/offers")
    found = Text(msgid("It offers no data. Who only works with the data of others needs none."))
    return SetupStep(
        name, LATER, found, commands=(f"medspace draft FILE -c {_file(facts.config)}",), page="/offers/new"
    )


def _restart(config: Config) -> tuple[str, ...]:
    """What to type once the configuration was changed: look at it, and start the connector again."""
    return (f"medspace doctor -c {_file(config)}", f"medspace up {_file(config)}")


def _file(config: Config) -> str:
    return shlex.quote(str(config.path(config.file)))


def _place(config: Config) -> dict[str, str]:
    return {"url": config.base_url, "did": config.did}
