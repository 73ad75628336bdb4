"""The engine: the portal between threads, running loops, and its end."""

import asyncio
import socket
import threading

import pytest

from sipparty.concurrency import waiting
from sipparty.concurrency.engine import Engine
from sipparty.errors import (
    CallFailed,
    CallUnreachable,
    Timeout,
    UnexpectedInput,
    UsageError,
    WouldDeadlock,
)
from sipparty.parties import NoMediaSimpleCallsParty, SingleRTPSessionSimplenParty
from sipparty.sip.events import CallEnded
from sipparty.trace import Recorder
from sipparty.transport import Resolver

LOOPBACK = "127.0.0.1"
PATIENCE = 10


@pytest.fixture
def engine():
    made = Engine()
    yield made
    made.close()


@pytest.fixture
def alice(make_party):
    return make_party("alice@atlanta.com")


def on_thread(function):
    """Run a function on a new thread; return what it returns, or raise what it raises."""
    result = []

    def run():
        try:
            result.append((function(), None))
        except BaseException as error:
            result.append((None, error))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(PATIENCE)
    [(value, error)] = result
    if error is not None:
        raise error
    return value


class SlowLoop(asyncio.SelectorEventLoop):
    """A loop whose clock goes on by itself only when it is told to."""

    now = 100.0

    def time(self):
        return self.now


class TestTimers:
    def test_what_is_overdue_is_not_put_off_by_what_comes_in(self):
        """Under load there is always a datagram before the timer's next turn."""
        loop = SlowLoop()
        fired = []

        class Owner:
            def _fire(self, input):
                fired.append(input)
                loop.now += 0.005  # what it does takes longer than the next is away

        async def traffic():
            engine = Engine(loop)
            owner = Owner()
            engine.run(engine.core.timers.arm, 0.010, owner, "first")
            engine.run(engine.core.timers.arm, 0.0225, owner, "second")
            for _ in range(60):
                loop.now += 0.001
                engine.run(engine.messages_received, ())
                await asyncio.sleep(0)
            await engine.aclose()

        try:
            loop.run_until_complete(traffic())
        finally:
            loop.close()
        assert fired == ["first", "second"]


