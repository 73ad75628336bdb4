"""Makes `.venv-bench`, where the peers are installed: they have no place in the project's own.

    python bench/setup.py

Made with the interpreter that runs this, so that every library is measured on one Python. Does
nothing where the right versions are installed already.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

__all__ = ["PEERS", "PYTHON", "VENV", "ensure"]

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv-bench"
PYTHON = VENV / "bin" / "python"

#: The peers, pinned: a comparison names its versions.
PEERS = {"aiosipua": "0.7.1", "sippy": "2.5.0", "aiortp": "0.8.0"}
#: What makes a peer faster, as its documentation says.
HELPERS = {"numpy": "2.4.6"}

_PACKAGES = {**PEERS, **HELPERS}

_VERSIONS = (
    "import sys, importlib.metadata as m;"
    "print(sys.version, *[n + '==' + m.version(n) for n in sys.argv[1:]])"
)


def _installed() -> bool:
    if not PYTHON.exists():
        return False
    try:
        found = subprocess.run(
            [PYTHON, "-c", _VERSIONS, *_PACKAGES],
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
    except OSError:
        return False  # its interpreter is gone, or is none: it was moved or copied
    wanted = [f"{name}=={version}" for name, version in _PACKAGES.items()]
    return found.returncode == 0 and found.stdout.strip() == " ".join([sys.version, *wanted])


def ensure() -> None:
    """Make the environment if it is not there, or is of another Python or other versions.

    Raises:
        subprocess.CalledProcessError: `venv` or `pip` failed.
    """
    if _installed():
        return
    print(f"making {VENV} ...", file=sys.stderr)
    # The interpreter under a virtual environment is the base one, so that the two are alike.
    base = getattr(sys, "_base_executable", sys.executable)
    subprocess.run([base, "-m", "venv", "--clear", VENV], check=True, timeout=120)
    (VENV / ".gitignore").write_text("*\n")
    wanted = [f"{name}=={version}" for name, version in _PACKAGES.items()]
    subprocess.run(
        [PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted],
        check=True,
        timeout=300,
    )


if __name__ == "__main__":
    ensure()
