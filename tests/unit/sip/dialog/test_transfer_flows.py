"""The call flows of RFC 5589, with three user agents; each over a network with losses too."""

import pytest

from sipparty.errors import CallRejected
from sipparty.sip.dialog.replaces import CallReplaced
from sipparty.sip.dialog.transfer import Transfer, TransferEnded, TransferProgressed
from sipparty.sip.events import CallReceived

LOSS = {"loss": 0.1}
REORDERING = {"loss": 0.1, "duplication": 0.1, "delay": (0.01, 0.2)}
NETWORKS = [
    pytest.param((0, {}), id="clean"),
    *(pytest.param((seed, LOSS), id=f"loss-{seed}") for seed in range(5)),
    *(pytest.param((seed, REORDERING), id=f"loss and reordering-{seed}") for seed in range(5)),
]


@pytest.fixture(params=NETWORKS)
def flow(request, make_trio):
    seed, network = request.param
    trio = make_trio(seed, **network)
    trio.clean = not network
    return trio


def over(handle):
    return lambda: handle.state in handle.final


def placed(trio, name):
    """The calls that are up at an agent."""
    return [call for call in trio.agents[name].dialogs if call.state == "InDialog"]


def connected(trio, one, other):
    """Run until two agents have a call with each other, and no other call."""
    trio.run(lambda: len(placed(trio, one)) == len(placed(trio, other)) == 1)
    assert placed(trio, one)[0].call_id == placed(trio, other)[0].call_id


def requests(trio):
    return [(*ends, start) for *ends, start, _ in trio.said() if isinstance(start, str)]


def hang_up(trio):
    for agent in trio.agents.values():
        for call in list(agent.dialogs):
            if call.takes("terminate"):
                call.hit("terminate")
    trio.quiet()


def ended(trio):
    return [event.error for event in trio.kinds("alice", TransferEnded)]


def test_basic_transfer(flow):
    """§6.1: bob has called alice, who transfers him to carol."""
    flow.answer("carol", ring=False)
    flow.decide("bob")
    its, mine = flow.up("bob", "alice")
    transfer = mine.transfer("sip:carol@10.0.0.3")
    flow.run(over(transfer))
    assert (transfer.state, transfer.status) == ("Terminated", 200)
    flow.run(lambda: its.state == "Terminated")
    (new,) = placed(flow, "bob")
    assert new.remote.uri.username == "carol"
    assert ended(flow) == [None]
    if flow.clean:
        assert requests(flow) == [
            ("bob", "alice", "INVITE"),
            ("bob", "alice", "ACK"),
            ("alice", "bob", "REFER"),
            ("bob", "alice", "NOTIFY"),
            ("bob", "carol", "INVITE"),
            ("bob", "carol", "ACK"),
            ("bob", "alice", "NOTIFY"),
            ("alice", "bob", "BYE"),
        ]
    (call,) = placed(flow, "carol")
    call.terminate()
    flow.quiet()


def test_the_target_is_busy(flow):
    """§6.3.1."""
    flow.answer("carol", 486)
    flow.decide("bob")
    its, mine = flow.up("bob", "alice")
    transfer = mine.transfer("sip:carol@10.0.0.3")
    flow.run(over(transfer))
    assert isinstance(transfer.last_error, CallRejected)
    assert transfer.last_error.status == 486
    assert mine.state == its.state == "InDialog"
    hang_up(flow)


def test_the_target_does_not_answer(flow):
    """§6.3.2: bob gets tired of waiting."""
    flow.decide("bob", lambda event: setattr(flow, "placed", event.accept()))
    its, mine = flow.up("bob", "alice")
    transfer = mine.transfer("sip:carol@10.0.0.3")
    flow.run(lambda: flow.carol.dialogs)
    (theirs,) = flow.carol.dialogs
    theirs.ring()
    flow.run(lambda: flow.placed.progress == 180)
    flow.placed.terminate()
    flow.run(over(transfer))
    assert transfer.last_error.status == 487
    assert mine.state == its.state == "InDialog"
    hang_up(flow)


def test_attended_transfer(flow):
    """§7.3: alice has called carol first."""
    flow.decide("bob")
    its, mine = flow.up("bob", "alice")
    consult, theirs = flow.up("alice", "carol")
    transfer = mine.transfer(consult)
    flow.run(lambda: transfer.state in transfer.final and theirs.state in theirs.final)
    assert transfer.last_error is None
    flow.run(lambda: its.state == mine.state == consult.state == "Terminated")
    (new,) = placed(flow, "bob")
    (taken,) = placed(flow, "carol")
    assert new.call_id == taken.call_id
    assert taken.replaces is theirs
    assert [event.by for event in flow.kinds("carol", CallReplaced)] == [taken]
    assert len(flow.kinds("carol", CallReceived)) == 1  # nobody is asked anew
    if flow.clean:
        assert requests(flow)[4:] == [
            ("alice", "bob", "REFER"),
            ("bob", "alice", "NOTIFY"),
            ("bob", "carol", "INVITE"),
            ("bob", "carol", "ACK"),
            ("bob", "alice", "NOTIFY"),
            ("carol", "alice", "BYE"),
            ("alice", "bob", "BYE"),
        ]
    hang_up(flow)


