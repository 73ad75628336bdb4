"""The end of a program, and what a forked child has of its parent: programs of their own."""

import os
import sys

import pytest

CALL = """
import os, sys, threading
from sipparty.concurrency.engine import Engine
from sipparty.parties import NoMediaSimpleCallsParty, SingleRTPSessionSimplenParty
from sipparty.sip.events import CallEnded, CallEstablished, CallReceived

def call(kind=SingleRTPSessionSimplenParty):
    global alice, bob
    bob = kind("bob@biloxi.com").listen(None, address="127.0.0.1")
    alice = kind("alice@atlanta.com")
    return alice.invite(bob).wait(10)
"""


def program(text):
    return CALL + text


def test_nothing_but_an_engine(run_script):
    done = run_script(program("Engine.shared()"))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_calls_that_are_up_are_hung_up(run_script):
    done = run_script(
        program("""
dialog = call()
import atexit
# Runs before the engine's; each line is written at once, as two threads write.
atexit.register(lambda: os.write(1, f"too early {dialog.state}\\n".encode()))
Engine.shared().wire.add(lambda r: os.write(1, r.data.split()[0] + b"\\n"))
""")
    )
    lines = done.stdout.split("\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert lines[0] == "too early InDialog"
    # Each side ends its own, so that two cross: sent and received, and answered.
    assert lines.count("BYE") == lines.count("SIP/2.0") == 4


def test_a_call_to_somebody_who_does_not_answer(run_script, peer):
    done = run_script(
        program("""
dialog = NoMediaSimpleCallsParty("alice@atlanta.com").invite("bob@b.com", proxy=sys.argv[1])
print(dialog.state)
"""),
        peer.place,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "InitiatingDialog\n", "")


def test_an_exception_in_the_main_thread(run_script):
    done = run_script(program("call(); raise ValueError('mine')"))
    assert done.returncode == 1
    assert done.stderr.strip().endswith("ValueError: mine")
    assert done.stderr.count("Traceback") == 1


def test_sys_exit_in_the_main_thread(run_script):
    done = run_script(program("call(); sys.exit(3)"))
    assert (done.returncode, done.stderr) == (3, "")


@pytest.mark.parametrize("how", ["lambda event: sys.exit(3)", "stop"])
def test_sys_exit_in_a_handler_ends_that_handler_alone(run_script, how):
    done = run_script(
        program(f"""
async def stop(event):
    sys.exit(3)

bob = NoMediaSimpleCallsParty("bob@biloxi.com").listen(None, address="127.0.0.1")
ended = threading.Event()
bob.on(CallEstablished, {how})
bob.on(CallEnded, lambda event: ended.set())
alice = NoMediaSimpleCallsParty("alice@atlanta.com")
dialog = alice.invite(bob).wait(10)
dialog.terminate().wait(10)
print(ended.wait(10), dialog.state)
""")
    )
    assert (done.returncode, done.stdout) == (0, "True Terminated\n")
    assert "raised on CallEstablished" in done.stderr
    assert "SystemExit: 3" in done.stderr


@pytest.mark.parametrize(
    "block",
    [
        "def block(event):\n    inside.set()\n    threading.Event().wait()",
        "async def block(event):\n    inside.set()\n    await asyncio.Event().wait()",
    ],
    ids=["function", "coroutine"],
)
def test_a_handler_that_never_ends(run_script, block):
    done = run_script(
        program(f"""
import asyncio
inside = threading.Event()

{block}

bob = NoMediaSimpleCallsParty("bob@biloxi.com").listen(None, address="127.0.0.1")
bob.on(CallEstablished, block)
NoMediaSimpleCallsParty("alice@atlanta.com").invite(bob).wait(10)
print(inside.wait(10))
""")
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "True\n", "")


def test_a_name_server_that_does_not_answer(run_script):
    done = run_script(
        program("""
import asyncio
from sipparty.transport import Resolver
asked = threading.Event()

async def never(question):
    asked.set()
    await asyncio.Event().wait()

engine = Engine(resolver=Resolver(lookup=never, hosts=None))
NoMediaSimpleCallsParty("alice@atlanta.com", engine=engine).invite("bob@biloxi.com")
print(asked.wait(10))
""")
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "True\n", "")


def test_an_engine_of_ones_own_is_closed_too(run_script):
    done = run_script(
        program("""
engine = Engine()
bob = NoMediaSimpleCallsParty("bob@biloxi.com", engine=engine).listen(None, address="127.0.0.1")
alice = NoMediaSimpleCallsParty("alice@atlanta.com", engine=engine)
alice.invite(bob).wait(10)
engine.wire.add(lambda r: print(r.data.split()[0].decode(), flush=True))
""")
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split().count("BYE") == 4


def test_with_closes_and_close_may_be_called_again(run_script):
    done = run_script(
        program("""
with SingleRTPSessionSimplenParty("bob@biloxi.com") as bob:
    bob.listen(None, address="127.0.0.1")
    with SingleRTPSessionSimplenParty("alice@atlanta.com") as alice:
        dialog = alice.invite(bob).wait(10)
    print(dialog.state, alice.calls)
bob.close()
bob.close()
Engine.shared().close()
Engine.shared().close()
print(threading.active_count())
""")
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "Terminated []\n1\n", "")


def test_asyncio_run_leaves_nothing(run_script):
    done = run_script(
        program("""
import asyncio

async def main():
    async with SingleRTPSessionSimplenParty("bob@biloxi.com") as bob:
        bob.listen(None, address="127.0.0.1")
        async with SingleRTPSessionSimplenParty("alice@atlanta.com") as alice:
            dialog = await alice.invite(bob)
            print(dialog.state, threading.active_count())
    print(dialog.state)

asyncio.run(main())
asyncio.run(main())
""")
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == ["InDialog 1", "Terminated"] * 2


FORK = (
    CALL
    + """
import socket

dialog = call(NoMediaSimpleCallsParty)
port = bob.contact_uri.port
parents = Engine.shared()
sys.stdout.flush()
child = os.fork()
if child == 0:
    try:
        assert parents.closed
        assert not bob.listening and bob.contact_uri is None
        carol = NoMediaSimpleCallsParty("carol@chicago.com")
        dave = NoMediaSimpleCallsParty("dave@d.com").listen(None, address="127.0.0.1")
        assert carol.engine is not parents
        mine = carol.invite(dave).wait(10)
        mine.terminate().wait(10)
        print("child", mine.state)
        try:
            dialog.terminate()
        except Exception as error:
            print("child", error)
        bob.close()  # the parent's, and not ours to close
        sys.stdout.flush()
        again, go = sys.argv[1], sys.argv[2]
        with open(again, "w") as out:
            out.write("ready")
        with open(go) as wait:
            wait.read()
    except BaseException:
        import traceback
        traceback.print_exc()
        os._exit(1)
    os._exit(0)
with open(sys.argv[1]) as ready:
    ready.read()
assert dialog.state == "InDialog"
dialog.terminate().wait(10)
second = alice.invite(bob).wait(10)
print("parent", dialog.state, second.state)
second.terminate().wait(10)
bob.stop_listen()
# The child is alive, and holds nothing of ours.
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
    probe.bind(("127.0.0.1", port))
with open(sys.argv[2], "w") as go:
    go.write("go")
_, status = os.waitpid(child, 0)
print("parent", os.waitstatus_to_exitcode(status))
"""
)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_child_has_engines_of_its_own(run_script, tmp_path):
    pipes = [tmp_path / "ready", tmp_path / "go"]
    for pipe in pipes:
        os.mkfifo(pipe)
    # Python 3.12 warns of forks where there are threads: that is what is tested here.
    options = ("-X", "dev", "-W", "error", "-W", "ignore::DeprecationWarning")
    done = run_script(FORK, *pipes, options=options)
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "child Terminated",
        "child The engine is closed.",
        "parent Terminated InDialog",
        "parent 0",
    ]
    assert done.returncode == 0


@pytest.mark.skipif(sys.platform != "linux", reason="multiprocessing forks on Linux alone")
def test_a_child_of_multiprocessing(run_script):
    done = run_script(
        program("""
import multiprocessing

def work(queue):
    dialog = call()
    queue.put(dialog.state)

call()
context = multiprocessing.get_context("fork")
queue = context.SimpleQueue()
process = context.Process(target=work, args=(queue,))
process.start()
print(queue.get())
process.join(10)
print(process.exitcode, alice.calls[0].state)
"""),
        options=("-X", "dev", "-W", "error", "-W", "ignore::DeprecationWarning"),
    )
    assert (done.stdout, done.stderr) == ("InDialog\n0 InDialog\n", "")
