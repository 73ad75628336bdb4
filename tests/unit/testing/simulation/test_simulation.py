"""Whole parties in virtual time."""

import asyncio
import random
import threading
import time
import wave

import pytest

from sipparty import (
    AudioParty,
    CallEnded,
    CallReceived,
    NoMediaSimpleCallsParty,
    Registered,
)
from sipparty.errors import CallTimedOut, CallUnreachable, Timeout, UsageError, WouldDeadlock
from sipparty.media import MemorySink, ToneSource
from sipparty.testing import Registrar
from sipparty.testing.simulation import NAT, VirtualNetwork
from sipparty.transport.targets import SRV

QUIET = NoMediaSimpleCallsParty


@pytest.fixture
def make():
    networks = []

    def network(*arguments, **options):
        networks.append(VirtualNetwork(*arguments, **options))
        return networks[-1]

    yield network
    for one in networks:
        one.close()


@pytest.fixture
def network(make):
    return make(seed=1, delay=(0.01, 0.03))


def two(network, kind=QUIET, **options):
    alice = kind("alice@atlanta.example", engine=network.engine("10.0.0.1"))
    bob = kind("bob@biloxi.example", engine=network.engine("10.0.0.2"))
    return alice, bob.listen(**options)


class TestAProgramWithThreads:
    def test_a_call_takes_the_time_of_the_network(self, network):
        alice, bob = two(network)
        call = alice.invite(bob).wait(5)
        assert 0.02 <= network.now <= 0.07
        call.terminate().wait(5)
        assert bob.calls == []

    def test_hours_pass_at_once(self, network):
        alice, bob = two(network)
        call = alice.invite(bob).wait(5)
        began = time.monotonic()
        network.sleep(8 * 3600)
        assert network.now > 8 * 3600
        assert call.state == "InDialog"
        assert call.duration >= 8 * 3600 - 1
        assert time.monotonic() - began < 30

    def test_a_plain_handler_may_wait_too(self, network):
        alice, bob = two(network)
        order = []

        @bob.on(CallReceived)
        def answer(event):
            order.append(("asked", round(network.now, 1)))
            network.sleep(3)
            event.call.accept()
            order.append(("accepted", round(network.now, 1)))

        call = alice.invite(bob)
        call.wait(10)
        order.append(("up", round(network.now, 1)))
        assert order == [("asked", 0.0), ("accepted", 3.0), ("up", 3.0)]

    def test_a_wait_that_takes_too_long_is_over_in_virtual_time(self, network):
        alice, bob = two(network)
        bob.on(CallReceived, lambda event: None)
        with pytest.raises(Timeout, match="within 20 seconds"):
            alice.invite(bob).wait(20)
        assert network.now == pytest.approx(20)

    def test_what_will_never_happen_is_not_waited_for(self, network):
        alice, bob = two(network)
        call = alice.invite(bob).wait(5)
        network.sleep(100)
        with pytest.raises(WouldDeadlock, match="Nothing is left to happen"):
            call.waitForStateCondition(lambda state: state == "Error")

    def test_events_are_looped_over(self, network):
        alice, bob = two(network)
        call = alice.invite(bob).wait(5)
        events = call.events()
        bob.calls[0].terminate()
        assert [type(event) for event in events] == [CallEnded]

    def test_threads_of_the_program_take_turns(self, network):
        alice, bob = two(network)
        done = []

        def work(number):
            call = alice.invite(bob).wait(30)
            network.sleep(number)
            call.terminate().wait(30)
            done.append((number, round(network.now)))

        threads = [threading.Thread(target=work, args=(n,)) for n in (3, 1, 2)]
        for thread in threads:
            thread.start()
        network.sleep(10)
        for thread in threads:
            thread.join(5)
        assert [number for number, _ in done] == [1, 2, 3]

    def test_a_coroutine_in_one_of_several_threads(self, network):
        alice, bob = two(network)
        network.sleep(1)  # the loop has its thread, and this one its turn
        done = []

        async def main():
            call = await alice.invite(bob)
            await asyncio.sleep(5)
            await call.terminate()
            done.append(round(network.now))

        thread = threading.Thread(target=lambda: network.run(main()))
        thread.start()
        network.sleep(10)
        thread.join(5)
        assert done == [6]

    def test_who_waits_for_a_thread_without_a_turn_is_named(self, network, monkeypatch):
        monkeypatch.setattr("sipparty.testing.simulation.loop._PATIENCE", 0.1)
        alice, bob = two(network)
        network.sleep(1)
        failed = []

        def work():
            try:
                alice.invite(bob)
            except WouldDeadlock as error:
                failed.append(str(error))

        thread = threading.Thread(target=work)
        thread.start()
        thread.join(5)  # in real time, with its turn
        assert len(failed) == 1
        assert "'MainThread' has its turn" in failed[0]
        network.sleep(1)