def test_protecting_the_target(flow):
    """§7.2: the target is referred to the transferee."""
    flow.decide("carol")
    its, mine = flow.up("bob", "alice")
    consult, theirs = flow.up("alice", "carol")
    transfer = consult.transfer(mine)
    flow.run(lambda: transfer.state in transfer.final and its.state in its.final)
    assert transfer.last_error is None
    flow.run(lambda: theirs.state == mine.state == consult.state == "Terminated")
    connected(flow, "bob", "carol")
    hang_up(flow)


def test_one_party_does_not_support_refer(flow):
    """§7.4: bob does not, so carol is referred to him."""
    del flow.bob.methods["REFER"], flow.bob.in_dialog["REFER"]
    flow.decide("carol")
    its, mine = flow.up("bob", "alice")
    consult, _ = flow.up("alice", "carol")
    transfer = mine.transfer(consult)
    flow.run(over(transfer))
    assert transfer.last_error.status == 405
    assert mine.state == consult.state == "InDialog"
    again = consult.transfer(mine)
    flow.run(lambda: again.state in again.final and its.state in its.final)
    assert again.last_error is None
    hang_up(flow)


def test_an_attended_transfer_whose_target_has_hung_up(flow):
    """The call is given back."""
    flow.decide("bob")
    its, mine = flow.up("bob", "alice")
    consult, theirs = flow.up("alice", "carol")
    transfer = mine.transfer(consult)
    theirs.terminate()
    flow.run(over(transfer))
    if flow.clean:
        assert transfer.last_error.status == 603  # RFC 3891 §3: it has just ended
    assert transfer.state == "Error" or not flow.clean
    if transfer.state == "Error":
        assert mine.state == its.state == "InDialog"
    hang_up(flow)


def test_semi_attended_transfer(flow):
    """§7.6: alice need not wait until carol answers; the transfer does."""
    flow.decide("bob")
    _, mine = flow.up("bob", "alice")
    consult = flow.call("alice", "carol")
    flow.run(lambda: flow.carol.dialogs)
    (theirs,) = flow.carol.dialogs
    theirs.ring()
    flow.run(lambda: consult.progress == 180)
    transfer = mine.transfer(consult)
    assert transfer.state == "Consulting"
    assert not flow.messages("REFER")
    theirs.accept()
    flow.run(lambda: transfer.state in transfer.final and theirs.state in theirs.final)
    assert transfer.last_error is None
    connected(flow, "bob", "carol")
    hang_up(flow)


def test_nobody_decides(flow):
    its, mine = flow.up("bob", "alice")
    transfer = mine.transfer("sip:carol@10.0.0.3")
    flow.run(over(transfer))
    assert transfer.last_error.status == 603
    assert mine.state == its.state == "InDialog"
    assert not flow.kinds("carol", CallReceived)
    hang_up(flow)


def test_progress_is_reported(flow):
    flow.decide("bob", lambda event: setattr(flow, "placed", event.accept()))
    _, mine = flow.up("bob", "alice")
    transfer = mine.transfer("sip:carol@10.0.0.3")
    flow.run(lambda: flow.carol.dialogs)
    (theirs,) = flow.carol.dialogs
    theirs.ring()
    flow.run(lambda: transfer.status == 180 or (theirs.progress == 180 and flow.placed.progress))
    flow.run(lambda: flow.network.clock.now > 10)
    theirs.accept()
    flow.run(over(transfer))
    assert transfer.last_error is None
    told = [event.status for event in flow.kinds("alice", TransferProgressed)]
    assert set(told) <= {100, 180}
    assert 180 in told
    hang_up(flow)


def test_outside_of_a_call(flow):
    """RFC 3515 §4.1."""
    flow.answer("carol", ring=False)
    flow.decide("bob")
    transfer = Transfer(flow.alice).begin(
        "sip:carol@10.0.0.3", sent_to=("sip:bob@10.0.0.2", None, ())
    )
    flow.run(over(transfer))
    assert transfer.last_error is None
    connected(flow, "bob", "carol")
    hang_up(flow)


def test_the_call_ends_as_the_refer_is_sent(flow):
    flow.answer("carol")
    flow.decide("bob")
    its, mine = flow.up("bob", "alice")
    transfer = mine.transfer("sip:carol@10.0.0.3")
    its.terminate()
    flow.run(over(transfer))
    assert transfer.state in ("Error", "Terminated")
    hang_up(flow)
