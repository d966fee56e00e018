"""A coordinator that brings real sites two lists of survivors: they sign, nobody opens, and their logs name it."""

from dataclasses import replace

import pytest

from medspace.core.canonical import exact
from medspace.core.errors import InvalidInputError
from medspace.core.hashing import digest
from medspace.ledger import masked
from medspace.ledger.model import Entry
from medspace.ledger.report import AuditOutcome
from medspace.ledger.statements import LogLine, read
from medspace.runs.masked.messages import AGREE
from tests.masked import COORDINATOR, USER, Coordinated, names, seated

TIME = "2029-01-01T00:00:00.000Z"
SITES = names(10)
DECEIVED, LEFT_OUT = SITES[0], SITES[9]


def two_lists(site, step):
    if site != DECEIVED or step.name != AGREE:
        return step
    texts = {name: text for name, text in step.inputs["texts"].items() if name != LEFT_OUT}
    return replace(step, inputs={**step.inputs, "texts": texts})


def log(seat):
    """What the holder notes of the steps that its site did."""
    lines = []
    for number, (step, output) in enumerate(seat.said):
        facts = {"admission": f"urn:a:{number}", "agreement": "urn:g", "transfer": "urn:t", "user": USER}
        facts |= {"asset": "a", "use_kind": "medspace:train", "purpose": "p", "task": digest(exact(step.task))}
        facts |= {"round": step.round, "step": step.name, "question": digest(exact(step.inputs))}
        facts |= {"run": seat.keys.manifest.run, "manifest": seat.keys.manifest.digest, "coordinator": COORDINATOR}
        released = {"release": f"urn:r:{number}", "admission": f"urn:a:{number}", "output": output.kind}
        released |= {"round": step.round, "digest": digest({}), **output.noted}
        lines += [Entry("use.admitted", TIME, seat.did, facts), Entry("use.released", TIME, seat.did, released)]
    return read(seat.did, [LogLine(index, entry) for index, entry in enumerate(lines)])


def found(table):
    logs = {site: log(seat) for site, seat in table.sites.items()}
    return [one for one in masked.check(logs) if one.outcome is AuditOutcome.FAILED]


def test_a_coordinator_with_two_lists_opens_nothing_and_is_named():
    table = Coordinated(seated(range(1, 11), leaving=range(10)), carry=two_lists)
    with pytest.raises(InvalidInputError) as refused:
        table.to_the_end()
    assert refused.value.named == COORDINATOR
    (finding,) = found(table)
    assert (finding.code, finding.origin) == ("run.masked.two_lists", DECEIVED)
    assert str(finding.text).startswith(f"{COORDINATOR} brought {DECEIVED} another list")


def test_control_with_one_list_nobody_is_named():
    table = Coordinated(seated(range(1, 11), leaving=range(10)))
    table.to_the_end()
    assert found(table) == []
