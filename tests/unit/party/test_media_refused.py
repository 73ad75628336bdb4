"""What a caller and a called party learn where media cannot be had."""

import socket

import pytest

from sipparty import AudioParty
from sipparty.errors import CallRejected

PATIENCE = 10


@pytest.fixture
def party(make_party):
    def make(user, **media):
        return make_party(f"{user}@127.0.0.1", AudioParty, media=media)

    return make


def free_pair():
    """An even port with the next one free, as a range of one pair."""
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1] & ~1
        if port > 1024:
            return port, port + 1


def test_without_a_codec_in_common_the_caller_reads_why(party):
    bob = party("bob", codecs=("PCMA",)).listen(None, address="127.0.0.1")
    alice = party("alice", codecs=("PCMU",))
    with pytest.raises(CallRejected, match=r"488 Not Acceptable Here: .*format") as failed:
        alice.invite(bob).wait(PATIENCE)
    assert failed.value.response["Warning"].startswith("305 sipparty ")


def test_ports_that_run_out_are_said_and_come_back(party):
    bob = party("bob", port_range=free_pair()).listen(None, address="127.0.0.1")
    alice, carol = party("alice"), party("carol")
    first = alice.invite(bob).wait(PATIENCE)
    with pytest.raises(CallRejected, match="503 Service Unavailable: No port is left for media"):
        carol.invite(bob).wait(PATIENCE)
    first.terminate().wait(PATIENCE)
    for theirs in bob.calls:
        theirs.wait_for("Terminated", PATIENCE)
    assert carol.invite(bob).wait(PATIENCE).state == "InDialog"
