"""The calls of one process, in virtual time."""

import asyncio
import itertools
from contextlib import suppress

import pytest

from sipparty import CallReceived, NoMediaSimpleCallsParty
from sipparty.load import Pacing, Scenario, Worker
from sipparty.load.runner import Runner
from sipparty.load.scenario import FunctionScenario
from sipparty.testing.simulation import VirtualNetwork

BOB = "sip:bob@10.0.0.2"


@pytest.fixture
def network():
    made = VirtualNetwork(seed=1, delay=(0.01, 0.03))
    yield made
    made.close()


@pytest.fixture
def bob(network):
    return NoMediaSimpleCallsParty("bob@10.0.0.2", engine=network.engine("10.0.0.2")).listen()


async def short(run):
    with run.step("answer"):
        call = await run.invite()
    with run.step("hang up"):
        call.terminate()
        await call


def make(network, scenario, pacing, target=BOB, **options):
    if not isinstance(scenario, Scenario):
        scenario = FunctionScenario(scenario)
    worker = Worker(network.engine("10.0.0.1"), scenario, target)
    return Runner(worker, pacing, **options)


def run(network, *arguments, **options):
    runner = make(network, *arguments, **options)

    async def main():
        await runner.prepare()
        return await runner.run()

    network.run(main())
    return runner


class TestPacing:
    def test_calls_begin_at_the_rate_and_are_all_counted(self, network, bob):
        runner = run(network, short, Pacing(20, calls=100))
        statistics = runner.statistics
        assert (statistics.begun, statistics.succeeded, statistics.failed) == (100, 100, 0)
        assert statistics.pacing == pytest.approx(100 / 20, abs=0.02)
        assert statistics.counts["sent"] == statistics.counts["received"] == 300
        assert statistics.counts["retransmitted"] == 0
        answer = statistics.steps["answer"]
        assert answer.count == 100
        assert 0.02 <= answer.least <= answer.most <= 0.07
        assert runner.behind == 0
        assert bob.calls == []

    def test_a_rate_that_cannot_be_kept_up_with_is_given_up(self, network, bob):
        slow = make(network, short, Pacing(10_000, duration=3))
        clock, passed = slow.worker.clock, itertools.count()
        # Each look at the clock costs 10 ms, as calls do that take all of a core.
        slow.worker.clock = lambda: clock() + next(passed) * 0.01

        async def main():
            await slow.prepare()
            return await slow.run()

        network.run(main())
        assert slow.statistics.begun < 3000
        assert slow.behind > 2

    def test_a_limit_holds_calls_back_and_nothing_is_made_up_for(self, network, bob):
        async def long(run):
            await run.invite()
            await asyncio.sleep(1)

        runner = run(network, long, Pacing(100, limit=10, duration=5))
        statistics = runner.statistics
        assert statistics.most_in_flight == 10
        assert 45 <= statistics.begun <= 55
        assert statistics.begun == statistics.succeeded
        assert runner.held == pytest.approx(runner.behind)
        assert runner.behind > 3

    def test_without_a_rate_the_next_begins_when_one_ends(self, network, bob):
        statistics = run(network, short, Pacing(limit=5, calls=50)).statistics
        assert statistics.most_in_flight == 5
        assert statistics.succeeded == 50
        assert statistics.seconds < 50 / 5 * 0.12

    def test_samples_say_how_far_it_is(self, network, bob):
        seen = []

        def sample(statistics):
            seen.append((statistics.seconds, statistics.begun, statistics.counts["sent"]))

        run(network, short, Pacing(10, calls=25), on_sample=sample)
        assert seen == [
            (pytest.approx(1, abs=0.02), pytest.approx(10, abs=1), pytest.approx(30, abs=3)),
            (pytest.approx(2, abs=0.02), pytest.approx(20, abs=1), pytest.approx(60, abs=3)),
        ]

    def test_no_two_calls_have_a_number_in_common(self, network, bob):
        numbers = []

        async def note(run):
            numbers.append(run.number)

        for index in range(2):
            worker = Worker(
                network.engine(f"10.0.1.{index}"), FunctionScenario(note), index=index, count=2
            )
            network.run(Runner(worker, Pacing(100, calls=3)).run())
        assert sorted(numbers) == list(range(6))


