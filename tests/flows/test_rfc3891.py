"""Replaces: the usage example of RFC 3891 §7."""

from __future__ import annotations

from sipparty.sip.dialog.replaces import CallReplaced, Replaces


def test_7_1_replacing_an_early_dialog_at_the_originator(flow):
    """Bob's desk phone rings, and he takes the call in the lab.

    How the phone in the lab learns of the dialog is not part of the figure's messages.
    """
    alice, desk, lab = (flow.phone(name, "example.org") for name in ("alice", "desk", "lab"))
    call = alice.call(desk)
    ringing = desk.incoming()
    ringing.ring()
    flow.run(5)
    wanted = Replaces.of_call(ringing)
    taken = lab.call(alice, replaces=str(wanted))
    flow.until_state("Terminated", call, ringing)
    (replaced,) = alice.happened(CallReplaced)
    assert replaced.call is call
    theirs = replaced.by
    flow.until_talking(taken, theirs)
    assert lab.medias[0].direction == alice.medias[-1].direction == "sendrecv"
    if flow.clean:
        flow.shows("""
            alice > desk  INVITE F1
            desk  > alice 180    F2
            lab   > alice INVITE F3
            alice > lab   200    F4
            lab   > alice ACK
            alice > desk  CANCEL F5
            desk  > alice 200    F6
            desk  > alice 487    F7
            alice > desk  ACK
        """)
        ringing, replaces = flow["F2"], flow["F3"]
        assert str(replaces["Replaces"]) == (
            f"{ringing.call_id};to-tag={ringing.from_.tag};from-tag={ringing.to.tag};early-only"
        )
        assert replaces.call_id != ringing.call_id
        assert flow["F5"].cseq.number == flow["F1"].cseq.number
        assert flow["F7"].to.tag == ringing.to.tag
    taken.terminate()
    flow.until_state("Terminated", taken, theirs)
