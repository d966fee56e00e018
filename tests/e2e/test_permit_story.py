"""The story of a data permit, told by three processes, as people start it."""

import json

from medspace.app.verbs import root


def test_three_processes_go_from_application_to_revocation(capfd):
    assert root(["pilot", "permit", "--json"]) == 0
    told = json.loads(capfd.readouterr().out)
    assert (told["refused"]["code"], told["again"]) == ("policy.credential", "permit.over")
    assert told["rows"] == 304 - told["opted_out"]
    assert told["ended"]["code"] == "permit.over"
    (public,) = told["register"]
    assert (public["state"], public["revoked"]) == ("revoked", "The study has ended.")
    assert "Ada" not in json.dumps(public)
