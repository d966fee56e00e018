import pytest

from medspace.core.canonical import canonical
from medspace.ledger import audit, lineage
from medspace.ledger.errors import NoSuchRunError
from medspace.ledger.model import Entry
from tests.unit.ledger import story
from tests.unit.ledger.story import COMPANY, NORTH, SITES, SOUTH, honest

RUN = "urn:run:1"
MODEL = story.digest({"whole": 1})


def read(space, *, without=()):
    return {one.origin: audit.readable(one) for one in space.bundles(without=without)}


def said(logs):
    return ["  " * branch.depth + str(branch.text) for branch in lineage.tree(logs, RUN)]


def test_every_run_that_began_is_known():
    assert lineage.runs(read(honest())) == [(COMPANY, RUN)]
    assert lineage.runs(read(honest(), without=[COMPANY])) == []


def test_the_story_for_people():
    lines = said(read(honest()))
    assert lines[:9] == [
        f"Model {MODEL}, made in 2 rounds.",
        f"  Trained by {COMPANY} in the run {RUN}.",
        "  Protection off: the coordinator saw the sums of each site by itself.",
        f"  {NORTH} gave 2 releases.",
        "    Dataset heart.",
        "    Under the agreement urn:agreement:north.example.",
        "    For the purpose dpv:ResearchAndDevelopment.",
        f"  {SOUTH} gave 2 releases.",
        "    Dataset heart.",
    ]
    assert lines[-1] == "  Round 2 (gradient): 2 sites answered."


def test_without_a_sites_log_its_dataset_is_not_known():
    lines = said(read(honest(), without=[NORTH]))
    assert f"    The dataset is unknown without the log of {NORTH}." in lines
    assert "    Under the agreement urn:agreement:north.example." in lines


def test_the_coordinators_own_log_may_name_the_dataset():
    space = honest()
    space.edit(COMPANY, space.find(COMPANY, "negotiation.finalized"), asset="heart")
    sources = lineage.sources(read(space, without=SITES), RUN)
    assert [(source.site, source.assets, source.purposes) for source in sources] == [
        (NORTH, ("heart",), ()),
        (SOUTH, (), ()),
    ]


def test_a_run_without_an_end_has_no_model():
    space = honest()
    space.drop(COMPANY, space.find(COMPANY, "run.finished"))
    logs = read(space)
    assert said(logs)[0] == f"No model yet: the run {RUN} has not finished."
    assert "wasGeneratedBy" not in lineage.prov(logs, RUN)


def test_a_run_that_failed_says_so_and_who_did_not_take_part():
    space = honest()
    space.drop(COMPANY, space.find(COMPANY, "run.finished"))
    space.note(COMPANY, "run.failed", run=RUN, code="policy.count", missing=[SOUTH], reasons=["policy.count"])
    told = said(read(space))
    assert told[0] == f"No model: the run {RUN} failed (policy.count)."
    assert f"  {SOUTH} was asked but did not take part to the end (policy.count)." in told


def test_a_run_under_masks_is_told_by_its_questions():
    space = honest()
    space.edit(COMPANY, space.find(COMPANY, "run.started"), protection="masked-sums")
    for number, step in enumerate(("contribute", "open")):
        space.edit(COMPANY, space.find(COMPANY, "run.round", number), step=step)
    told = said(read(space))
    assert told[0] == f"Model {MODEL}, made of 1 question in 2 steps."
    assert told[2] == "  Protection on: only sums over all sites were opened, among the sites alone."
    assert told[-1] == "  Question 1: 2 gave sums, 2 sites opened the total."
    space.edit(COMPANY, space.find(COMPANY, "run.round", 1), step="contribute")
    told = said(read(space))
    assert told[0] == f"Model {MODEL}, made of 2 questions in 2 steps."
    assert told[-1] == "  Question 2: 2 gave sums, 0 sites opened the total."


SAW = "  Protection off: the coordinator saw the sums of each site by itself."


def failed_at_once(space):
    """The run failed before any round of it was completed."""
    while any(entry.kind == "run.round" for entry in space.logs[COMPANY]):
        space.drop(COMPANY, space.find(COMPANY, "run.round"))
    space.drop(COMPANY, space.find(COMPANY, "run.finished"))
    space.note(COMPANY, "run.failed", run=RUN, code="policy.count")
    return space


def test_a_coordinator_that_got_nothing_is_not_said_to_have_seen_sums():
    space = failed_at_once(honest())
    assert SAW in said(read(space))  # the control: sites released something to the round that was never completed
    for site in SITES:
        while any(entry.kind == "use.released" for entry in space.logs[site]):
            space.drop(site, space.find(site, "use.released"))
    told = said(read(space))
    assert SAW not in told
    assert "  Nothing was released to it." in told
    told = said(read(space, without=[NORTH]))
    assert SAW not in told
    assert "  No round of it was completed; whether a site released anything is in that site's log." in told


def test_what_was_released_to_another_run_of_the_task_was_not_released_to_this_one():
    space = failed_at_once(honest())
    (end,) = (entry for entry in space.logs[COMPANY] if entry.kind == "run.failed")
    begun = space.logs[COMPANY][space.find(COMPANY, "run.started")].time
    space.drop(COMPANY, -1)
    space.logs[COMPANY].append(Entry(end.kind, begun, COMPANY, end.facts))  # it failed before anything was released
    assert SAW not in said(read(space))


