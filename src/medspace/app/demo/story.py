"""The demo: one story, told with the same SDK that everybody uses, on connectors that listen on this machine."""

import asyncio
import json
import os
import shlex
import signal
import sys
import tempfile
import threading
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from importlib.resources import files
from pathlib import Path

import typer

from medspace.adapters.filenames import is_there
from medspace.adapters.logs import configure_logs
from medspace.app.compose.connector import ConnectorParts, open_connector
from medspace.app.compose.sdk import Space, connect
from medspace.app.compose.serve import serve
from medspace.app.demo.data import HOSPITALS, records, split
from medspace.app.demo.pooled import largest_difference
from medspace.app.demo.space import ASSET, MIN_COHORT, QUESTIONS, Party, free_ports, hold_hospital, lay_out, parties
from medspace.app.doors.cli.screen import Screen
from medspace.app.doors.sdk import SpaceError
from medspace.app.features.accounts.verbs import has_display
from medspace.app.features.audit.auditing import lineage_of_files, verify_files
from medspace.app.features.training.attendance import TOOK_PART
from medspace.app.node.config import read_config
from medspace.core.canonical import JsonObject
from medspace.core.engine import MASKED_SUMS
from medspace.core.errors import InvalidInputError, MedspaceError
from medspace.core.text import Text, msgid

PORTS = 12  # six connectors with two listeners each
STARTUP = 30.0  # seconds for six connectors to start
CHECKED = "cleveland"  # the hospital where an output waits for a person
HELD_WITHIN, PAUSE = 60.0, 0.05  # seconds until it does, and between two looks
Progress = Callable[[Screen, int], AbstractContextManager[Callable[[Text], None]]]

STEPS = (
    msgid("six connectors start"),
    msgid("the authority admits the members"),
    msgid("the company searches the catalogue"),
    msgid("the company tries to download"),
    msgid("the company agrees to train only"),
    msgid("four hospitals train together"),
    msgid("anybody verifies the logs, offline"),
)


class DemoError(MedspaceError):
    """The story did not go as it must."""

    code = "demo.failed"
    sentence = msgid("The demo did not go as it must: {reason}.")
    next_step = msgid("Run it again with --folder to keep its files, and look at the logs of the connectors.")


class DemoFolderError(InvalidInputError):
    """The demo creates a space of its own and overwrites nothing."""

    code = "demo.folder"
    sentence = msgid("The folder {folder} is not empty.")
    next_step = msgid("Name a new folder with --folder, or leave it out.")


def heart_task() -> JsonObject:
    """The training task of the demo."""
    return tomllib.loads((files("medspace.app.demo") / "heart-task.toml").read_text(encoding="utf-8"))


def run_demo(screen: Screen, *, folder: Path | None, port: int, stay: bool, progress: Progress) -> None:
    """Tell the story; with `stay`, keep the space running afterwards until Ctrl-C."""
    configure_logs("error", "text")
    signal.signal(
        signal.SIGTERM, signal.default_int_handler
    )  # exits like Ctrl-C, so that the temporary folder is deleted, keys and all
    began = time.perf_counter()
    with ExitStack() as stack:
        if folder is not None and is_there(folder) and any(folder.iterdir()):
            raise DemoFolderError(folder=str(folder))
        home = folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="medspace-demo-")))
        members = parties(range(port, port + PORTS) if port else free_ports(PORTS))
        configs = lay_out(home, members, hold_hospital)
        with progress(screen, len(STEPS)) as step:
            step(Text(STEPS[0]))
            stack.enter_context(running(list(configs.values())))
            spaces = {
                key: stack.enter_context(connect(file, language=screen.language, owner=True))
                for key, file in configs.items()
            }
            result = tell(members, spaces, home, step, screen.language)
        result["seconds"] = {"total": round(time.perf_counter() - began, 3)}
        screen.show(result, lambda: show(screen, result))
        if stay:
            hold_one(spaces["company"], spaces[CHECKED])
            _show_around(
                screen, configs, spaces["company"].portal_link()["url"], spaces[CHECKED].portal_link()["url"]
            )
        if stay or folder is not None:
            say_how_to_start_again(screen, folder)
        if stay:
            wait_for_the_end(screen)


