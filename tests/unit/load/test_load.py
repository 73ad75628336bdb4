"""Running a load: processes are begun together, listened to and added up; one may die."""

import asyncio
import os
import signal

import pytest

from sipparty import NoMediaSimpleCallsParty
from sipparty.errors import UsageError
from sipparty.load import Pacing, Scenario, Statistics, run_load
from sipparty.load.load import Load
from sipparty.load.processes import Processes
from sipparty.load.share import Sample, Share
from sipparty.testing.simulation import VirtualNetwork


async def short(run):
    with run.step("answer"):
        call = await run.invite()
    call.terminate()
    await call


async def saying(run):
    print("call", run.number, "begins")
    print("and", end="", flush=True)


async def with_a_party_of_its_own(run):
    async with NoMediaSimpleCallsParty(f"user{run.number}@biloxi.com", engine=run.engine):
        pass


async def not_told_how_to_die(run):
    os.kill(os.getpid(), signal.SIGKILL)


class Refusing(Scenario):
    async def start(self, worker):
        raise OSError("the port is taken")


def counted(begun, succeeded, failed=0):
    made = Statistics()
    made.begun, made.succeeded, made.pacing, made.seconds = begun, succeeded, 1.0, 2.0
    for _ in range(failed):
        made.fail("486 Busy Here")
    return made


class Scripted:
    """Workers that report what they are told to, so many seconds after the beginning."""

    def __init__(self, *script):
        self.script = script
        self.stops = 0
        self.closed = False

    async def start(self, shares, report):
        self.report = report
        self.shares = shares
        for share in shares:
            report(share.index, "ready", None)

    def begin(self):
        for seconds, *what in self.script:
            asyncio.get_running_loop().call_later(seconds, self.report, *what)

    def stop(self):
        self.stops += 1

    async def close(self):
        self.closed = True


@pytest.fixture
def run():
    network = VirtualNetwork()

    def run(workers, pacing, count=2, **options):
        load = Load(Share(short, "bob", pacing, count=count), workers, **options)
        try:
            return network.run(load.run())
        finally:
            assert workers.closed

    yield run
    network.close()


def done(index, statistics, **more):
    return (2, index, "done", Sample(statistics, **more))


class TestWhatIsReported:
    def test_is_added_up(self, run):
        seen = []
        workers = Scripted(
            (1, 0, "sample", Sample(counted(5, 4))),
            (1.1, 1, "sample", Sample(counted(5, 5))),
            done(0, counted(10, 10)),
            done(1, counted(10, 9, failed=1)),
        )
        result = run(workers, Pacing(10, calls=20), on_progress=lambda one: seen.append(one.begun))
        assert (result.statistics.begun, result.statistics.succeeded) == (20, 19)
        assert result.statistics.failures == {"486 Busy Here": 1}
        assert seen == [10, 20]
        assert [row["begun"] for row in result.course.rows] == [10, 20]
        assert not result.passed
        assert result.remarks == []

    def test_one_that_dies_loses_what_had_not_ended_of_its_share(self, run):
        workers = Scripted(
            (1, 0, "sample", Sample(counted(5, 3))),
            (1.5, 0, "died", "process 7 was ended by SIGKILL"),
            (1.6, 0, "sample", Sample(counted(50, 50))),
            done(1, counted(10, 10)),
        )
        result = run(workers, Pacing(10, calls=20), thresholds=["failed == 0"])
        statistics = result.statistics
        assert (statistics.begun, statistics.succeeded, statistics.lost) == (20, 13, 7)
        assert result.remarks == [
            "Worker 1 of 2 died (process 7 was ended by SIGKILL): 7 calls of its share are lost."
        ]
        assert [(one.threshold, one.passed) for one in result.verdicts] == [
            ("failed == 0", True),
            ("lost == 0", False),
        ]

    def test_without_a_number_of_calls_those_under_way_are_lost(self, run):
        workers = Scripted(
            (1, 0, "sample", Sample(counted(5, 3))),
            (1.5, 0, "died", "it went"),
            done(1, counted(10, 10)),
        )
        assert run(workers, Pacing(10, duration=2)).statistics.lost == 2

    def test_one_that_says_nothing_any_more_is_given_up(self, run):
        result = run(Scripted(done(1, counted(5, 5))), Pacing(10, calls=10))
        assert result.statistics.lost == 5
        assert "said nothing for 30 s" in result.remarks[0]

    def test_a_rate_that_could_not_be_made_is_said(self, run):
        statistics = counted(100, 100)
        statistics.cpu = 3.8
        half = counted(50, 50)
        half.cpu = 0.95
        workers = Scripted((1, 0, "sample", Sample(half)), done(0, statistics, behind=0.5))
        result = run(workers, Pacing(200, calls=100), count=1)
        (remark,) = result.remarks
        assert remark.startswith("100 calls/s were made of the 200 that were asked for")
        assert "each process took 95 % of a core" in remark

    def test_so_is_a_limit_that_held_calls_back(self, run):
        sample = done(0, counted(100, 100), behind=0.5, held=0.5)
        result = run(Scripted(sample), Pacing(200, calls=100, limit=5), count=1)
        assert "the limit of 5 calls at a time held others back" in result.remarks[0]

    def test_a_scenario_that_fails_by_itself_is_said(self, run):
        sample = done(0, counted(1, 0, failed=1), first_error="ValueError: no")
        result = run(Scripted(sample), Pacing(1, calls=1), count=1)
        assert result.remarks == ["The scenario itself has failed, first with:\nValueError: no"]


