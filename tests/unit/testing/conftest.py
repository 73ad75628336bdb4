"""What tests of the plugin share: suites in a process of their own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import sipparty

SETTINGS = """
[pytest]
asyncio_mode = auto
asyncio_default_fixture_loop_scope = function
filterwarnings = error
    ignore:'audioop' is deprecated:DeprecationWarning
"""


@pytest.fixture
def suite(tmp_path):
    """Run a suite, or what is in the temporary folder, in a process of its own: what it has
    printed, and how it has ended.
    """

    def run(source, *options):
        (tmp_path / "pytest.ini").write_text(SETTINGS)
        if source is not None:
            (tmp_path / "test_it.py").write_text(source)
        command = [sys.executable, "-m", "pytest", "-p", "sipparty.testing.plugin"]
        command += ["-p", "no:cacheprovider", "-p", "no:platformdirs", "-p", "no:timeout"]
        command += [f"--basetemp={tmp_path / 'temporary'}", *options]
        sources = str(Path(sipparty.__file__).parents[1])
        environment = {**os.environ, "PYTHONPATH": sources, "COLUMNS": "80"}
        for name in ("PYTEST_ADDOPTS", "CI", "BUILD_NUMBER"):
            environment.pop(name, None)
        done = subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, timeout=50, env=environment
        )
        return done.stdout + done.stderr, done.returncode

    return run
