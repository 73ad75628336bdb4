"""The plugin, in suites of its own: reports of what fails, strictness, virtual time, xdist."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from sipparty.testing.leaks import Leaks

OFFICE = '''
from sipparty.b2bua import AudioB2BUA


class Office(AudioB2BUA):
    """Has calls to a department ring the phone that has its duty."""

    phones = {}

    def route(self, call, request):
        return self.phones.get(request.uri.username)
'''


@pytest.fixture(autouse=True)
def office(tmp_path):
    (tmp_path / "office.py").write_text(OFFICE)


FAILING = """
from office import Office

from sipparty import NoMediaSimpleCallsParty as Quiet
from sipparty.testing import assert_ladder, expect


def test_sales_rings_bob(party):
    office = party("office@biloxi.com", Office)
    alice, bob = party("alice@atlanta.com"), party("bob@biloxi.com")
    office.phones = {"research": bob}
    call = alice.invite("sales@biloxi.com")
    expect(call).answered(within=2)


def test_it_rings_once(party):
    alice, bob = party("alice@atlanta.com", Quiet), party("bob@biloxi.com", Quiet)
    with alice.call(bob) as call:
        assert_ladder(call, "INVITE > 100 < 180 < 200 < ACK >")


def test_nobody_hangs_up(party):
    alice, bob = party("alice@atlanta.com", Quiet), party("bob@biloxi.com", Quiet)
    alice.invite(bob).wait(1)
"""


def tidy(text):
    """What differs from run to run made alike."""
    text = re.sub(r"in \d+\.\d+s", "in 0.1s", text)
    return re.sub(r"[ \t]+$", "", text, flags=re.MULTILINE)


def test_the_report_of_a_failing_suite(suite):
    text, code = suite(FAILING, "-q", "-p", "no:xdist")
    assert code == 1
    assert tidy(text) == (Path(__file__).parent / "failing_suite.txt").read_text()


STRICT = """
import threading

import pytest

from sipparty import Engine, NoMediaSimpleCallsParty as Quiet
from sipparty.testing import expect
from sipparty.testing.leaks import Leaks

Leaks.PATIENCE = 0.1
left = []


async def test_not_awaited(party):
    bob = party("bob@biloxi.com", Quiet)
    expect(bob).called()


def test_an_engine(sip_network):
    left.append(Engine())


def test_a_thread(sip_party):
    over = threading.Event()
    left.append(over)
    threading.Thread(target=over.wait, name="forgotten", daemon=True).start()


def test_a_registration(party, registrar):
    registrar("biloxi.com")
    party("bob@biloxi.com", Quiet).register().wait(5)


def test_none_of_ours():
    left.append(Engine())


@pytest.mark.sip_leaves_open
def test_it_may(party):
    alice, bob = party("alice@atlanta.com", Quiet), party("bob@biloxi.com", Quiet)
    alice.invite(bob).wait(5)


def test_what_ends_late_is_waited_for(party):
    alice, bob = party("alice@atlanta.com", Quiet), party("bob@biloxi.com", Quiet)
    alice.invite(bob).wait(5).terminate()


def teardown_module():
    for one in left:
        one.close() if isinstance(one, Engine) else one.set()
"""


def test_what_is_left_open_fails(suite):
    text, code = suite(STRICT, "-q", "-n0")
    assert code == 1
    assert "7 passed, 4 errors" in text
    assert "an expectation, at test_it.py:16: write 'await expect(...)' there" in text
    assert "left open: <sipparty.concurrency.engine.Engine" in text
    assert "left running: <Thread(forgotten" in text
    assert "bob's Registration is Registered: end it with terminate()" in text


OWN = """
import pytest


@pytest.fixture
def party():
    return "a birthday"


def test_it(party, registrar, proxy):
    assert party == "a birthday"
    registrar("biloxi.com")
    proxy("atlanta.com")
"""


def test_fixtures_of_the_same_names_may_be_ones_own(suite):
    text, code = suite(OWN, "-q", "-n0")
    assert code == 0, text


FAILED_HALFWAY = """
from sipparty import Engine, NoMediaSimpleCallsParty as Quiet

left = []


def test_it(party):
    alice, bob = party("alice@atlanta.com", Quiet), party("bob@biloxi.com", Quiet)
    alice.invite(bob).wait(5)
    left.append(Engine())
    assert False, "before it ends"


