"""Runs, models and forecasts as JSON, for people and programs."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

from medspace.app.doors.views import Speak, version_of
from medspace.app.features.training import attendance
from medspace.app.features.training.seeing import promised, who_saw_what
from medspace.app.features.training.waiting import Waiting
from medspace.app.node.retelling import rendered
from medspace.core.canonical import JsonObject
from medspace.core.engine import COORDINATOR_SEES_SUMS, MASKED_GROUPS, MASKED_SUMS, MASKED_WEIGHTS
from medspace.core.text import Text, msgid
from medspace.learning.using.kinds import portable
from medspace.runs.model import Lineage, Model, Round, Run
from medspace.runs.ports import Forecast, ModelDescription, ReportTable

Describe = Callable[[Model, Mapping[str, str]], ModelDescription | None]  # of a model, with the names of sites

PROTECTIONS: Mapping[str, str] = {
    COORDINATOR_SEES_SUMS: msgid(
        "The coordinator saw the sums of each hospital one by one; masked aggregation was not used."
    ),
    MASKED_SUMS: msgid(
        "No hospital's numbers left it except in the sum over all; the user chose the task and nothing else, and saw "
        "only the model."
    ),
    MASKED_GROUPS: msgid(
        "No hospital's numbers left it except in the sum over its group of hospitals; the user chose the task and "
        "nothing else, and saw only the model."
    ),
    MASKED_WEIGHTS: msgid(
        "No hospital's numbers left it except in the sum over all; but the coordinator could choose weights: it "
        "could have changed the large sums, and with them the model that the hospitals were asked about next."
    ),
}
OWN_QUALITY = msgid(
    "Of a hospital alone, its contract lets out what is shown here: how many patients and rows it has, and how good "
    "the model is there."
)


def run(
    record: Run, made: Model | None, describe: Describe, waiting: Waiting, names: Mapping[str, str], speak: Speak
) -> JsonObject:
    """A training run: who was asked, who takes part, who does not and why; with its model, if there is one.

    `user` is the member that handed it over to this connector, `coordinator` the one that it was handed over to.
    """
    sites = attendance.of_run(record, waiting, names, speak)
    coordinator = attendance.coordinator(record, waiting, names, speak)
    standing = [(one["site"], one["status"], one["sentence"], one["percent"]) for one in sites]
    standing += [("", "remark", str(text), None) for text in record.remarks]
    return {
        "id": record.id,
        "state": record.state.value,
        "rounds": record.asked or record.round,
        "max_rounds": record.task.get("max_rounds"),
        "created": record.created,
        "without_missing": record.without_missing,
        "asked_by": record.asked_by,
        "cancelled_by": record.cancelled_by,
        "user": {"did": record.user, "name": names.get(record.user, record.user)} if record.user else None,
        "coordinator": coordinator,
        "sites": sites,
        "remarks": [text.render(speak) for text in record.remarks],
        "faults": [attendance.lost(fault) | {"sentence": rendered(fault.text, speak)} for fault in record.faults],
        "problem": attendance.problem(record, names, speak),
        "seconds": made.seconds if made else None,
        "model": model(made, describe, names, speak) if made else None,
        "version": version_of(record.state, record.round, standing, coordinator, record.settled, made is None),
    }


def course(record: Run, rounds: Sequence[Round], names: Mapping[str, str]) -> JsonObject:
    """What was asked in a run, round by round: what the answers said of the model, how many came, from how many rows.

    `objective` is None where nobody computes it: of a question about no model yet, and of sums with noise.
    """
    answers = Counter(answer.site for past in rounds for answer in past.answers)
    return {
        "id": record.id,
        "task": record.task,
        "protection": record.protection,
        "rounds": [
            {
                "round": past.round,
                "step": past.step,
                "objective": past.objective,
                "rows": past.rows,
                "answers": len(past.answers),
                "time": past.time,
            }
            for past in rounds
        ],
        "sites": [
            {"site": seat.site, "name": names.get(seat.site, seat.site), "answers": answers[seat.site]}
            for seat in record.seats
        ],
    }


def model(record: Model, describe: Describe, names: Mapping[str, str], speak: Speak) -> JsonObject:
    """A model: what was learned, in the words of its kind of task; protections, lineage."""
    lineage = record.lineage
    found = describe(record, names)
    learned = (
        {"result": dict(record.result)} if found is None else found.facts | {"described": _described(found, speak)}
    )
    return {
        "id": record.id,
        "digest": record.digest,
        "created": record.created,
        "task": record.task,
        "task_digest": record.task_digest,
        "portable": portable(record),
        "rows": record.rows,
        "rounds": record.rounds,
        **learned,
        "sites": attendance.of_model(lineage, names, speak),
        **_opened(record),
        "protections": [text.render(speak) for text in _protections(lineage.protection, found)],
        "who_saw_what": who_saw_what(lineage, names, speak, (record.result.get("opened") or {}).get("own", {})),
        "promised": promised(lineage, speak),
        "lineage": {
            "run": lineage.run,
            "agreements": _agreements(lineage),
            "sites": list(lineage.sites),
            "asked": list(lineage.asked or lineage.sites),
            "missing": [attendance.lost(fault) for fault in lineage.missing],
            "protection": lineage.protection,
            "coordinator": lineage.coordinator or None,
            "label": lineage.carried,
            "rounds": [
                {
                    "round": past.round,
                    "step": past.step,
                    "question": past.question,
                    "answers": [{"site": a.site, "release": a.release, "digest": a.digest} for a in past.answers],
                }
                for past in lineage.rounds
            ],
        },
    }


def _opened(record: Model) -> JsonObject:
    """What the sites of a masked run signed of it: the objective of each question and who took part."""
    opened = record.result.get("opened")
    if not opened:
        return {}
    outcome = opened["outcome"]
    questions = [
        {"question": number, "objective": objective or None, "sites": sites}
        for number, (objective, sites) in enumerate(zip(outcome["objectives"], outcome["took"], strict=False), 1)
    ]
    return {"opened": {"digest": opened["digest"], "signed": sorted(opened["signed"]), "questions": questions}}


def _protections(protection: str, found: ModelDescription | None) -> Iterator[Text]:
    """What the protection of a run hid from whom, and what left a hospital individually all the same."""
    yield Text(PROTECTIONS.get(protection, protection))
    if protection == MASKED_SUMS and found is not None and found.quality is not None and len(found.quality.rows) > 1:
        yield Text(OWN_QUALITY)


def _described(found: ModelDescription, speak: Speak) -> JsonObject:
    """A description as people read it."""
    return {
        "title": found.title.render(speak),
        "sentences": [text.render(speak) for text in found.sentences],
        "tables": [_table(shown, speak) for shown in found.tables],
        "quality": None if found.quality is None else _table(found.quality, speak),
    }


def _agreements(lineage: Lineage) -> list[str]:
    """The agreements of the sites, in their order; they are stored in the order in which sites were asked."""
    asked = [site for site in lineage.asked or lineage.sites if site in lineage.sites]
    of = dict(zip(asked, lineage.agreements, strict=False))
    return [of[site] for site in lineage.sites if site in of]


def forecast(task: JsonObject, found: Forecast, speak: Speak) -> JsonObject:
    """What a run would cost and find, with the completed task."""
    said = [text.render(speak) for text in found.sentences]
    table = None if found.table is None else _table(found.table, speak)
    return {"task": task, **found.facts, "described": {"sentences": said, "table": table}}


def _table(shown: ReportTable, speak: Speak) -> JsonObject:
    rows = [[cell.render(speak) if isinstance(cell, Text) else cell for cell in row] for row in shown.rows]
    title = None if shown.title is None else shown.title.render(speak)
    return {"title": title, "columns": [column.render(speak) for column in shown.columns], "rows": rows}