def test_an_unknown_protection_is_shown_as_it_is():
    space = honest()
    space.edit(COMPANY, space.find(COMPANY, "run.started"), protection="new-kind")
    assert "  Protection: new-kind." in said(read(space))


def test_a_run_whose_start_is_not_in_the_log_has_no_sources():
    space = honest()
    space.drop(COMPANY, space.find(COMPANY, "run.started"))
    assert lineage.sources(read(space), RUN) == []
    assert lineage.prov(read(space), RUN)["activity"][RUN]["prov:type"] == "medspace:Run"


def test_the_lineage_for_programs_relates_only_what_it_names():
    document = lineage.prov(read(honest()), RUN)
    named = {identity for section in ("entity", "activity", "agent") for identity in document[section]}
    for section, records in document.items():
        if section in ("prefix", "entity", "activity", "agent"):
            continue
        for record in records.values():
            assert set(record.values()) <= named, section
    canonical(document)


def test_the_model_derives_from_every_dataset_and_tells_its_protection():
    document = lineage.prov(read(honest()), RUN)
    derived = {record["prov:usedEntity"] for record in document["wasDerivedFrom"].values()}
    assert derived == {lineage.dataset_id(site, "heart") for site in SITES}
    assert document["entity"][MODEL]["medspace:protection"] == "coordinator-sees-sums"
    types = [entity["prov:type"] for entity in document["entity"].values()]
    assert {kind: types.count(kind) for kind in types} == {
        "medspace:Dataset": 2,
        "medspace:Agreement": 2,
        "medspace:Release": 4,
        "medspace:Model": 1,
    }


def test_what_others_did_with_a_dataset_is_no_part_of_it():
    space = honest()
    story.release(space, NORTH, 9)
    space.edit(NORTH, -2, user=SOUTH, asset="lungs")
    space.note(NORTH, "use.withheld", admission="urn:admission:9", code="cohort.small")
    assert lineage.sources(read(space), RUN)[0].assets == ("heart",)


def test_a_run_that_no_log_knows_has_no_lineage():
    with pytest.raises(NoSuchRunError):
        lineage.tree(read(honest()), "urn:run:other")


# --- the very data ----------------------------------------------------------------------------------------------

CONTENTS = [story.digest({"rows": number}) for number in range(3)]


def offered(space, number, place, **facts):
    """Have the north offer its data with this content, at a place in its log."""
    entry = Entry(
        "offer.published",
        space.logs[NORTH][place].time,
        NORTH,
        {"asset": "heart", "offer": "urn:o", "policy": CONTENTS[0], "label": CONTENTS[0], **facts},
    )
    if number is not None:
        entry.facts["dataset"] = CONTENTS[number]
    space.logs[NORTH].insert(place, entry)


def test_a_lineage_names_what_the_data_held_when_they_were_used():
    space = honest()
    offered(space, 0, 0)
    offered(space, 1, 1)  # in force when the use is admitted
    offered(space, 2, len(space.logs[NORTH]) - 1)  # after everything
    offered(space, 2, 2, asset="lung")
    logs = read(space)
    lines = said(logs)
    assert lines[lines.index("    Dataset heart.") + 1] == f"      Its content has the digest {CONTENTS[1]}."
    assert sum("Its content" in line for line in lines) == 1
    entities = lineage.prov(logs, RUN)["entity"]
    assert entities[lineage.dataset_id(NORTH, "heart")]["medspace:digest"] == [CONTENTS[1]]
    assert "medspace:digest" not in entities[lineage.dataset_id(SOUTH, "heart")]


def test_data_that_changed_during_a_run_have_two_digests():
    space = honest()
    offered(space, 0, 0)
    offered(space, 1, space.find(NORTH, "use.admitted", 1))
    (north, south) = lineage.sources(read(space), RUN)
    assert north.digests("heart") == sorted(CONTENTS[:2])
    assert south.digests("heart") == []


def test_what_was_offered_without_a_digest_has_none():
    space = honest()
    offered(space, None, 0)
    assert lineage.sources(read(space), RUN)[0].contents == ()


def test_what_sites_signed_of_each_question_is_told_and_written():
    logs = {origin: audit.readable(one) for origin, one in ((b.origin, b) for b in story.honest().bundles())}
    opened = [lineage.SignedQuestion("", (story.NORTH, story.SOUTH)), lineage.SignedQuestion("12.5", (story.NORTH,))]
    told = [str(branch.text) for branch in lineage.tree(logs, story.RUN, opened)]
    assert told[-2:] == [
        f"Question 1: in its total were {story.NORTH}, {story.SOUTH}.",
        f"Question 2: objective 12.5; in its total were {story.NORTH}.",
    ]
    activities = lineage.prov(logs, story.RUN, opened)["activity"]
    assert "medspace:objective" not in activities[f"{story.RUN}/question/1"]
    assert activities[f"{story.RUN}/question/2"]["medspace:objective"] == "12.5"
    assert activities[f"{story.RUN}/question/1"]["medspace:sites"] == [story.NORTH, story.SOUTH]
