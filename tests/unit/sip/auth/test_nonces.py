"""Nonces: known again without being remembered, and used up."""

import itertools

import pytest

from sipparty.sip.auth.nonces import Nonces


def make(secret=b"0123456789abcdef", **options):
    numbers = itertools.count()
    options = {"lifetime": 60.0, "max_nonces": 100} | options
    return Nonces(secret, lambda: f"token{next(numbers)}", **options)


@pytest.fixture
def nonces():
    return make()


def test_what_a_nonce_says(nonces):
    text = nonces.make("r", 12.345, "192.0.2.7")
    assert len(text) == 32
    assert "=" not in text
    nonce = nonces.read(text, "r")
    assert nonce.made == 12345
    assert nonces.went_to(nonce, "192.0.2.7")
    assert not nonces.went_to(nonce, "192.0.2.8")
    assert nonces.is_fresh(nonce, 72.345)
    assert not nonces.is_fresh(nonce, 72.4)
    assert nonces.left(nonce, 32.345) == 40.0
    assert nonces.make("r", 12.345, "192.0.2.7") != text
    # Others with the same secret know it.
    assert make().read(text, "r") == nonce
    assert make(b"another secret of ours").read(text, "r") is None
    assert nonces.read(text, "s") is None


def test_what_is_not_ours(nonces):
    text = nonces.make("r", 0.0, "")
    for bad in ("", "x", "\u00e9", text[:-1], text + "AAAA", text[:-4], "!" * 32):
        assert nonces.read(bad, "r") is None
    assert not nonces.is_fresh(None, 0.0)
    assert not nonces.went_to(None, "")
    assert not nonces.is_of(None, "bob")
    assert nonces.use(None, "bob", "00000001", 0.0) == "the nonce is not ours"
    assert len(nonces) == 0


def test_an_old_one(nonces):
    nonce = nonces.read(nonces.make("r", 0.0, ""), "r")
    assert nonces.use(nonce, "bob", "00000001", 60.5) == "the nonce is too old"
    assert len(nonces) == 0


def test_whose_it_is(nonces):
    nonce = nonces.read(nonces.make("r", 0.0, ""), "r")
    assert not nonces.is_of(nonce, "bob")
    assert nonces.use(nonce, "bob", "00000001", 0.0) == ""
    assert nonces.is_of(nonce, "bob")
    assert not nonces.is_of(nonce, "carol")


def test_each_count_once(nonces):
    nonce = nonces.read(nonces.make("r", 0.0, ""), "r")
    used = [nonces.use(nonce, "bob", f"{count:08x}", 0.0) == "" for count in (5, 5, 3, 3, 4, 6, 6)]
    assert used == [True, False, True, False, True, True, False]
    edge = 6 + Nonces.WINDOW
    assert nonces.use(nonce, "bob", f"{edge:08x}", 0.0) == ""
    assert "replay" in nonces.use(nonce, "bob", "00000006", 0.0)  # out of the window
    assert nonces.use(nonce, "bob", "00000007", 0.0) == ""
    assert "replay" in nonces.use(nonce, "bob", "00000000", 0.0)


def test_without_a_count_once_is_all(nonces):
    nonce = nonces.read(nonces.make("r", 0.0, ""), "r")
    assert nonces.use(nonce, "bob", "", 0.0) == ""
    assert nonces.use(nonce, "bob", "", 0.0) == "a replay: count none was used before"
    assert "replay" in nonces.use(nonce, "bob", "00000001", 0.0)
    # Nor the other way about.
    other = nonces.read(nonces.make("r", 0.0, ""), "r")
    assert nonces.use(other, "bob", "00000001", 0.0) == ""
    assert "replay" in nonces.use(other, "bob", "", 0.0)


def test_forgetting_lets_no_replay_through():
    few = make(max_nonces=2)
    made = [few.read(few.make("r", float(time), ""), "r") for time in range(4)]
    for nonce in made[:3]:
        assert few.use(nonce, "bob", "00000001", 5.0) == ""
    assert len(few) == 2
    assert few.use(made[0], "bob", "00000002", 5.0) == "the nonce was forgotten"
    assert few.use(made[1], "bob", "00000002", 5.0) == ""
    assert few.use(made[3], "bob", "00000001", 5.0) == ""


def test_those_too_old_go_and_take_nothing_along():
    few = make(max_nonces=2)
    old = few.read(few.make("r", 0.0, ""), "r")
    assert few.use(old, "bob", "00000001", 1.0) == ""
    young = few.read(few.make("r", 0.5, ""), "r")
    new = few.read(few.make("r", 60.2, ""), "r")
    assert few.use(new, "bob", "00000001", 60.3) == ""
    assert len(few) == 1
    assert few.use(young, "bob", "00000001", 60.4) == ""
