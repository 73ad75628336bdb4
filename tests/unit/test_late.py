"""What the first use does, and not the import."""

import re
import sys

import pytest

from sipparty.late import late_names, late_pattern


def test_a_pattern_is_compiled_when_it_is_used():
    broken = late_pattern("(")
    with pytest.raises(re.error):
        broken.match("a")
    pattern = late_pattern(r"(?P<a>x+)", re.IGNORECASE)
    assert vars(pattern).keys() == {"pattern", "_flags"}
    assert pattern.fullmatch("XX")["a"] == "XX"
    assert pattern.fullmatch is pattern.fullmatch
    assert pattern.groupindex == {"a": 1}
    with pytest.raises(AttributeError):
        pattern.nothing  # noqa: B018


def test_names_are_loaded_when_they_are_used(monkeypatch):
    monkeypatch.delitem(sys.modules, "sipparty.sip.sipfrag", raising=False)
    namespace = {"__name__": "sipparty.sip", "__all__": ["URI", "parse_sipfrag", "Nothing"]}
    find = late_names(namespace, "components sipfrag")
    assert find("URI") is namespace["URI"]
    assert "sipparty.sip.sipfrag" not in sys.modules
    assert callable(find("parse_sipfrag"))
    for name in ("Nothing", "AOR"):
        with pytest.raises(AttributeError, match=f"'sipparty.sip' has no attribute '{name}'"):
            find(name)
