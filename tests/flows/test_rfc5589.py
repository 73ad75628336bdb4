"""Transfers, figure by figure of RFC 5589.

The REFER is answered with 200, as RFC 7647 §5 has it, where the figures have 202. Where a figure
shows a REFER in a dialog of its own that names the call by Target-Dialog, ours goes in the dialog
of the call (§6.2), unless the test says otherwise. What goes to two parties at once comes in the
order in which the library sends it.
"""

from __future__ import annotations

import pytest

from sipparty.sip.dialog.referral import TransferRequested
from sipparty.sip.dialog.replaces import Replaces
from sipparty.sip.dialog.transfer import Transfer
from sipparty.sip.fields import field
from sipparty.sip.uri_parameters import escape

DOMAIN = "example.com"


@pytest.fixture
def parties(flow):
    """Transferor, transferee and transfer target; the transferee calls who it is asked to call."""
    phones = [flow.phone(name, DOMAIN) for name in ("transferor", "transferee", "target")]
    for phone in phones:
        phone.when(TransferRequested, lambda event: event.accept())
    return phones


def established(flow, parties):
    """The call of dialog 1, from the transferee; the transferor's end and the other."""
    transferor, transferee, _ = parties
    theirs = transferee.call(transferor)
    mine = transferor.incoming().accept()
    flow.until_talking(mine, theirs)
    return mine, theirs


def held(flow, *calls):
    for call in calls:
        flow.until_state("Done", call.hold())
        flow.run(1)


def reports_come_last(flow, one, other):
    """Have what one phone sends to another take longer, so that the outcome is reported when the
    BYE of the call that was replaced is there, as the figures have it; else two BYEs cross.
    """
    if flow.clean:
        flow.network.link(one.host, other.host, delay=(0.03, 0.03), both_ways=False)


FIRST = "transferee > transferor INVITE/200/ACK"
HELD = "\ntransferor > transferee INVITE/200/ACK"


def test_6_1_transfer_by_target_dialog(flow, parties):
    """Figure 1: the REFER is outside of the call's dialog, and names it (RFC 4538)."""
    transferor, transferee, target = parties
    mine, theirs = established(flow, parties)
    held(flow, mine)
    state = mine.dialog_state
    dialog = f"{state.call_id};local-tag={state.remote_tag};remote-tag={state.local_tag}"
    transfer = Transfer(transferor.agent)
    fields = [field("Target-Dialog", dialog), field("Require", "tdialog")]
    transfer.begin(target.contact, fields=fields, sent_to=(transferee.contact, None, ()))
    its = target.incoming().accept()
    flow.until_state("Terminated", transfer)
    flow.run(1)
    mine.terminate()
    flow.until_state("Terminated", mine, theirs)
    (placed,) = transferee.agent.dialogs
    its.terminate()
    flow.until_state("Terminated", its, placed)
    if flow.clean:
        flow.shows(
            FIRST,
            HELD,
            """
            transferor > transferee REFER  F3
            transferee > transferor 200
            transferee > transferor NOTIFY F4
            transferee > target     INVITE F5
            transferor > transferee 200
            target     > transferee 200
            transferee > target     ACK
            transferee > transferor NOTIFY F6
            transferor > transferee 200
            transferor > transferee BYE/200
            target     > transferee BYE/200
        """,
        )
        assert flow["F3"].call_id != state.call_id
        assert flow["F4"].call_id == flow["F3"].call_id
        assert_reports(flow, "F3", "F4", "F6", 100, 200)


def assert_reports(flow, refer, *labels_and_statuses):
    """See that the reports are of a REFER, and what they say."""
    half = len(labels_and_statuses) // 2
    labels, statuses = labels_and_statuses[:half], labels_and_statuses[half:]
    for label, status in zip(labels, statuses, strict=True):
        notify = flow[label]
        assert notify.lines("Event")[0].partition(";")[0] == "refer"
        assert notify.media_type == "message/sipfrag"
        assert notify.body.startswith(f"SIP/2.0 {status} ".encode())
        state = notify.lines("Subscription-State")[0].partition(";")[0]
        assert state == ("active" if status < 200 else "terminated")
    assert flow[refer].lines("Refer-To")


