import json

import pytest

from shared.errors import SelfmisError
from training.catalogue import main
from training.methods import methods


def test_every_method_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    listed = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in listed] == [method.name for method in methods()]


def test_a_method_shows_its_options(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["selfmis"]) == 0
    assert "--with stop_gradient=yes" in capsys.readouterr().out


def test_as_json_it_is_everything(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--json", "mae"]) == 0
    (told,) = json.loads(capsys.readouterr().out)
    assert told["options"]["masked"] == "0.75"
    assert "2402.09450" in told["paper"]


def test_an_unknown_method_is_one_line() -> None:
    with pytest.raises(SelfmisError, match="no method 'byol'"):
        main(["byol"])