class TestPortal:
    def test_what_is_run_returns_and_raises_here(self, engine):
        assert engine.run(lambda a, b: a + b, 1, 2) == 3
        assert engine.run(threading.current_thread) is engine._thread
        error = KeyError("gone")

        def fail():
            raise error

        with pytest.raises(KeyError) as caught:
            engine.run(fail)
        assert caught.value is error

    @pytest.mark.parametrize("error", [SystemExit(2), KeyboardInterrupt()])
    def test_even_what_ends_programs_comes_back_and_ends_no_engine(self, engine, error):
        def fail():
            raise error

        with pytest.raises(type(error)):
            engine.run(fail)
        assert engine.run(lambda: "alive") == "alive"

    def test_what_is_run_may_run_more(self, engine):
        assert engine.run(lambda: engine.run(lambda: engine.run(len, "abc"))) == 3

    def test_verbs_bring_their_exceptions_to_any_thread(self, alice, listening):
        call = alice.invite(listening()).wait(5)
        call.terminate().wait(5)
        with pytest.raises(UnexpectedInput):
            on_thread(call.terminate)
        with pytest.raises(UsageError, match="not a provisional"):
            on_thread(lambda: call.ring(200))

    def test_verbs_of_many_threads(self, make_party, listening):
        bob = listening()
        calls = []

        def make(number):
            alice = make_party(f"alice{number}@atlanta.com")
            for _ in range(5):
                calls.append(alice.invite(bob).wait(PATIENCE))

        threads = [threading.Thread(target=make, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
        assert [call.state for call in calls] == ["InDialog"] * 40
        assert len(bob.calls) == 40

    def test_a_blocking_wait_on_the_engines_thread_raises(self, alice, listening):
        bob = listening()
        call = alice.invite(bob).wait(5)
        engine = alice.engine
        for wait in (
            lambda: call.wait(1),
            lambda: call.waitForStateCondition(bool),
            alice.close,
            engine.close,
        ):
            with pytest.raises(WouldDeadlock, match="use await there"):
                engine.run(wait)
        assert call.state == "InDialog"

    def test_a_blocking_wait_in_a_coroutine_on_the_engine_raises(self, alice, listening):
        call = alice.invite(listening()).wait(5)

        async def wrong():
            call.wait(1)

        with pytest.raises(WouldDeadlock):
            alice.engine.run_coroutine(wrong, PATIENCE)

    def test_run_coroutine_gives_up_in_time(self, engine):
        cancelled = threading.Event()

        async def never():
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()

        with pytest.raises(Timeout):
            engine.run_coroutine(never, 0.01)
        assert cancelled.wait(PATIENCE)

    def test_a_call_can_be_awaited_on_another_loop(self, alice, listening):
        bob = listening()

        async def main():
            call = alice.invite(bob)
            assert await call is call
            await call.terminate()
            return call.state

        assert asyncio.run(main()) == "Terminated"


class TestClosing:
    def test_a_closed_engine_runs_nothing(self):
        engine = Engine()
        thread = engine._thread
        engine.close()
        engine.close()
        assert engine.closed
        assert not thread.is_alive()
        assert engine.loop.is_closed()
        with pytest.raises(UsageError, match="closed"):
            engine.run(len, "")
        with pytest.raises(UsageError, match="closed"):
            engine.run_coroutine(engine.aclose, 1)

    def test_several_may_close_it_at_once(self):
        engine = Engine()
        threads = [threading.Thread(target=engine.close) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
        assert engine.closed
        assert not engine._thread.is_alive()

    def test_closing_hangs_up_and_gives_everything_back(self, make_party, events):
        engine = Engine()
        bob = make_party("bob@biloxi.com", SingleRTPSessionSimplenParty, engine=engine)
        bob.listen(None, address=LOOPBACK)
        port = bob.contact_uri.port
        alice = make_party("alice@atlanta.com", SingleRTPSessionSimplenParty, engine=engine)
        ended = []
        call = alice.invite(bob).wait(5)
        [theirs] = bob.calls
        engine.run(lambda: ended.append(call.session is not None))
        engine.close()
        assert ended == [True]
        assert (call.state, theirs.state) == ("Terminated", "Terminated")
        assert not bob.listening
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind((LOOPBACK, port))

    def test_closing_hangs_up_for_those_who_stopped_listening(self, make_party):
        engine = Engine()
        bob = make_party("bob@biloxi.com", engine=engine).listen(None, address=LOOPBACK)
        alice = make_party("alice@atlanta.com")  # on another engine
        call = alice.invite(bob).wait(5)
        bob.stop_listen()
        engine.close()
        assert call.waitForStateCondition(call.settled, 5) == "Terminated"

    def test_closing_hangs_up_for_those_whose_connection_has_closed(self, make_party, events):
        """They have no endpoint then, and were forgotten: no BYE, and waits without an end."""
        theirs = Engine()
        bob = make_party("bob@biloxi.com", engine=theirs)
        bob.listen(None, address=LOOPBACK, transport="TCP")
        own = Engine()
        alice = make_party("alice@atlanta.com", engine=own)
        ended = events(bob, CallEnded)
        call = alice.invite(bob).wait(PATIENCE)
        [connection] = own.run(own.hub.connections)
        own.run(connection.abort, "the test has cut it")
        assert own.run(own.hub.unused)
        own.close()
        assert call.state == "Terminated"
        assert ended.next().error is None  # the BYE came, by a new connection
        theirs.close()

    def test_a_call_that_cannot_be_hung_up_ends_with_its_engine(self, make_party, listening):
        own = Engine()
        call = make_party("alice@atlanta.com", engine=own).invite(listening()).wait(PATIENCE)
        own.run(own._close_now)  # as for a loop that nobody turns any more
        assert call.state == "Error"
        assert str(call.last_error) == "The call was given up: the engine was closed."
        own._closed = False
        own.close()

    def test_who_waits_is_told_when_the_engine_is_closed(self, make_party, peer, monkeypatch):
        monkeypatch.setattr(Engine, "CLOSE_TIMEOUT", 0.02)
        engine = Engine()
        alice = make_party("alice@atlanta.com", engine=engine)
        unanswered = alice.invite("bob@biloxi.com", proxy=peer.place)
        peer.receive("INVITE")
        up = alice.invite("bob@biloxi.com", proxy=peer.place)
        peer.answer(peer.receive("INVITE"), 200)
        up.wait(5)
        asked = alice.options("bob@biloxi.com", proxy=peer.place)
        engine.close()  # the peer never answers CANCEL, BYE and OPTIONS
        assert unanswered.state in ("Terminated", "Error")
        assert up.state == "Error"
        assert "the engine was closed" in str(up.last_error)
        with pytest.raises(CallUnreachable, match="the engine was closed"):
            asked.wait(0)

    def test_who_waits_for_a_name_is_told_when_the_engine_is_closed(self, make_party):
        asked = threading.Event()

        async def never(question):
            asked.set()
            await asyncio.Event().wait()

        engine = Engine(resolver=Resolver(lookup=never, hosts=None))
        call = make_party("alice@atlanta.com", engine=engine).invite("bob@biloxi.com")
        assert asked.wait(PATIENCE)
        engine.close()  # and does not wait for the look-up
        assert call.state == "Error"
        assert "closed" in str(call.last_error)

    def test_after_the_shared_one_was_closed_there_is_another(self, listening, alice):
        bob = listening()
        first = Engine.shared()
        assert bob.engine is first
        assert Engine.shared() is first
        first.close()
        assert not bob.listening
        assert bob.contact_uri is None
        second = Engine.shared()
        assert second is not first
        bob.listen(None, address=LOOPBACK)
        assert bob.engine is second
        assert alice.invite(bob).wait(5).state == "InDialog"

    def test_one_that_is_stuck_is_left_to_itself(self, monkeypatch):
        monkeypatch.setattr(Engine, "CLOSE_TIMEOUT", -1.9)
        engine, let = Engine(), threading.Event()
        stuck = threading.Event()
        engine.loop.call_soon_threadsafe(lambda: (stuck.set(), let.wait(PATIENCE)))
        assert stuck.wait(PATIENCE)
        monkeypatch.setattr(engine._thread, "join", lambda timeout: None)
        with pytest.raises(Timeout):
            engine.close()
        assert engine.closed
        let.set()
        monkeypatch.undo()
        engine._thread.join(PATIENCE)
        assert not engine._thread.is_alive()


class TestRunningLoop:
    async def test_async_with_uses_the_running_loop_and_no_thread(self):
        before = threading.enumerate()
        async with (
            NoMediaSimpleCallsParty("alice@atlanta.com") as alice,
            NoMediaSimpleCallsParty("bob@biloxi.com") as bob,
        ):
            bob.listen(None, address=LOOPBACK)
            call = await alice.invite(bob)
            assert alice.engine is bob.engine is Engine.current()
            assert alice.engine.loop is asyncio.get_running_loop()
            assert threading.enumerate() == before
            assert call.state == "InDialog"
            with pytest.raises(WouldDeadlock):
                call.wait(1)
            engine = alice.engine
        assert engine.closed
        assert call.state == "Terminated"

    async def test_the_engine_stays_until_the_last_party_has_left(self):
        async with NoMediaSimpleCallsParty("alice@atlanta.com") as alice:
            engine = alice.engine
            async with NoMediaSimpleCallsParty("bob@biloxi.com"):
                pass
            # Alice has nothing open yet, and goes on nevertheless.
            assert not engine.closed
            assert alice.engine is engine
            alice.listen(None, address=LOOPBACK)
        assert engine.closed

    async def test_nothing_of_a_loop_is_kept(self):
        async with NoMediaSimpleCallsParty("alice@atlanta.com") as alice:
            alice.listen(None, address=LOOPBACK)
        assert asyncio.get_running_loop() not in Engine._by_loop

    async def test_an_exception_inside_closes_too(self):
        alice = NoMediaSimpleCallsParty("alice@atlanta.com")
        with pytest.raises(KeyError):
            async with alice:
                raise KeyError(alice.listen(None, address=LOOPBACK))
        assert not alice.listening

    async def test_a_party_that_was_given_the_shared_engine_keeps_it(self):
        engine = await asyncio.to_thread(Engine.shared)
        async with NoMediaSimpleCallsParty("alice@atlanta.com", engine=engine) as alice:
            alice.listen(None, address=LOOPBACK)
            assert alice.engine is engine
        assert not engine.closed

    def test_a_handler_on_the_shared_engine_may_have_a_party_of_its_own(self, alice, listening):
        bob, done = listening(), threading.Event()
        seen = []

        @bob.on(CallEnded)
        async def answer(event):
            async with NoMediaSimpleCallsParty("carol@chicago.com") as carol:
                seen.append(carol.engine)
            done.set()

        alice.invite(bob).wait(5).terminate().wait(5)
        assert done.wait(PATIENCE)
        assert seen == [Engine.shared()]
        assert Engine.shared().run(lambda: "alive") == "alive"

    async def test_verbs_from_other_threads_come_to_the_loop(self):
        async with NoMediaSimpleCallsParty("bob@biloxi.com") as bob:
            await asyncio.to_thread(bob.listen, None, address=LOOPBACK)
            with pytest.raises(UsageError):
                await asyncio.to_thread(bob.listen, None)

    def test_without_a_loop_there_is_no_current_one(self):
        with pytest.raises(RuntimeError):
            Engine.current()

    def test_an_engine_whose_loop_is_gone_is_closed(self):
        async def main():
            return Engine.current()

        engine = asyncio.run(main())
        assert engine.closed
        for run in (lambda: engine.run(len, ""), lambda: on_thread(lambda: engine.run(len, ""))):
            with pytest.raises(UsageError, match="closed"):
                run()


def test_the_lock_of_waiting_is_where_a_forked_child_looks_for_it():
    assert isinstance(waiting._lock, type(threading.Lock()))


def test_an_engine_tells_its_counters_to_any_thread(engine, make_party):
    bob = make_party("bob@biloxi.com", engine=engine).listen(None, address=LOOPBACK)
    alice = make_party("alice@atlanta.com", engine=engine)
    assert alice.options(bob).wait(PATIENCE).status == 200
    counters = engine.counters()
    assert counters["received"] >= 2
    assert counters["dialogs"] == counters["flood"] == 0
    engine.close()
    with pytest.raises(UsageError):
        engine.counters()


def test_what_cannot_be_sent_keeps_no_other_from_its_way(engine, make_party, listening, caplog):
    """One exception of an endpoint lost all that was to be sent with it, and what waited for it."""
    bob = listening()
    alice = make_party("alice@atlanta.com", engine=engine)
    carol = make_party("carol@chicago.com", engine=engine)
    carol.listen(None, address=LOOPBACK)
    endpoint = carol._endpoints[0]
    send = endpoint.send

    def fail(data, flow):
        if b"From: <sip:carol@" in data:
            raise RuntimeError("a defect")
        send(data, flow)

    def both():
        failing = carol.invite(bob)
        return failing, alice.invite(bob)

    endpoint.send = fail
    failing, call = engine.run(both)
    assert call.wait(PATIENCE).state == "InDialog"
    assert "RuntimeError: a defect" in caplog.text
    endpoint.send = send
    assert failing.wait(PATIENCE).state == "InDialog"  # sent again, as what was lost is


def test_a_wire_is_asked_once_for_each_batch_and_handed_each_message(make_party, listening):
    bob, alice = listening("bob@biloxi.com"), make_party("alice@atlanta.com")
    wire, asked = bob.engine.wire, []
    before = wire.watched
    with wire.tapped(Recorder()) as records:
        wire.watched = lambda: asked.append(1) or True
        try:
            alice.invite(bob).wait(5).terminate().wait(5)
            bob.engine.run(lambda: None)  # whatever was to be sent is
        finally:
            wire.watched = before
    ways = [(record.direction, record.data.split(b"\r\n")[0]) for record in records]
    assert ("sent", b"INVITE sip:bob@biloxi.com SIP/2.0") in ways
    sent = [line for direction, line in ways if direction == "sent"]
    assert sorted(sent) == sorted(line for direction, line in ways if direction == "received")
    assert 0 < len(asked) <= len(ways)


@pytest.mark.parametrize("answered", [True, False], ids=["waits to try again", "is not answered"])
def test_nobody_waits_for_a_request_of_an_engine_that_was_closed(
    engine, make_party, peer, answered
):
    alice = make_party("alice@atlanta.com", engine=engine, retry_wait=3600)
    request = alice.options(f"sip:bob@localhost:{peer.port}")
    asked = peer.receive()
    if answered:
        peer.answer(asked, 503, headers=[("Retry-After", "600")])
        while not engine.run(lambda: request._timer):
            pass
    engine.close()
    with pytest.raises(CallFailed):
        request.wait(PATIENCE)