def test_6_2_transfer_with_dialog_reuse(flow, parties):
    """Figure 2: the REFER and its reports are in the dialog of the call."""
    transferor, transferee, target = parties
    mine, theirs = established(flow, parties)
    transfer = mine.transfer(target.contact, hold=True)
    its = target.incoming().accept()
    flow.until_state("Terminated", transfer, mine, theirs)
    flow.run(1)
    (placed,) = transferee.agent.dialogs
    assert transferee.medias[-1].direction == target.medias[0].direction == "sendrecv"
    its.terminate()
    flow.until_state("Terminated", its, placed)
    if flow.clean:
        flow.shows(
            FIRST,
            HELD,
            """
            transferor > transferee REFER  F3
            transferee > transferor 200
            transferee > transferor NOTIFY F4
            transferee > target     INVITE F5
            transferor > transferee 200
            target     > transferee 200
            transferee > target     ACK
            transferee > transferor NOTIFY F6
            transferor > transferee 200
            transferor > transferee BYE/200
            target     > transferee BYE/200
        """,
        )
        assert flow["F3"].lines("Refer-To") == [f"<{target.contact}>"]
        assert flow["F3"].lines("Referred-By") == [f"<{transferor.uri}>"]
        assert flow["F5"].lines("Referred-By") == [f"<{transferor.uri}>"]
        assert flow["F4"].call_id == flow["F3"].call_id
        assert_reports(flow, "F3", "F4", "F6", 100, 200)


def test_6_3_1_target_busy(flow, parties):
    """Figure 3: the transfer fails, and the transferor takes the call back."""
    _, transferee, target = parties
    mine, theirs = established(flow, parties)
    transfer = mine.transfer(target.contact, hold=True)
    target.incoming().reject(486)
    flow.until_state("Error", transfer)
    assert transfer.last_error.status == 486
    flow.until(lambda: transferee.medias[0].direction == "sendrecv")
    flow.until(lambda: not mine.held)
    flow.run(1)
    mine.terminate()
    flow.until_state("Terminated", mine, theirs)
    if flow.clean:
        flow.shows(
            FIRST,
            HELD,
            """
            transferor > transferee REFER  F3
            transferee > transferor 200
            transferee > transferor NOTIFY F4
            transferee > target     INVITE
            transferor > transferee 200
            target     > transferee 486
            transferee > target     ACK
            transferee > transferor NOTIFY F6
            transferor > transferee 200
            transferor > transferee INVITE/200/ACK
            transferor > transferee BYE/200
        """,
        )
        assert_reports(flow, "F3", "F4", "F6", 100, 486)


def test_6_3_2_target_does_not_answer(flow, parties):
    """Figure 4: the transferee gives up. The target's ringing is reported, too."""
    _, transferee, target = parties
    mine, theirs = established(flow, parties)
    transfer = mine.transfer(target.contact, hold=True)
    its = target.incoming()
    its.ring()
    flow.run(20)
    (placed,) = set(transferee.agent.dialogs) - {theirs}
    placed.terminate()
    flow.until_state("Error", transfer)
    assert transfer.last_error.status == 487
    flow.until_state("Terminated", its)
    flow.until(lambda: not mine.held)
    flow.run(1)
    mine.terminate()
    flow.until_state("Terminated", mine, theirs)
    if flow.clean:
        flow.shows(
            FIRST,
            HELD,
            """
            transferor > transferee REFER/200
            transferee > transferor NOTIFY
            transferee > target     INVITE
            transferor > transferee 200
            target     > transferee 180
            transferee > transferor NOTIFY
            transferor > transferee 200
            transferee > target     CANCEL
            target     > transferee 200
            target     > transferee 487
            transferee > target     ACK
            transferee > transferor NOTIFY
            transferor > transferee 200
            transferor > transferee INVITE/200/ACK
            transferor > transferee BYE/200
        """,
        )


def consulted(flow, transferor, target):
    """The call of dialog 2: the transferor calls the target; both ends."""
    consultation = transferor.call(target)
    its = target.incoming().accept()
    flow.until_talking(consultation, its)
    return consultation, its


CONSULTED = "\ntransferor > target INVITE/200/ACK"


