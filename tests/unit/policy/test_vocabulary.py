import pytest

from medspace.app.node.language import LANGUAGES, speaker
from medspace.policy import purposes
from medspace.policy.actions import (
    ACTIONS,
    DOWNLOAD,
    LEAVES,
    action_of,
    covers,
    last_point,
    points_of,
    touches,
    words,
)
from medspace.policy.points import ROAD, Point
from medspace.policy.purposes import PURPOSES, VOCABULARY
from medspace.policy.regions import REGIONS

RESEARCH = "ehds:HealthcareScientificResearch"
ALGORITHMS = "ehds:TrainTestAndEvaluateAISystemsAlgorithms"


def test_a_narrower_term_is_within_a_broader_one_over_several_steps():
    assert PURPOSES.within(ALGORITHMS, "dpv:ResearchAndDevelopment") is True
    assert PURPOSES.within(ALGORITHMS, ALGORITHMS) is True


def test_a_broader_term_may_or_may_not_be_meant_as_the_narrower_one():
    assert PURPOSES.within(RESEARCH, ALGORITHMS) is None


def test_strangers_are_not_within_each_other_and_unknown_terms_are_not_decided():
    assert PURPOSES.within(RESEARCH, "dpv:Marketing") is False
    assert PURPOSES.within("urn:x", RESEARCH) is None
    assert PURPOSES.within(RESEARCH, "urn:x") is None


def test_same_is_exact_and_leaves_kin_undecided():
    assert PURPOSES.same(RESEARCH, RESEARCH) is True
    assert PURPOSES.same(ALGORITHMS, RESEARCH) is None
    assert PURPOSES.same(RESEARCH, ALGORITHMS) is None
    assert PURPOSES.same("dpv:Marketing", RESEARCH) is False
    assert PURPOSES.same("urn:x", "urn:x") is None


def test_a_purpose_has_one_meaning_under_all_its_names():
    iri = "https://w3id.org/dpv/legal/eu/ehds#HealthcareScientificResearch"
    assert {purposes.canonical(name) for name in (RESEARCH, iri, "HealthcareScientificResearch")} == {RESEARCH}
    assert purposes.iri("HealthcareScientificResearch") == iri
    assert purposes.iri("urn:x") == "urn:x"
    assert purposes.canonical("DUO:0000042") == "DUO:0000042"


@pytest.mark.parametrize("name", ["", "0000042", "healthcarescientificresearch", "EHDS:HealthcareScientificResearch"])
def test_a_purpose_is_not_guessed(name):
    assert purposes.canonical(name) is None


def test_no_two_purposes_share_a_name():
    names = [purpose.name.partition(":")[2] for purpose in VOCABULARY]
    assert len(set(names)) == len(names)


def test_every_purpose_has_words():
    assert all(str(purposes.words(purpose.name)) == purpose.words for purpose in VOCABULARY)
    assert str(purposes.words("urn:x")) == "urn:x"


def test_regions_know_unions_and_the_world():
    assert REGIONS.within("DE", "EU") is True
    assert REGIONS.within("NO", "EEA") is True
    assert REGIONS.within("DE", "EEA") is True
    assert REGIONS.within("NO", "EU") is False
    assert REGIONS.within("CN", "EU") is False
    assert REGIONS.within("CN", "World") is True
    assert REGIONS.within("EU", "DE") is None
    assert REGIONS.within("CN-BJ", "CN") is True
    assert REGIONS.within("HK", "CN") is False
    assert len(REGIONS.ancestors) == 249 + 31 + 3


@pytest.mark.parametrize("name", ["eu", "Eu", "DEU", "", "EU ", "XX"])
def test_a_region_is_not_guessed(name):
    assert name not in REGIONS


@pytest.mark.parametrize(
    ("kind", "action"),
    [
        ("medspace:train", "medspace:train"),
        ("medspace:statistics", "medspace:statistics"),
        ("HttpData-PULL", DOWNLOAD),
        ("HttpData-PUSH", DOWNLOAD),
        ("HTTP-PULL", "use"),
        ("medspace:Train", "use"),
        ("use", "use"),
    ],
)
def test_a_kind_of_use_has_an_action_and_an_unknown_one_the_broadest(kind, action):
    assert action_of(kind) == action


