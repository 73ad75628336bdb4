"""Commands run in the tests know no account and no setting of the machine that they run on."""

import os

import pytest


@pytest.fixture(autouse=True)
def nobody(tmp_path, monkeypatch):
    for name in [name for name in os.environ if name.startswith("SIPPARTY_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
