"""What `make dist` makes is complete, and the wheel installs where there is nothing else.

Nothing is fetched: the libraries that it needs are those that are installed here.
"""

import hashlib
import json
import os
import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

import sipparty

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def tools():
    """The modules of the folder `release`."""
    sys.path.insert(0, str(ROOT / "release"))
    try:
        import dist
        import sbom

        yield dist, sbom
    finally:
        sys.path.remove(str(ROOT / "release"))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The folder that `make dist` writes."""
    folder = tmp_path_factory.mktemp("dist")
    environment = os.environ | {"SOURCE_DATE_EPOCH": "1700000000"}
    run([sys.executable, ROOT / "release" / "dist.py", folder], env=environment)
    return folder


def run(command, **options):
    done = subprocess.run(command, capture_output=True, text=True, timeout=50, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def only(folder, pattern):
    (path,) = folder.glob(pattern)
    return path


def metadata(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        return Parser().parsestr(archive.read(name).decode())


def test_there_are_three_files_of_one_version(made):
    version = sipparty.__version__
    assert sorted(path.name for path in made.iterdir()) == [
        f"sipparty-{version}-py3-none-any.whl",
        f"sipparty-{version}.cdx.json",
        f"sipparty-{version}.tar.gz",
    ]
    assert metadata(only(made, "*.whl"))["Version"] == version


def test_the_wheel_says_its_license_and_what_it_needs(made):
    found = metadata(only(made, "*.whl"))
    assert found["License-Expression"] == "Apache-2.0"
    assert found["License-File"] == "LICENSE"
    needed = [text for text in found.get_all("Requires-Dist") if "extra ==" not in text]
    assert sorted(text.split(">")[0] for text in needed) == [
        "audioop-lts",
        "dnspython",
        "websockets",
    ]


def test_files_have_the_time_that_is_asked_for(made):
    with zipfile.ZipFile(only(made, "*.whl")) as archive:
        assert {info.date_time for info in archive.infolist()} == {(2023, 11, 14, 22, 13, 20)}


def test_the_bill_of_materials_has_what_is_needed_and_the_hashes(made):
    bill = json.loads(only(made, "*.cdx.json").read_text())
    scopes = {one["name"]: one["scope"] for one in bill["components"]}
    assert {name for name, scope in scopes.items() if scope == "required"} >= {
        "dnspython",
        "websockets",
    }
    assert scopes["typer"] == scopes["click"] == "optional"
    assert all(one["version"] and one["licenses"] for one in bill["components"])
    for reference in bill["metadata"]["component"]["externalReferences"]:
        data = (made / reference["url"]).read_bytes()
        assert reference["hashes"][0]["content"] == hashlib.sha256(data).hexdigest()
    depends = {one["ref"]: one.get("dependsOn", []) for one in bill["dependencies"]}
    assert any("/dnspython@" in one for one in depends[f"pkg:pypi/sipparty@{sipparty.__version__}"])


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda names: names.remove("sipparty/py.typed"), "sipparty/py.typed is missing"),
        (lambda names: names.append("sipparty/notes.txt"), "sipparty/notes.txt is no file"),
        (lambda names: names.append("tests/conftest.py"), "tests/conftest.py is no metadata"),
        (lambda names: names.remove("sipparty-0.dist-info/licenses/LICENSE"), "licenses/LICENSE"),
    ],
)
def test_a_wheel_that_is_not_complete_is_none(tools, made, change, problem):
    with zipfile.ZipFile(only(made, "*.whl")) as archive:
        names = archive.namelist()
    names = [name.replace(f"-{sipparty.__version__}.", "-0.") for name in names]
    assert tools[0].missing(names) == []
    change(names)
    assert problem in " ".join(tools[0].missing(names))


def test_builds_that_differ_are_an_error(tools, tmp_path):
    one, other = tmp_path / "one.tar.gz", tmp_path / "other.tar.gz"
    one.write_bytes(b"a")
    other.write_bytes(b"b")
    with pytest.raises(tools[0].DistError, match="differs from one build"):
        tools[0].check([one], [other])


@pytest.fixture(scope="module")
def environment(made, tools, tmp_path_factory):
    """The programs of an environment that has the wheel and what its extra `cli` needs."""
    folder, wheel = tmp_path_factory.mktemp("environment"), only(made, "*.whl")
    run([sys.executable, "-m", "venv", "--without-pip", folder])
    python = folder / "bin" / "python"
    place = Path(
        run([python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]).strip()
    )
    for found in tools[1].closure(tools[1].opened(wheel), ["cli"]).values():
        for name in {path.parts[0] for path in found.files} - {"..", "__pycache__"}:
            (place / name).symlink_to(found.locate_file(name))
    # Some environments have no pip; then there is one beside the interpreter that made them.
    with_pip = [one for one in (sys.executable, sys._base_executable) if has_pip(one)]
    assert with_pip, "There is no pip."
    options = ["--no-index", "--no-deps", "--no-compile", "--disable-pip-version-check", "--quiet"]
    install = [with_pip[0], "-m", "pip", "--python", python, "install", *options]
    run([*install, wheel])
    return folder / "bin"


def has_pip(python):
    return subprocess.run([python, "-m", "pip", "--version"], capture_output=True).returncode == 0


def alone(folder):
    """Options of a process that sees nothing of this environment and of these sources."""
    hidden = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
    return {"cwd": folder, "env": {k: v for k, v in os.environ.items() if k not in hidden}}


def test_the_wheel_is_imported_where_nothing_else_is(environment, tmp_path):
    code = "import sipparty, sipparty.parties, sys; print(sipparty.__version__, sipparty.__file__)"
    version, path = run(
        [environment / "python", "-W", "error", "-c", code], **alone(tmp_path)
    ).split()
    assert version == sipparty.__version__
    assert Path(path).is_relative_to(environment.parent)


def test_the_demo_of_the_wheel_runs(environment, tmp_path):
    text = run([environment / "sipparty", "demo"], **alone(tmp_path))
    assert "INVITE" in text
    assert "BYE" in text


def test_a_type_checker_reads_the_types_of_the_wheel(environment, tmp_path):
    (tmp_path / "use.py").write_text("import sipparty\nreveal_type(sipparty.Party.invite)\n")
    options = ["--strict", "--cache-dir", tmp_path / "cache"]
    checked = [sys.executable, "-m", "mypy", *options, "--python-executable"]
    text = run([*checked, environment / "python", "use.py"], **alone(tmp_path))
    assert "Success" in text
    assert "InviteOptions" in text or "SimpleCall" in text