def test_7_1_exposing_the_transfer_target(flow, parties):
    """Figure 5: the transferor announces the transfer, hangs up, and transfers."""
    transferor, transferee, target = parties
    mine, theirs = established(flow, parties)
    held(flow, mine)
    consultation, its = consulted(flow, transferor, target)
    consultation.terminate()
    flow.until_state("Terminated", consultation, its)
    transfer = mine.transfer(target.contact)
    its = target.incoming().accept()
    flow.until_state("Terminated", transfer, mine, theirs)
    flow.run(1)
    (placed,) = transferee.agent.dialogs
    its.terminate()
    flow.until_state("Terminated", its, placed)
    if flow.clean:
        flow.shows(
            FIRST,
            HELD,
            CONSULTED,
            """
            transferor > target     BYE/200
            transferor > transferee REFER/200
            transferee > transferor NOTIFY
            transferee > target     INVITE
            transferor > transferee 200
            target     > transferee 200
            transferee > target     ACK
            transferee > transferor NOTIFY
            transferor > transferee 200
            transferor > transferee BYE/200
            target     > transferee BYE/200
        """,
        )


def test_7_2_protecting_the_transfer_target(flow, parties):
    """Figure 6: it is the target that is asked to call, in the place of the first call."""
    transferor, transferee, target = parties
    mine, theirs = established(flow, parties)
    held(flow, mine)
    consultation, its = consulted(flow, transferor, target)
    held(flow, consultation)
    reports_come_last(flow, target, transferor)
    transfer = consultation.transfer(mine)
    flow.until_state("Terminated", transfer, mine, theirs, consultation, its)
    flow.run(1)
    (called,), (placed,) = transferee.agent.dialogs, target.agent.dialogs
    assert called.state == placed.state == "InDialog"
    called.terminate()
    flow.until_state("Terminated", called, placed)
    if flow.clean:
        flow.shows(
            FIRST,
            HELD,
            CONSULTED,
            """
            transferor > target     INVITE/200/ACK
            transferor > target     REFER      F5
            target     > transferee INVITE     F6
            target     > transferor 200
            target     > transferor NOTIFY
            transferee > target     200
            target     > transferee ACK
            target     > transferor NOTIFY
            transferee > transferor BYE
            transferor > target     200
            transferor > transferee 200
            transferor > target     200
            transferor > target     BYE/200
            transferee > target     BYE/200
        """,
        )


def test_7_3_attended_transfer(flow, parties):
    """Figures 7 and 16: the transferee calls the target in the place of the consultation."""
    transferor, transferee, target = parties
    mine, theirs = established(flow, parties)
    held(flow, mine)
    consultation, its = consulted(flow, transferor, target)
    held(flow, consultation)
    reports_come_last(flow, transferee, transferor)
    transfer = mine.transfer(consultation)
    flow.until_state("Terminated", transfer, mine, theirs, consultation, its)
    flow.run(1)
    (placed,), (called,) = transferee.agent.dialogs, target.agent.dialogs
    assert called.state == placed.state == "InDialog"
    assert transferee.medias[-1].direction == target.medias[-1].direction == "sendrecv"
    called.terminate()
    flow.until_state("Terminated", called, placed)
    if flow.clean:
        flow.shows(
            FIRST,
            HELD,
            CONSULTED,
            """
            transferor > target     INVITE/200/ACK
            transferor > transferee REFER      F5
            transferee > target     INVITE     F6
            transferee > transferor 200
            transferee > transferor NOTIFY
            target     > transferee 200
            transferee > target     ACK
            transferee > transferor NOTIFY
            target     > transferor BYE
            transferor > transferee 200
            transferor > target     200
            transferor > transferee 200
            transferor > transferee BYE/200
            target     > transferee BYE/200
        """,
        )
        refer_to, invite = flow["F5"].lines("Refer-To")[0], flow["F6"]
        assert refer_to.startswith(f"<{target.contact}?Replaces=")
        value = str(invite["Replaces"])
        state = its.dialog_state or consultation.dialog_state
        assert value.partition(";")[0] == state.call_id
        assert "replaces" in invite.require
        assert invite.lines("Referred-By") == [f"<{transferor.uri}>"]


