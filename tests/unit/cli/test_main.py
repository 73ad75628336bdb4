import sys

import pytest

import sipparty.cli.app
from sipparty.cli import main


def test_ctrl_c_while_it_begins_is_code_130_and_no_traceback(monkeypatch, capsys):
    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr(sipparty.cli.app, "main", interrupted)
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 130
    assert capsys.readouterr().err == "sipparty: Interrupted.\n"


def test_streams_that_were_closed_are_empty(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["sipparty", "parse"])
    monkeypatch.setattr(sys, "stdin", None)
    monkeypatch.setattr(sys, "stdout", None)
    with pytest.raises(SystemExit) as caught:
        main()
    sys.stdin.close()
    sys.stdout.close()
    assert caught.value.code == 2
    assert "There is nothing in the input." in capsys.readouterr().err
