"""Scenarios from functions, classes and files."""

import pickle

import pytest

from sipparty.errors import UsageError
from sipparty.load import Caller, Scenario
from sipparty.load.source import scenario_of
from sipparty.transport import TLSConfig


async def short(run):
    pass


class Long(Scenario):
    async def run(self, run):
        pass


def test_of_functions_classes_and_objects():
    assert scenario_of(short).function is short
    assert isinstance(scenario_of(Long), Long)
    made = Long()
    assert scenario_of(made) is made


@pytest.mark.parametrize("given", [None, 5, int, lambda run: None])
def test_of_nothing_else(given):
    with pytest.raises(TypeError, match=r"(?i)a scenario is a coroutine function"):
        scenario_of(given)


@pytest.fixture
def script(tmp_path):
    def write(text, name="script.py"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


TWO = """
from sipparty.load import Scenario

async def one(run): ...

class Two(Scenario):
    async def run(self, run): ...
"""


class TestAFile:
    def test_with_one_scenario(self, script):
        assert scenario_of(script("async def calling(run): ...")).function.__name__ == "calling"

    def test_what_it_imports_is_not_its_own(self, script):
        path = script("from sipparty.load import Scenario\nasync def only(run): ...")
        assert scenario_of(str(path)).function.__name__ == "only"

    def test_the_one_called_scenario_is_meant(self, script):
        path = script("async def helper(call): ...\nasync def scenario(run): ...")
        assert scenario_of(path).function.__name__ == "scenario"

    def test_with_several_one_is_named(self, script):
        path = script(TWO)
        assert type(scenario_of(f"{path}:Two")).__name__ == "Two"
        assert scenario_of(f"{path}:one").function.__name__ == "one"

    @pytest.mark.parametrize(
        ("text", "name", "words"),
        [
            (TWO, "", "several scenarios .one, Two.: say which"),
            (TWO, ":two", "no scenario 'two', but one, Two; did you mean 'Two'?"),
            ("x = 1", "", "has no scenario: write `async def scenario"),
            ("def scenario(run): ...", "", "has no scenario"),
            ("\nasync def f(run:\n", "", "script.py, line 2: SyntaxError"),
            ("\n\nimport nothing_of_this_name", "", "line 3: ModuleNotFoundError: No module named"),
            ("1 / 0", "", "line 1: ZeroDivisionError: division by zero"),
        ],
    )
    def test_what_is_wrong_is_said(self, script, text, name, words):
        with pytest.raises(UsageError, match=words):
            scenario_of(f"{script(text)}{name}")

    def test_that_is_not_there(self, tmp_path):
        with pytest.raises(UsageError, match=r"nothing.py cannot be read: there is no such file"):
            scenario_of(tmp_path / "nothing.py")

    def test_of_another_kind(self, script):
        with pytest.raises(UsageError, match="is no scenario: expected a Python file"):
            scenario_of(script("", "script.txt"))


def test_callers_go_from_process_to_process():
    tls = TLSConfig(verify=False)
    tls.client_context()
    caller = Caller("alice@atlanta.com", {"proxy": "10.0.0.1"}, {"X-Tenant": "7"}, tls)
    assert pickle.loads(pickle.dumps(caller)) == caller
    assert pickle.loads(pickle.dumps(Caller())) == Caller()
