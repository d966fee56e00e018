"""`kill -9` in the middle of a masked run, of a hospital and of the coordinator: it resumes to the same model.

Who is killed when is said by the steps that another hospital answers, so that nothing waits for a time to pass.
"""

import threading
from contextlib import contextmanager, suppress

import pytest

from medspace.core.errors import MedspaceError
from medspace.learning.glm.engine import GlmEngine
from tests.e2e.house.killable import Killable, eventually
from tests.e2e.space import HOSPITALS, MASKED, add_masked, staged

OF_THE_RUN = ("id", "run", "created", "lineage", "digest")  # names and times; all else is what came of it
PROGRAM = ("-m", "tests.e2e.house.connector")


def watched(patch, bell, holder):
    """A hospital rings once a step of a name and question has come; on the way to it questions are sealed."""
    honest = GlmEngine.answer

    def answer(self, admission, step, workplace):
        if admission.holder == holder:
            ring = bell.pop((step.name, step.inputs.get("question")), None)
            if ring is not None:
                ring()
        return honest(self, admission, step, workplace)

    patch.setattr(GlmEngine, "answer", answer)


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch, staged(tmp_path_factory.mktemp("killed")) as stage:
        stage.bell = {}
        add_masked(stage)
        watched(patch, stage.bell, stage.nodes["south"].did)
        stage.open("authority", "south", "west", "east")
        stage.apart = {key: Killable(stage.nodes[key], *PROGRAM) for key in ("north", "user")}
        try:
            for one in stage.apart.values():
                one.start()
            stage.admit()
            for key in stage.apart:
                stage.space(key).refresh()
            stage.agreements = [stage.agree("user", key) for key in HOSPITALS]
            yield stage
        finally:
            for one in stage.apart.values():
                one.stop()


def outcome(stage):
    """What comes of one more run, but for its names and times; numbers are exact text."""
    space = stage.space("user")
    before = {run["id"] for run in space.runs()}
    thread = threading.Thread(target=lambda: trained(stage))
    thread.start()
    try:
        eventually(lambda: ended(stage, before))
    finally:
        thread.join()
    (run,) = [run for run in stage.space("user").runs() if run["id"] not in before]
    run = stage.space("user").run(run["id"])
    assert run["state"] == "finished", run
    assert run["model"]["coefficients"], sorted(run["model"])
    return {name: value for name, value in run["model"].items() if name not in OF_THE_RUN}


def trained(stage):
    with suppress(MedspaceError):  # its connector may be killed meanwhile
        stage.space("user").train(MASKED, stage.agreements, wait=60)


def ended(stage, before):
    with suppress(MedspaceError):
        found = [run for run in stage.space("user").runs() if run["id"] not in before]
        return bool(found) and found[0]["state"] in ("finished", "failed")
    return False


@contextmanager
def killed(stage, key, step, question):
    """The connector is killed when another hospital gets this step, and started again."""
    done = []

    def strike():
        stage.apart[key].kill()
        threading.Thread(target=revive).start()

    def revive():
        stage.apart[key].start()
        done.append(key)

    stage.bell[step, question] = strike
    yield
    eventually(lambda: done)


@pytest.fixture(scope="module")
def undisturbed(stage):
    return outcome(stage)


@pytest.mark.parametrize(
    ("key", "step"), [("north", "contribute"), ("north", "agree"), ("user", "open"), ("user", "agree")]
)
def test_a_run_whose_party_is_killed_comes_to_the_same_outcome(stage, undisturbed, key, step):
    with killed(stage, key, step, 2):
        assert outcome(stage) == undisturbed
    assert stage.bell == {}