class TestACoroutine:
    def test_it_sleeps_in_virtual_time(self, network):
        alice, bob = two(network)

        async def main():
            async with asyncio.timeout(100):
                call = await alice.invite(bob)
                await asyncio.sleep(60)
                await call.terminate()
            return network.now

        assert network.run(main()) == pytest.approx(60, abs=0.3)

    def test_a_blocking_wait_in_it_is_refused(self, network):
        alice, bob = two(network)

        async def main():
            with pytest.raises(WouldDeadlock, match="await there"):
                alice.invite(bob).wait(5)

        network.run(main())

    def test_handlers_of_both_kinds(self, network):
        alice, bob = two(network)
        seen = []

        @bob.on(CallReceived)
        async def first(event):
            await asyncio.sleep(1)
            seen.append(("coroutine", round(network.now)))
            event.call.accept()

        @bob.on(CallEnded)
        def second(event):
            network.sleep(2)
            seen.append(("plain", round(network.now)))

        async def main():
            call = await alice.invite(bob)
            await call.terminate()
            await asyncio.sleep(5)

        network.run(main())
        assert seen == [("coroutine", 1), ("plain", 3)]


def history(make, seed):
    network = make(seed=seed, loss=0.2, duplication=0.1, delay=(0.01, 0.2))
    alice, bob = two(network, AudioParty)
    bob.configure(media={"record": MemorySink()})
    for _ in range(3):
        call = alice.invite(bob, media={"play": ToneSource(440)}).wait(60)
        network.sleep(1)
        call.terminate().wait(60)
    return [(one.settled, one.fate, one.source, one.data) for one in network.log]


def test_files_are_read_and_written_in_virtual_time(make, tmp_path):
    """What is heard is what was played, to the sample, each time."""

    def heard(number):
        network = make(seed=4)
        alice, bob = two(network, AudioParty)
        said, kept = tmp_path / "said.wav", tmp_path / f"{number}.wav"
        with wave.open(str(said), "wb") as file:
            file.setparams((1, 2, 8000, 0, "NONE", ""))
            file.writeframes(random.Random(1).randbytes(16_000))
        call = alice.invite(bob).wait(5)
        recording = bob.calls[0].record(str(kept))
        playback = call.play(str(said))
        assert playback.wait(5) == "ended"
        network.sleep(0.5)
        recording.stop().wait(5)
        call.terminate().wait(5)
        return kept.read_bytes()

    one, other = heard(1), heard(2)
    assert one == other
    assert len(one) > 16_000
    assert len(set(one)) > 100  # not silence


class TestChance:
    def test_the_same_seed_is_the_same_run(self, make):
        one, other = history(make, 7), history(make, 7)
        assert len(one) > 300
        assert one == other

    def test_another_seed_is_another(self, make):
        assert history(make, 7) != history(make, 8)


