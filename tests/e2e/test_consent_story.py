"""The story of a consent, told by three connectors and a wallet, each a process of its own, as people start it."""

import json

from medspace.app.verbs import root


def test_four_programs_go_from_a_yes_to_the_use_that_is_refused(capfd):
    assert root(["pilot", "consent", "--json"]) == 0
    told = json.loads(capfd.readouterr().out)
    assert (told["rows"], told["reached"]) == (304, 300)
    (seen,), (traced,) = told["seen"], told["traced"]
    assert (seen["name"], seen["entry"]) == ("Cardio Analytics", traced["entry"])
    assert traced["released"] > 0
    assert told["withdrawn"]["committed"] is True
    assert told["again"]["code"] == "use.changed"
    assert (told["replay"]["examined"] > 0, told["replay"]["outside"]) == (True, [])