def test_7_4_a_party_without_refer(flow, parties):
    """Figure 8: the transferee knows no REFER; so the target is asked instead."""
    transferor, transferee, target = parties
    del transferee.agent.methods["REFER"]
    transferee.agent.in_dialog.pop("REFER", None)
    mine, theirs = established(flow, parties)
    held(flow, mine)
    consultation, its = consulted(flow, transferor, target)
    held(flow, consultation)
    transfer = mine.transfer(consultation)
    flow.until_state("Error", transfer)
    assert transfer.last_error.status in (405, 501)
    assert mine.state == consultation.state == "InDialog"
    reports_come_last(flow, target, transferor)
    transfer = consultation.transfer(mine)
    flow.until_state("Terminated", transfer, mine, theirs, consultation, its)
    flow.run(1)
    (called,), (placed,) = transferee.agent.dialogs, target.agent.dialogs
    called.terminate()
    flow.until_state("Terminated", called, placed)
    if flow.clean:
        flow.shows(
            FIRST,
            HELD,
            CONSULTED,
            """
            transferor > target     INVITE/200/ACK
            transferor > transferee REFER/405
            transferor > target     REFER
            target     > transferee INVITE
            target     > transferor 200
            target     > transferor NOTIFY
            transferee > target     200
            target     > transferee ACK
            target     > transferor NOTIFY
            transferee > transferor BYE
            transferor > target     200
            transferor > transferee 200
            transferor > target     200
            transferor > target     BYE/200
            transferee > target     BYE/200
        """,
        )


def test_7_5_by_the_address_of_the_target(flow, parties):
    """Figure 9: Refer-To has the address of the target, with Require: replaces."""
    transferor, transferee, target = parties
    proxy = flow.proxy("proxy", DOMAIN, record_route=False)
    proxy.targets[target.address] = [[target.contact]]
    mine, theirs = established(flow, parties)
    held(flow, mine)
    consultation, its = consulted(flow, transferor, target)
    held(flow, consultation)
    value = escape(str(Replaces.of_call(consultation)), "header")
    transfer = mine.transfer(f"{target.uri}?Replaces={value}&Require=replaces")
    flow.until_state("Terminated", transfer, mine, theirs, consultation, its)
    flow.run(1)
    (placed,), (called,) = transferee.agent.dialogs, target.agent.dialogs
    called.terminate()
    flow.until_state("Terminated", called, placed)
    if flow.clean:
        flow.shows(
            FIRST,
            HELD,
            CONSULTED,
            """
            transferor > target     INVITE/200/ACK
            transferor > transferee REFER   F3
            transferee > transferor 200
            transferee > transferor NOTIFY
            transferee > proxy      INVITE
            transferor > transferee 200
            proxy      > target     INVITE  F6
            proxy      > transferee 100
            target     > proxy      200
            proxy      > transferee 200
            transferee > target     ACK
            transferee > transferor NOTIFY  F7
            target     > transferor BYE
            transferor > transferee 200
            transferor > transferee BYE
            transferor > target     200
            transferee > transferor 200
            target     > transferee BYE/200
        """,
        )
        assert flow["F6"].require == ("replaces",)
        assert_reports(flow, "F3", "F7", 200)


def test_7_5_a_contact_that_is_not_routable(flow, parties):
    """Figure 10: the address of the target leads to a proxy that refuses; then its Contact is
    tried.
    """
    transferor, transferee, target = parties
    proxy = flow.proxy("proxy", DOMAIN)
    proxy.refused[target.address] = 403, ()
    mine, theirs = established(flow, parties)
    held(flow, mine)
    consultation, its = consulted(flow, transferor, target)
    held(flow, consultation)
    value = escape(str(Replaces.of_call(consultation)), "header")
    transfer = mine.transfer(f"{target.uri}?Replaces={value}&Require=replaces")
    flow.until_state("Error", transfer)
    flow.run(1)
    assert transfer.last_error.status == 403
    assert mine.state == consultation.state == "InDialog"
    reports_come_last(flow, transferee, transferor)
    transfer = mine.transfer(consultation)
    flow.until_state("Terminated", transfer, mine, theirs, consultation, its)
    flow.run(1)
    (placed,), (called,) = transferee.agent.dialogs, target.agent.dialogs
    called.terminate()
    flow.until_state("Terminated", called, placed)
    if flow.clean:
        flow.shows(
            FIRST,
            HELD,
            CONSULTED,
            """
            transferor > target     INVITE/200/ACK
            transferor > transferee REFER   F3
            transferee > transferor 200
            transferee > transferor NOTIFY
            transferee > proxy      INVITE
            transferor > transferee 200
            proxy      > transferee 403
            transferee > proxy      ACK
            transferee > transferor NOTIFY  F4
            transferor > transferee 200
            transferor > transferee REFER   F5
            transferee > target     INVITE  F6
            transferee > transferor 200
            transferee > transferor NOTIFY
            target     > transferee 200
            transferee > target     ACK
            transferee > transferor NOTIFY  F7
            target     > transferor BYE
            transferor > transferee 200
            transferor > target     200
            transferor > transferee 200
            transferor > transferee BYE/200
            target     > transferee BYE/200
        """,
        )
        assert_reports(flow, "F3", "F4", 403)
        assert_reports(flow, "F5", "F7", 200)


