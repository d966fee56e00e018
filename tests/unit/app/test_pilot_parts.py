"""The parts of the pilot that need no connector: who has which photographs, what is missing, its picture."""

import re
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from medspace.app.demo.retina import data, judging, picture, space
from medspace.app.demo.retina.data import ClinicUnavailableError, Photographs
from medspace.learning.net.task import parse
from tests.shared_data import DATA


def photographs(count, seed=0):
    chance = np.random.default_rng(seed)
    images = chance.integers(0, 256, (count, data.SIDE, data.SIDE, 3)).astype(np.uint8)
    return Photographs(images, np.arange(count) % len(data.GRADES))


def parts():
    return {"train": photographs(400, 1), "val": photographs(100, 2), "test": photographs(200, 3)}


def test_every_photograph_is_at_one_hospital_and_the_seed_decides_which():
    given = parts()
    one, again, other = (data.split(given, seed) for seed in (1, 1, 2))
    for part, name in (("train", "train"), ("choose", "val"), ("judge", "test")):
        held = np.concatenate([getattr(one[key], part).images for key in one])
        assert sorted(image.tobytes() for image in held) == sorted(image.tobytes() for image in given[name].images)
    assert all((one[key].train.images == again[key].train.images).all() for key in one)
    assert any((one[key].train.images[:5] != other[key].train.images[:5]).any() for key in one)
    sizes = [len(one[key].train.grades) for key in one]
    assert [len(other[key].train.grades) for key in other] == sizes
    assert max(sizes) > 2 * min(sizes)


def test_the_shares_of_each_grade_are_all_of_it():
    assert np.sum(list(data.SHARES.values()), axis=0) == pytest.approx(np.ones(len(data.GRADES)))


def test_a_clinic_that_is_not_there_or_another_is_named_with_address_and_checksum(tmp_path):
    with pytest.raises(ClinicUnavailableError, match=data.CLINIC_SHA256) as missing:
        data.clinic(tmp_path)
    assert data.CLINIC_ORIGIN in str(missing.value)
    (tmp_path / data.CLINIC[0]).mkdir()
    (tmp_path / data.CLINIC[0] / data.CLINIC[1]).write_bytes(b"another")
    with pytest.raises(ClinicUnavailableError):
        data.clinic(tmp_path)


def test_the_photographs_are_those_that_were_published():
    if not (DATA / data.RETINA[0]).exists():
        pytest.skip(f"{DATA} has no {data.RETINA[0]}: set MEDSPACE_DATA")
    given = data.retina(DATA)
    assert {part: one.count for part, one in given.items()} == {"train": 1080, "val": 120, "test": 400}
    smallest = min(np.bincount(one.train.grades).min() for one in data.split(given, 1).values())
    assert smallest >= space.MIN_COHORT


def test_the_task_of_the_pilot_is_one():
    assert parse(space.task(1, rounds=3, epochs=1)).rounds == 3


def test_areas_and_errors_are_those_of_the_definition():
    chance = np.random.default_rng(0)
    scores, yes = np.round(chance.normal(size=50), 1), (chance.random(50) < 0.4).astype(float)
    pairs = [(a > b) + 0.5 * (a == b) for a in scores[yes == 1] for b in scores[yes == 0]]
    assert judging.area(scores, yes) == pytest.approx(np.mean(pairs))
    sure = np.array([[0.9, 0.1, 0, 0, 0]] * 10)
    assert judging.calibration_error(sure, np.array([0] * 9 + [1])) == pytest.approx(0.0, abs=1e-12)
    assert judging.calibration_error(sure, np.array([0] * 4 + [1] * 6)) == pytest.approx(0.5)


def test_a_photograph_made_whole_is_smaller_in_the_middle_of_black():
    made = judging._whole(np.full((data.SIDE, data.SIDE, 3), 200.0))
    assert made[0].max() == made[:, 0].max() == 0.0
    assert made[data.SIDE // 2, data.SIDE // 2].tolist() == [200.0] * 3


def told(**more):
    site = {"site": "north<", "untouched": {"auc": 0.7, "ece": 0.2}, "personal": {"auc": 0.7, "ece": 0.1}}
    return {"sites": [site]} | more


def test_the_picture_is_svg_that_shows_all_and_escapes_names():
    ways = {"untouched": 0.5, "harmonised": 0.6, "transfer": 0.8, "local": 0.7}
    drawn = picture.drawn(told(transfer=ways))
    ET.fromstring(drawn)
    assert len(re.findall("<circle", drawn)) == 7
    assert "north&lt;" in drawn
    assert len(re.findall("<circle", picture.drawn(told()))) == 3