class TestTheNetwork:
    def test_a_partition_and_its_end(self, network):
        alice, bob = two(network)
        cut = network.partition(["10.0.0.1"])
        call = alice.invite(bob)
        network.sleep(10)
        assert call.state == "InitiatingDialog"
        network.heal(cut)
        call.wait(10)

    def test_nobody_is_there(self, network):
        alice, _ = two(network)
        with pytest.raises(CallTimedOut):
            alice.invite("bob@10.0.0.9").wait(60)
        assert network.now == pytest.approx(32, abs=1)

    @pytest.mark.parametrize("transport", ["tcp", "ws"])
    def test_streams(self, network, transport):
        alice, bob = two(network, transport=transport)
        call = alice.invite(bob).wait(5)
        cut = network.partition(["10.0.0.1"])
        network.sleep(3)
        ended = call.terminate()
        network.sleep(3)
        assert bob.calls[0].state == "InDialog"
        network.heal(cut)
        ended.wait(5)

    def test_a_connection_is_refused(self, network):
        alice, _ = two(network)
        with pytest.raises(CallUnreachable, match="refused"):
            alice.invite("sip:bob@10.0.0.2:5070;transport=tcp").wait(60)

    def test_names(self, make):
        network = make(
            names={
                "_sip._udp.biloxi.example": [SRV(1, 1, 5062, "one.biloxi.example")],
                "one.biloxi.example": "10.0.0.2",
            }
        )
        alice, bob = two(network, port=5062)
        call = alice.invite("bob@biloxi.example").wait(5)
        assert call.state == "InDialog"
        assert bob.calls
        with pytest.raises(CallUnreachable):
            alice.invite("bob@nowhere.example").wait(60)

    def test_addresses_are_one_host_s(self, network):
        network.host("10.0.0.1")
        with pytest.raises(UsageError, match="A host has"):
            network.host("10.0.0.1")
        with pytest.raises(UsageError, match="no numeric address"):
            network.host("atlanta.example")
        with pytest.raises(UsageError, match="at least one"):
            network.host()

    def test_six(self, network):
        alice = QUIET("alice@atlanta.example", engine=network.engine("2001:db8::1"))
        bob = QUIET("bob@biloxi.example", engine=network.engine("2001:db8::2"))
        bob.listen(address="::")
        alice.invite(bob).wait(5)
        assert network.log[0].source[0] == "2001:db8::1"


class TestBehindANAT:
    @pytest.mark.parametrize("kind", ["full-cone", "restricted", "port-restricted", "symmetric"])
    def test_a_call_from_behind_it_has_sound_both_ways(self, network, kind):
        nat = NAT("203.0.113.1", kind)
        alice = AudioParty("alice@atlanta.example", engine=network.engine("192.168.1.2", nat=nat))
        bob = AudioParty("bob@biloxi.example", engine=network.engine("198.51.100.2")).listen()
        call = alice.invite(bob).wait(5)
        network.sleep(5)
        assert call.session.statistics.packets_received > 200
        assert bob.calls[0].session.statistics.packets_received > 200

    def test_nobody_gets_in_unasked(self, network):
        alice = QUIET("alice@atlanta.example", engine=network.engine("198.51.100.2"))
        inner = network.engine("192.168.1.2", nat=NAT("203.0.113.1"))
        QUIET("bob@biloxi.example", engine=inner).listen()
        for host in ("203.0.113.1", "192.168.1.2"):
            with pytest.raises(CallTimedOut):
                alice.invite(f"bob@{host}").wait(60)

    def test_a_mapping_ends_when_it_is_not_used(self):
        nat = NAT("203.0.113.1", timeout=30)
        inside, outside = ("192.168.1.2", 5060), ("198.51.100.2", 5060)
        first = nat.out(inside, outside, 0.0)
        assert nat.into(outside, first[1], 29.0) == inside
        assert nat.into(("198.51.100.2", 5061), first[1], 29.0) is None
        assert nat.into(outside, first[1], 31.0) is None
        assert nat.out(inside, outside, 31.0) != first


def test_registrations_are_refreshed_for_a_day(network):
    engine = network.engine("10.0.0.9")
    Registrar(engine.core, "biloxi.example")
    QUIET("sip:registrar@biloxi.example", engine=engine).listen()
    bob = QUIET(
        "bob@biloxi.example", engine=network.engine("10.0.0.2"), proxy="sip:10.0.0.9"
    ).listen()
    seen = []
    bob.on(Registered, seen.append)
    registration = bob.register(expires=600)
    registration.wait(5)
    network.sleep(86_400)
    assert registration.state == "Registered"
    sent = sum(one.data.startswith(b"REGISTER") for one in network.log)
    assert 140 <= sent <= 400