def test_7_6_semi_attended_transfer(flow, parties):
    """Figure 11: the transfer is asked for while the target rings, and waits for its answer."""
    transferor, transferee, target = parties
    mine, theirs = established(flow, parties)
    held(flow, mine)
    consultation = transferor.call(target)
    its = target.incoming()
    its.ring()
    flow.until_progress(consultation)
    transfer = mine.transfer(consultation)
    flow.run(10)
    assert consultation.state == "InitiatingDialog"
    reports_come_last(flow, transferee, transferor)
    its.accept()
    flow.until_state("Terminated", transfer, mine, theirs, consultation, its)
    flow.run(1)
    (placed,), (called,) = transferee.agent.dialogs, target.agent.dialogs
    called.terminate()
    flow.until_state("Terminated", called, placed)
    if flow.clean:
        flow.shows(
            FIRST,
            HELD,
            """
            transferor > target     INVITE
            target     > transferor 180
            target     > transferor 200
            transferor > target     ACK
            transferor > transferee REFER
            transferee > target     INVITE
            transferee > transferor 200
            transferee > transferor NOTIFY
            target     > transferee 200
            transferee > target     ACK
            transferee > transferor NOTIFY
            transferor > transferee 200
            target     > transferor BYE
            transferor > target     200
            transferor > transferee 200
            transferor > transferee BYE/200
            target     > transferee BYE/200
        """,
        )


def test_7_7_fallback_found_by_options(flow, parties):
    """Figure 15: the target says that it knows neither REFER nor Replaces; so the transferor hangs
    up there, and transfers without.
    """
    transferor, transferee, target = parties
    target.agent.supported = ()
    del target.agent.methods["REFER"]
    mine, theirs = established(flow, parties)

    def can_be_attended(call):
        asked = call.send("OPTIONS")
        flow.until(lambda: asked.response)
        flow.run(1)
        response = asked.response
        return "REFER" in response.lines("Allow")[0] and "replaces" in response.supported

    assert can_be_attended(mine)
    held(flow, mine)
    consultation, its = consulted(flow, transferor, target)
    assert not can_be_attended(consultation)
    consultation.terminate()
    flow.until_state("Terminated", consultation, its)
    transfer = mine.transfer(target.contact)
    its = target.incoming().accept()
    flow.until_state("Terminated", transfer, mine, theirs)
    flow.run(1)
    (placed,) = transferee.agent.dialogs
    its.terminate()
    flow.until_state("Terminated", its, placed)
    if flow.clean:
        flow.shows(
            FIRST,
            """
            transferor > transferee OPTIONS/200
            transferor > transferee INVITE/200/ACK
            transferor > target     INVITE/200/ACK
            transferor > target     OPTIONS/200
            transferor > target     BYE/200
            transferor > transferee REFER
            transferee > transferor 200
            transferee > transferor NOTIFY
            transferee > target     INVITE
            transferor > transferee 200
            target     > transferee 200
            transferee > target     ACK
            transferee > transferor NOTIFY
            transferor > transferee 200
            transferor > transferee BYE/200
            target     > transferee BYE/200
        """,
        )