@contextmanager
def running(configs: Sequence[Path]) -> Iterator[None]:
    """Running connectors, in one event loop in a thread of their own."""
    ready, failure = threading.Event(), list[BaseException]()
    handle: dict[str, object] = {}
    thread = threading.Thread(target=_serve, args=(configs, ready, failure, handle), daemon=True)
    thread.start()
    if not ready.wait(STARTUP):
        raise DemoError(reason=Text(msgid("the connectors did not start in time")))
    if failure:
        raise failure[0]
    try:
        yield
    finally:
        loop, stop = handle["loop"], handle["stop"]
        loop.call_soon_threadsafe(stop.set)  # type: ignore[attr-defined]
        thread.join(STARTUP)


def _serve(
    configs: Sequence[Path], ready: threading.Event, failure: list[BaseException], handle: dict[str, object]
) -> None:
    try:
        asyncio.run(_serve_all(configs, ready, handle))
    except BaseException as error:  # noqa: BLE001 - handed to the thread that waits
        failure.append(error)
        ready.set()


async def _serve_all(configs: Sequence[Path], ready: threading.Event, handle: dict[str, object]) -> None:
    stop, up = asyncio.Event(), asyncio.Semaphore(0)
    handle |= {"loop": asyncio.get_running_loop(), "stop": stop}
    async with asyncio.TaskGroup() as tasks:
        for file in configs:
            connector = await open_connector(read_config(file), ConnectorParts(), lambda _: None)
            tasks.create_task(serve(connector, stop, up.release))
        for _ in configs:
            await up.acquire()
        ready.set()


def tell(
    members: Sequence[Party], spaces: Mapping[str, Space], home: Path, step: Callable[[Text], None], language: str
) -> JsonObject:
    """The story from admission to proof; returns what it showed, as the demo's JSON."""
    company = spaces["company"]
    step(Text(STEPS[1]))
    admit(members, spaces)
    step(Text(STEPS[2]))
    found = company.catalog()
    if len(found) != sum(party.hospital is not None for party in members):
        raise DemoError(reason=Text(msgid("the catalogue shows {count} datasets"), {"count": len(found)}))
    step(Text(STEPS[3]))
    refused = refused_download(company, found[0])
    step(Text(STEPS[4]))
    agreed = [company.negotiate(dataset["participant"], dataset["id"]) for dataset in found]
    step(Text(STEPS[5]))
    run = company.train(heart_task(), [agreement["agreement"] for agreement in agreed])
    step(Text(STEPS[6]))
    bundles = export(spaces, home)
    key = company.status()["authority_key"]
    report = verify_files(bundles, key, language)
    return {
        "download_refused": refused,
        "catalogue": [{"participant": d["participant"], "dataset": d["id"], "title": d["title"]} for d in found],
        "agreement": {"contract": agreed[0]["contract"], "count": len(agreed)},
        "training": _training(run),
        "questions": [spaces[party.key].status()["questions"][0] for party in members if party.hospital],
        "model": {
            "id": run["model"]["id"],
            "digest": run["model"]["digest"],
            "protections": run["model"]["protections"],
            "protection": run["model"]["lineage"]["protection"],
        },
        "lineage": lineage_of_files(bundles, language)["story"],
        "audit": {
            "entries": report["entries"],
            "verified": report["outcome"] == "verified",
            "checks": report["verified"],
            "findings": report["findings"],
            "bundles": [str(bundle) for bundle in bundles],
            "authority_key": key,
        },
        "note": "The demo alone pools the rows, which it made itself, to measure max_abs_diff_vs_pooled; "
        "what fewer than 10 patients of a hospital have is coarsened there in both fits.",
    }


def admit(members: Sequence[Party], spaces: Mapping[str, Space]) -> None:
    """The authority admits everyone, and everyone fetches the list."""
    for party in members:
        if party.role != "authority":
            spaces["authority"].admit(party.did, name=party.name, region=party.region, roles=[party.role])
    for party in members:
        spaces[party.key].refresh()


