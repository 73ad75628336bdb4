"""A setting that cannot be is refused where it is made, in words that say what to write."""

import math

import pytest

from sipparty.errors import UsageError
from sipparty.sip.auth import ANY_ALGORITHM, STRONG_ALGORITHMS
from sipparty.sip.policy import Policy


@pytest.mark.parametrize("name", ["unproven_media", "silent_media"])
@pytest.mark.parametrize("value", [0, -1, math.nan, math.inf, "5", True])
def test_seconds_that_are_none(name, value):
    with pytest.raises(UsageError, match=f"^{name}=.*None is for no limit"):
        Policy(**{name: value})


@pytest.mark.parametrize(
    ("name", "value", "write"),
    [
        ("via_maddr", "192.0.2.7", r"write via_maddr=\('192.0.2.7',\)"),
        ("via_maddr", 5, "write via_maddr="),
        ("via_maddr", None, "write via_maddr="),
        ("via_maddr", [5], "write via_maddr="),
        ("via_maddr", iter(["192.0.2.7"]), "write via_maddr="),
        ("digest_algorithms", "SHA-256", r"write digest_algorithms=\('SHA-256',\)"),
        ("digest_algorithms", b"MD5", r"write digest_algorithms=\('SHA-256',\)"),
        ("digest_algorithms", ["SHA-1"], "'SHA-1', which is no algorithm; .*SHA-256"),
        ("digest_algorithms", (), "None is for all"),
        ("named_targets", None, "write a function"),
        ("challenges", "all", "not one of"),
    ],
)
def test_what_is_no_such_value(name, value, write):
    with pytest.raises(UsageError, match=write):
        Policy(**{name: value})


def test_what_is_one():
    Policy(unproven_media=None, silent_media=0.5)
    Policy(via_maddr={"192.0.2.7"}, digest_algorithms=STRONG_ALGORITHMS)
    Policy(via_maddr=frozenset(), digest_algorithms=["md5"])


def test_none_is_all_algorithms():
    assert Policy().algorithms == ANY_ALGORITHM
    assert Policy(digest_algorithms=["MD5"]).algorithms == ["MD5"]