class TestFailures:
    def test_are_counted_by_reason_and_step(self, network, bob):
        bob.on(CallReceived, lambda event: event.call.reject(486))
        statistics = run(network, short, Pacing(10, calls=4)).statistics
        assert statistics.failures == {"answer: 486 Busy Here": 4}
        assert statistics.steps["answer"].failed == 4

    def test_what_a_scenario_raises_says_where(self, network, bob):
        async def broken(run):
            await run.invite()
            raise ValueError("no such thing\x1b[2J")

        runner = run(network, broken, Pacing(10, calls=3))
        (reason,) = runner.statistics.failures
        assert reason.startswith("ValueError: no such thing\\x1b[2J (test_runner.py:")
        assert "in broken" in runner.first_error
        assert bob.calls == []  # they were hung up all the same

    def test_what_never_ends_is_cancelled_and_hung_up(self, network, bob):
        async def endless(run):
            await run.invite()
            await asyncio.Event().wait()

        statistics = run(network, endless, Pacing(10, calls=5), timeout=3).statistics
        assert statistics.failures == {"did not end within 3 s": 5}
        assert statistics.seconds == pytest.approx(3.5, abs=0.3)
        assert bob.calls == []

    def test_what_cannot_even_be_cancelled_is_given_up(self, network):
        done = asyncio.Event()

        async def stubborn(run):
            while not done.is_set():
                with suppress(asyncio.CancelledError):
                    await done.wait()

        runner = make(network, stubborn, Pacing(10, calls=2), timeout=1)

        async def main():
            await runner.run()
            done.set()

        network.run(main())
        assert runner.statistics.failures == {"does not end, even when it is cancelled": 2}

    def test_the_first_reason_that_a_scenario_gives_counts(self, network):
        async def judged(run):
            run.fail("too late\n")
            run.fail("too loud")

        statistics = run(network, judged, Pacing(10, calls=2)).statistics
        assert statistics.failures == {"too late": 2}

    def test_a_scenario_that_cancels_itself_has_failed(self, network):
        async def cancelled(run):
            raise asyncio.CancelledError

        statistics = run(network, cancelled, Pacing(10, calls=2)).statistics
        assert statistics.failures == {"cancelled": 2}

    def test_a_target_that_is_down(self, network):
        network.host("10.0.0.9")
        options = {"target": "sip:bob@10.0.0.9;transport=tcp"}
        statistics = run(network, short, Pacing(10, calls=2), **options).statistics
        assert statistics.failed == 2
        (reason,) = statistics.failures
        assert reason.startswith("answer: ")

    def test_retransmissions_are_counted(self, network, bob):
        network.link("10.0.0.1", "10.0.0.2", loss=0.2)
        statistics = run(network, short, Pacing(10, calls=50)).statistics
        assert statistics.counts["retransmitted"] > 5
        assert statistics.begun == statistics.succeeded + statistics.failed == 50


class TestTheEnd:
    def test_stopped_it_lets_calls_end(self, network, bob):
        runner = make(network, short, Pacing(10))
        network.loop.call_later(1.02, runner.stop)
        network.run(runner.run())
        assert runner.statistics.begun == runner.statistics.succeeded == 11
        assert runner.statistics.pacing == pytest.approx(1.02, abs=1e-3)

    def test_stopped_twice_it_ends_them(self, network, bob):
        async def endless(run):
            await run.invite()
            await asyncio.Event().wait()

        runner = make(network, endless, Pacing(10))
        network.loop.call_later(1.02, runner.stop)
        network.loop.call_later(2.0, runner.stop)
        network.run(runner.run())
        assert runner.statistics.failures == {"ended with the load": 11}
        assert runner.statistics.seconds < 2.5

    def test_cancelled_it_counts_what_is_under_way_once(self, network):
        done = asyncio.Event()

        async def stubborn(run):
            while not done.is_set():
                with suppress(asyncio.CancelledError):
                    await done.wait()

        runner = make(network, stubborn, Pacing(10))

        async def main():
            load = asyncio.create_task(runner.run())
            await asyncio.sleep(0.45)
            load.cancel()
            with pytest.raises(asyncio.CancelledError):
                await load
            done.set()
            await asyncio.sleep(0.1)

        network.run(main())
        statistics = runner.statistics
        assert (statistics.begun, statistics.failed, statistics.succeeded) == (5, 5, 0)

    def test_scenarios_are_started_and_stopped_once(self, network):
        happened = []

        class Noted(Scenario):
            async def start(self, worker):
                happened.append(("start", worker.index))

            async def run(self, run):
                happened.append("run")
                run.count("runs", 2)

            async def stop(self):
                happened.append("stop")

        statistics = run(network, Noted(), Pacing(10, calls=2)).statistics
        assert happened == [("start", 0), "run", "run", "stop"]
        assert statistics.counts["runs"] == 4

    def test_one_that_cannot_start_is_stopped(self, network):
        stopped = []

        class Refusing(Scenario):
            async def start(self, worker):
                raise OSError("the port is taken")

            async def stop(self):
                stopped.append(True)

        with pytest.raises(OSError, match="the port is taken"):
            network.run(make(network, Refusing(), Pacing(1)).prepare())
        assert stopped == [True]


def test_a_scenario_may_wait_for_calls(network):
    class Answering(Scenario):
        WAITS = True

        async def start(self, worker):
            self.party = NoMediaSimpleCallsParty("carol@10.0.0.1", engine=worker.engine)

            async def take(event):
                begun.append(worker.begin(event.call))

            self.party.on(CallReceived, take)
            self.party.listen()

        async def run(self, run):
            with run.step("call"):
                run.incoming.accept()
                await run.incoming.until("Terminated", 10)

        async def stop(self):
            await self.party.aclose()

    begun = []
    runner = make(network, Answering(), Pacing(limit=100, calls=3), target="")
    alice = NoMediaSimpleCallsParty("alice@10.0.0.3", engine=network.engine("10.0.0.3"))

    async def main():
        await runner.prepare()
        load = asyncio.create_task(runner.run())
        await asyncio.sleep(0)
        for _ in range(3):
            call = alice.invite("carol@10.0.0.1")
            await call
            await asyncio.sleep(2)
            call.terminate()
            await call
        await load

    network.run(main())
    statistics = runner.statistics
    assert (statistics.begun, statistics.succeeded) == (3, 3)
    assert [one.number for one in begun] == [0, 1, 2]
    assert statistics.steps["call"].least == pytest.approx(2, abs=0.2)