def answered(calls, scenario, **options):
    """Run a load in real processes, against a party of this one."""

    async def main():
        async with NoMediaSimpleCallsParty("bob@127.0.0.1") as bob:
            bob.listen(None, address="127.0.0.1")
            target = f"bob@127.0.0.1:{bob.contact_uri.port}"
            return await run_load(scenario, target, rate=100, calls=calls, **options)

    return asyncio.run(main())


class TestProcesses:
    def test_share_the_calls(self):
        result = answered(21, short, processes=2)
        assert (result.statistics.begun, result.statistics.succeeded) == (21, 21)
        assert result.statistics.steps["answer"].count == 21
        assert result.passed

    def test_scenarios_may_make_parties_of_their_own(self):
        result = answered(3, with_a_party_of_its_own)
        assert (result.statistics.succeeded, result.remarks) == (3, [])

    def test_take_no_option_that_there_is_not(self):
        with pytest.raises(TypeError, match="A load has no option 'rte'; it has rate, calls,"):
            asyncio.run(run_load(short, "127.0.0.1", rte=5))

    def test_print_on_standard_error(self, capsys):
        assert answered(1, saying).statistics.failed == 0
        printed = capsys.readouterr()
        assert printed.err == "call 0 begins\nand"
        assert printed.out == ""

    def test_that_die_are_said_to_be_dead(self):
        result = answered(4, not_told_how_to_die)
        assert result.statistics.lost == 4
        assert "was ended by SIGKILL" in result.remarks[0]

    def test_whose_scenario_does_not_start_say_why(self):
        with pytest.raises(UsageError, match="could not start: OSError: the port is taken"):
            answered(1, Refusing)

    def test_take_no_scenario_that_cannot_be_sent(self):
        async def local(run):
            pass

        with pytest.raises(UsageError, match="define it at the top of a module"):
            answered(1, local)

    def test_none_is_left_of_a_load_that_is_cancelled(self):
        workers = Processes()

        async def main():
            share = Share(short, "bob@127.0.0.1:9", Pacing(1))
            load = asyncio.create_task(Load(share, workers).run())
            await asyncio.sleep(0)
            (process, _), *_ = workers._workers.values()
            pid = process.pid
            load.cancel()
            await asyncio.wait([load])
            return pid

        pid = asyncio.run(main())
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


class TestAParty:
    def test_makes_the_calls_itself(self):
        network = VirtualNetwork(delay=(0.01, 0.03))
        bob = NoMediaSimpleCallsParty("bob@10.0.0.2", engine=network.engine("10.0.0.2")).listen()
        alice = NoMediaSimpleCallsParty("alice@10.0.0.1", engine=network.engine("10.0.0.1"))
        callers = set()

        async def called(run):
            assert run.party is alice
            await short(run)
            callers.add(run.options["who"])

        async def main():
            return await alice.load(called, bob.contact_uri, rate=20, calls=40, options={"who": 1})

        result = network.run(main())
        assert (result.statistics.succeeded, callers) == (40, {1})
        assert result.rate == pytest.approx(20)
        network.close()

    def test_whose_engine_is_on_a_thread_does_so_too(self):
        with NoMediaSimpleCallsParty("bob@127.0.0.1") as bob:
            bob.listen(None, address="127.0.0.1")
            target = f"127.0.0.1:{bob.contact_uri.port}"
            with NoMediaSimpleCallsParty("alice@127.0.0.1") as alice:
                result = asyncio.run(alice.load(short, target, rate=100, calls=5))
        assert result.statistics.succeeded == 5