def test_use_covers_everything_and_nothing_else_covers_use():
    assert all(covers("use", action) for action in ACTIONS.ancestors)
    assert [action for action in ACTIONS.ancestors if covers(action, "use")] == ["use"]
    assert covers("read", DOWNLOAD)
    assert not covers("medspace:train", DOWNLOAD)


def test_a_prohibition_reaches_parts_and_wholes():
    assert touches("use", DOWNLOAD)
    assert touches(DOWNLOAD, "use")
    assert touches(DOWNLOAD, "read")
    assert not touches(DOWNLOAD, "medspace:train")


def test_what_hands_out_bytes_is_out_of_reach_after_the_transfer():
    assert last_point("medspace:train") is Point.RELEASE
    assert last_point(DOWNLOAD) is last_point("use") is Point.TRANSFER
    assert points_of(["medspace:train"]) == ROAD
    assert points_of(["medspace:train", "HttpData-PULL"]) == ROAD[:3]
    assert points_of([]) == ROAD[:2]


def test_actions_and_points_have_words():
    assert str(words("medspace:train")) == "train a model on the data"
    assert str(words("odrl:sell")) == "do what is called odrl:sell"
    assert all(action in LEAVES or action in ("use", "read") for action in ACTIONS.ancestors)
    assert len({str(point.words) for point in ROAD}) == len(ROAD)


def test_a_purpose_is_meant_by_its_names_and_by_its_words_in_every_language():
    languages = [speaker(language) for language in LANGUAGES]
    for purpose in VOCABULARY:
        spoken = [say(purpose.words) for say in languages]
        for said in (purpose.name, purpose.iri, f" {purpose.words.upper()}  ", *spoken):
            assert purposes.meant(said, languages) == purpose.name, said
    assert purposes.meant("astrology", languages) is None
    assert purposes.meant("research", languages) is None  # of several kinds: which one is for a person to say


def test_all_purposes_are_told_with_their_words():
    told = str(purposes.known())
    assert all(f"{purpose.name} ({purpose.words})" in told for purpose in VOCABULARY)


HEART = "DUO:0000007/I00-I99"


@pytest.mark.parametrize(
    ("narrow", "wide", "within"),
    [
        ("DUO:0000007/I21", HEART, True),
        ("DUO:0000007/I21.4", "DUO:0000007/I21", True),
        ("DUO:0000007/I21", "DUO:0000007/I21.4", None),
        ("DUO:0000007/I99.8", HEART, True),
        ("DUO:0000007/J00", HEART, False),
        ("DUO:0000007/H95-I10", HEART, None),
        (HEART, "DUO:0000007", True),
        (HEART, "DUO:0000006", True),
        (HEART, "DUO:0000011", False),
        ("DUO:0000007", HEART, None),
        ("DUO:0000006", HEART, None),
        ("DUO:0000011", HEART, False),
        ("dpv:Marketing", HEART, False),
        ("urn:x", HEART, None),
    ],
)
def test_diseases_are_ranges_of_codes(narrow, wide, within):
    assert PURPOSES.within(narrow, wide) is within
    assert PURPOSES.same(HEART, HEART) is True


@pytest.mark.parametrize("name", ["DUO:0000007/", "DUO:0000007/x", "DUO:0000006/I21", "DUO:0000007/I99-I00", "/I21"])
def test_a_disease_is_not_guessed(name):
    assert purposes.canonical(name) is None


def test_a_disease_has_a_name_in_words_and_as_an_iri():
    iri = "http://purl.obolibrary.org/obo/DUO_0000007/I21"
    assert purposes.canonical(iri) == "DUO:0000007/I21"
    assert purposes.iri("DUO:0000007/I21") == iri
    assert str(purposes.words("DUO:0000007/I21")) == "research on the disease I21 (ICD-10)"