def refused_download(company: Space, dataset: JsonObject) -> JsonObject:
    """Try to download; returns the refusal with its clause and its next step."""
    try:
        company.download(dataset["participant"], dataset["id"])
    except SpaceError as error:
        problem = error.problem
        return {name: problem.get(name) for name in ("code", "clause", "sentence", "next_step")}
    raise DemoError(reason=Text(msgid("a download was not refused")))


def hold_one(company: Space, hospital: Space) -> str:
    """Begin the training once more, and leave it where a person of one hospital has to let its answer go.

    The hospital asks for review only until then, so that other trainings in this space wait for nobody. Its answers
    are those that it gave before: they tell nothing new.
    """
    label = hospital.label(ASSET)["label"]
    hospital.set_label(ASSET, {**label, "review": True})
    agreements = [one["id"] for one in company.agreements_to_train()]
    company.begin_training(heart_task(), agreements)
    for _ in range(int(HELD_WITHIN / PAUSE)):
        held = hospital.steps("held", most=1)
        if held:
            _no_review(hospital)
            return str(held[0]["id"])
        time.sleep(PAUSE)
    raise DemoError(reason=Text(msgid("no output waits to be checked")))


def _no_review(hospital: Space) -> None:
    """The label of the configuration again, which asks for no review: that allows more, so it is confirmed."""
    told = hospital.reset_label(ASSET, dry=True)
    looser = [one["term"] for one in told["changes"] if one["loosens"]]
    hospital.reset_label(ASSET, loosen=looser, seen=told["seen"])


def export(spaces: Mapping[str, Space], home: Path) -> list[Path]:
    """The signed log of every connector, as files."""
    bundles = []
    for key, space in spaces.items():
        file = home / f"{key}.log.json"
        file.write_text(json.dumps(space.audit_bundle()), encoding="utf-8")
        bundles.append(file)
    return bundles


def _training(run: JsonObject) -> JsonObject:
    model = run["model"]
    coefficients = {term["name"]: float(term["value"]) for term in model["coefficients"]}
    taking_part = {site["name"] for site in model["sites"] if site["status"] == TOOK_PART}
    tables = {hospital.key: split(records())[hospital.key] for hospital in HOSPITALS if hospital.name in taking_part}
    return {
        "rounds": run["rounds"],
        "seconds": run["seconds"],
        "sites": [
            {name: s[name] for name in ("name", "persons", "rows", "auc", "auc_resolution", "brier", "ece")}
            for s in model["quality"]["sites"]
        ],
        "pooled": model["quality"]["pooled"],
        "max_abs_diff_vs_pooled": largest_difference(heart_task(), tables, coefficients, MIN_COHORT),
    }


def show(screen: Screen, result: JsonObject) -> None:
    """The story for people."""
    refused, training, audit = result["download_refused"], result["training"], result["audit"]
    screen.line(Text(msgid("1. The catalogue shows {count} datasets."), {"count": len(result["catalogue"])}))
    screen.line(Text(msgid("2. A download is refused ({code}), by the clause {clause}."), _texts(refused)))
    screen.line(Text("   {sentence}", _texts(refused)))
    screen.line(Text("   {next_step}", _texts(refused)))
    screen.line(
        Text(msgid("3. The contract that {count} hospitals signed:"), {"count": result["agreement"]["count"]})
    )
    for sentence in result["agreement"]["contract"]:
        screen.line(Text("   - {sentence}", {"sentence": sentence}))
    facts = {"rounds": training["rounds"], "seconds": f"{training['seconds']:.1f}"}
    screen.line(
        Text(msgid("4. {rounds} questions that the hospitals asked themselves, {seconds} s, one model:"), facts)
    )
    columns = [Text(msgid("hospital")), Text(msgid("patients")), Text("AUC"), Text("Brier"), Text("ECE")]
    screen.table(Text(msgid("quality per hospital")), columns, [_row(site) for site in training["sites"]])
    facts = {"difference": f"{training['max_abs_diff_vs_pooled']:.1e}"}
    screen.line(
        Text(
            msgid(
                "   Pooling all rows, coarsened alike, as only this demo may, gives the same model to {difference}."
            ),
            facts,
        )
    )
    _say_protection(screen, result["model"])
    _say_limits(screen, result["questions"])
    facts = {"entries": audit["entries"], "checks": audit["checks"]}
    verdict = msgid("5. Verified offline from six signed logs: {entries} entries, {checks} checks, nothing amiss.")
    wrong = msgid("5. The audit of {entries} entries found something amiss.")
    screen.line(Text(verdict if audit["verified"] else wrong, facts))
    screen.line(Text(msgid("The whole story took {seconds} s."), {"seconds": result["seconds"]["total"]}))