def teardown_module():
    left.pop().close()
"""


def test_what_has_failed_is_not_reported_again_for_what_it_left_open(suite):
    text, code = suite(FAILED_HALFWAY, "-q", "-n0")
    assert code == 1
    assert "1 failed in" in text
    assert text.count("SIP messages") == 1


def test_what_is_checked_is_a_setting(suite):
    assert "0 passed" not in suite(STRICT, "-q", "-n0", "-o", "sip_leak_check=none")[0]
    text, code = suite("def test_it(): pass", "-q", "-n0", "-o", "sip_leak_check=some")
    assert code == 4
    assert "sip_leak_check is 'some': expected 'sip', 'all' or 'none'." in text


MANY = """
import pytest

from sipparty import NoMediaSimpleCallsParty as Quiet
from sipparty.testing import assert_ladder, expect


@pytest.mark.sip_network(seed=3, loss=0.1)
@pytest.mark.parametrize("number", range(20))
def test_ten_calls(party, number):
    alice, bob = party("alice@atlanta.com", Quiet), party("bob@biloxi.com", Quiet)
    for _ in range(10):
        call = alice.invite(bob)
        expect(call).answered(within=30)
        call.terminate()
        expect(call).ended(by="local", within=32)
"""


def test_two_hundred_calls_in_virtual_time(suite):
    text, code = suite(MANY, "-q", "-n0")
    assert code == 0, text
    assert "20 passed" in text


def test_beside_each_other(suite):
    source = MANY.replace("range(20)", "range(8)") + FAILING
    text, code = suite(source, "-q", "-n", "4")
    assert code == 1
    assert "2 failed, 9 passed, 1 error" in text
    assert "|--------- INVITE (CSeq" in text  # the ladders come over from the workers


KINDS = """
import asyncio

import pytest

from sipparty import NoMediaSimpleCallsParty as Quiet
from sipparty.testing import expect


async def test_a_coroutine_is_in_virtual_time(party, sip_network):
    alice, bob = party("alice@atlanta.com", Quiet), party("bob@biloxi.com", Quiet)
    call = await alice.invite(bob)
    await asyncio.sleep(3600)
    await call.terminate()
    assert sip_network.now > 3600


class TestInAClass:
    @pytest.mark.parametrize("seconds", [10, 20])
    async def test_it(self, sip_network, seconds):
        await asyncio.sleep(seconds)
        assert sip_network.now == seconds


async def test_others_are_in_real_time():
    await asyncio.sleep(0)


@pytest.mark.sip_network(delay=(0.5, 0.5), names={"biloxi.com": "10.0.0.2"})
def test_options_of_the_network(party, sip_network):
    alice, bob = party("alice@atlanta.com", Quiet), party("bob@example.com", Quiet)
    with alice.call("bob@biloxi.com"):
        assert sip_network.now == pytest.approx(1.0)


def test_the_first_party_has_the_domain(party):
    alice = party("alice@atlanta.com", Quiet)
    party("bob@biloxi.com", Quiet, catch_all=True)
    with alice.call("carol@biloxi.com"):
        pass


def test_parties_that_do_not_listen_or_by_tcp(party):
    alice = party("alice@atlanta.com", Quiet, listen=False)
    bob = party("bob@biloxi.com", Quiet, listen={"transport": "TCP"})
    assert not alice.listening
    with alice.call(bob):
        pass
    assert party.messages()[0].transport == "TCP"
"""


def test_kinds_of_tests(suite):
    text, code = suite(KINDS, "-q", "-n0")
    assert code == 0, text
    assert "7 passed" in text


def test_it_costs_next_to_nothing_to_load():
    names = "print(' '.join(m for m in sys.modules if m.startswith('sipparty')))"
    command = [sys.executable, "-c", f"import pytest, sys, sipparty.testing.plugin; {names}"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=50, check=True)
    loaded = set(run.stdout.split())
    assert loaded == {
        *("sipparty", "sipparty.late", "sipparty.testing", "sipparty.testing.plugin"),
    }


class TestLeaks:
    def test_nothing(self):
        assert Leaks().found() == []

    @pytest.mark.sip_leaves_open
    def test_a_socket(self):
        import socket

        leaks = Leaks()
        with socket.socket():
            assert leaks.found() == ["left open: 1 sockets"]
        assert leaks.found() == []