def test_7_7_fallback_after_420(flow, parties):
    """As Figure 14, but that the INVITE of the transferee is what finds that the target does
    not know Replaces.
    """
    transferor, transferee, target = parties
    target.agent.supported = ()
    mine, theirs = established(flow, parties)
    held(flow, mine)
    consultation, its = consulted(flow, transferor, target)
    held(flow, consultation)
    transfer = mine.transfer(consultation)
    flow.until_state("Error", transfer)
    flow.run(1)
    assert transfer.last_error.status == 420
    assert mine.state == consultation.state == "InDialog"
    consultation.terminate()
    flow.until_state("Terminated", consultation, its)
    transfer = mine.transfer(target.contact)
    its = target.incoming().accept()
    flow.until_state("Terminated", transfer, mine, theirs)
    flow.run(1)
    (placed,) = transferee.agent.dialogs
    its.terminate()
    flow.until_state("Terminated", its, placed)
    if flow.clean:
        flow.shows(
            FIRST,
            HELD,
            CONSULTED,
            """
            transferor > target     INVITE/200/ACK
            transferor > transferee REFER
            transferee > transferor 200
            transferee > transferor NOTIFY
            transferee > target     INVITE
            transferor > transferee 200
            target     > transferee 420
            transferee > target     ACK
            transferee > transferor NOTIFY
            transferor > transferee 200
            transferor > target     BYE/200
            transferor > transferee REFER
            transferee > transferor 200
            transferee > transferor NOTIFY
            transferee > target     INVITE
            transferor > transferee 200
            target     > transferee 200
            transferee > target     ACK
            transferee > transferor NOTIFY
            transferor > transferee 200
            transferor > transferee BYE/200
            target     > transferee BYE/200
        """,
        )


def test_10_transfer_with_multiple_parties(flow):
    """Figure 18: the originator is connected by a facilitator and a connector."""
    names = "originator", "facilitator", "connector", "recipient"
    originator, facilitator, connector, recipient = (flow.phone(name, DOMAIN) for name in names)
    for phone in (originator, facilitator):
        phone.when(TransferRequested, lambda event: event.accept())

    def talk(one, other):
        mine = one.call(other)
        theirs = other.incoming().accept()
        flow.until_talking(mine, theirs)
        return mine, theirs

    def transferred(call, theirs):
        transfer = call.transfer(recipient.contact)
        taken = recipient.incoming().accept()
        flow.until_state("Terminated", transfer, call, theirs)
        flow.run(1)
        return taken

    first, first_taken = talk(originator, facilitator)
    held(flow, first_taken)
    second, second_taken = talk(facilitator, connector)
    held(flow, second_taken)
    third, third_taken = talk(connector, recipient)
    held(flow, third)
    fifth_taken = transferred(second_taken, second)
    third.terminate()
    flow.until_state("Terminated", third, third_taken)
    (fifth,) = set(facilitator.agent.dialogs) - {first_taken}
    held(flow, fifth)
    seventh_taken = transferred(first_taken, first)
    fifth.terminate()
    flow.until_state("Terminated", fifth, fifth_taken)
    (seventh,) = originator.agent.dialogs
    assert seventh.state == seventh_taken.state == "InDialog"
    seventh_taken.terminate()
    flow.until_state("Terminated", seventh, seventh_taken)
    if flow.clean:
        flow.shows("""
            originator  > facilitator INVITE/200/ACK
            facilitator > originator  INVITE/200/ACK
            facilitator > connector   INVITE/200/ACK
            connector   > facilitator INVITE/200/ACK
            connector   > recipient   INVITE/200/ACK
            connector   > recipient   INVITE/200/ACK
            connector   > facilitator REFER
            facilitator > connector   200
            facilitator > connector   NOTIFY
            facilitator > recipient   INVITE
            connector   > facilitator 200
            recipient   > facilitator 200
            facilitator > recipient   ACK
            facilitator > connector   NOTIFY
            connector   > facilitator 200
            connector   > facilitator BYE/200
            connector   > recipient   BYE/200
            facilitator > recipient   INVITE/200/ACK
            facilitator > originator  REFER
            originator  > facilitator 200
            originator  > facilitator NOTIFY
            originator  > recipient   INVITE
            facilitator > originator  200
            recipient   > originator  200
            originator  > recipient   ACK
            originator  > facilitator NOTIFY
            facilitator > originator  200
            facilitator > originator  BYE/200
            facilitator > recipient   BYE/200
            recipient   > originator  BYE/200
        """)


def test_declined(flow, parties):
    """§5: who is not asked by its user declines; the call goes on as it was."""
    _, transferee, target = parties
    transferee.when(TransferRequested, lambda event: event.reject())
    mine, theirs = established(flow, parties)
    transfer = mine.transfer(target.contact)
    flow.until_state("Error", transfer)
    assert transfer.last_error.status == 603
    assert mine.state == theirs.state == "InDialog"
    mine.terminate()
    flow.until_state("Terminated", mine, theirs)
    if flow.clean:
        flow.shows(
            FIRST,
            """
            transferor > transferee REFER/603
            transferor > transferee BYE/200
        """,
        )