def _say_protection(screen: Screen, model: JsonObject) -> None:
    """What left the hospitals, and who saw it."""
    if model["protection"] != MASKED_SUMS:
        for sentence in model["protections"]:
            screen.line(Text("   {sentence}", {"sentence": sentence}))
        return
    screen.line(Text(msgid("   No hospital's numbers left it except in the sum over all; the company chose the")))
    screen.line(
        Text(msgid("   task and nothing else, and saw only the model. Of a hospital alone its contract lets"))
    )
    screen.line(Text(msgid("   out what the table shows: how many patients it has, how good the model is there.")))


def _say_limits(screen: Screen, questions: Sequence[JsonObject]) -> None:
    """What the hospitals still answer this year, and what that protects."""
    used = msgid(
        "   Each hospital has answered up to {used} of {limit} questions of this year: the demo's own setting;"
    )
    screen.line(Text(used, {"used": max(one["used"] for one in questions), "limit": QUESTIONS}))
    screen.line(Text(msgid("   by default a dataset answers one a year for every ten of its patients.")))
    screen.line(Text(msgid("   Nothing adds noise to what the model tells of all patients together: what can still")))
    screen.line(Text(msgid("   be read out of it is in docs/security.md.")))


def _texts(problem: JsonObject) -> dict[str, str]:
    return {name: str(value) for name, value in problem.items()}


def _row(site: JsonObject) -> tuple[str, ...]:
    shown = ("-" if site[name] is None else f"{site[name]:.3f}" for name in ("auc", "brier", "ece"))
    return (site["name"], str(site["persons"]), *shown)


def _show_around(screen: Screen, configs: Mapping[str, Path], link: str, checking: str) -> None:
    """What to try while it runs, with the company's pages open in a browser, where there is a display."""
    screen.line(Text(msgid("Look at it in a browser, as the company (once, within ten minutes):")))
    screen.line(Text("  {link}", {"link": link}))
    screen.line(Text(msgid("And as a hospital, where an output waits to be checked (in the same way):")))
    screen.line(Text("  {link}", {"link": checking}))
    if has_display(os.environ, sys.platform):
        typer.launch(link)
    company = configs["company"]
    bundles = company.parent.parent / "*.log.json"
    screen.line(Text(msgid("The space is still running. Try, in another terminal:")))
    for command in (
        f"medspace portal --no-browser --config {configs['cleveland']}",
        f"medspace steps --config {configs[CHECKED]}",
        f"medspace catalog --config {company}",
        f"medspace agreements --config {company}",
        f"medspace policy try {ASSET} --purpose dpv:Marketing --config {configs['cleveland']}",
        f"medspace audit lineage {bundles}",
    ):
        screen.line(Text("  {command}", {"command": command}))


def say_how_to_start_again(screen: Screen, folder: Path | None) -> None:
    """What starts the space again once it has ended; of one in a temporary folder nothing is left."""
    if folder is None:
        told = msgid(
            "The folder of this space is deleted when it ends. To make one that stays and can be started again:"
        )
        command = "medspace demo --folder space"
    else:
        told = msgid("To start this space again once it has ended, all its connectors together:")
        each = f'for one in {shlex.quote(str(folder))}/*/; do medspace up "$one" & done'
        command = f"(trap 'kill 0' INT; {each}; wait)"
    screen.line(Text(told))
    screen.line(Text("  {command}", {"command": command}))


def wait_for_the_end(screen: Screen) -> None:
    """Wait for Ctrl-C, which takes effect as soon as the hint is printed."""
    with suppress(KeyboardInterrupt):
        screen.line(Text(msgid("Ctrl-C ends it.")))
        sys.stdout.flush()
        threading.Event().wait()
