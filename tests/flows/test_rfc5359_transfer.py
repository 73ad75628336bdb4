"""The services of RFC 5359 that need REFER, Replaces or the dialog package.

The REFER is answered with 200, as RFC 7647 §5 has it, where the figures have 202. What goes to two
parties at once comes in the order in which the library sends it.
"""

from __future__ import annotations

import pytest

from sipparty.sip import Request
from sipparty.sip.dialog.referral import TransferRequested
from sipparty.sip.dialog.replaces import Replaces
from sipparty.sip.dialog.transfer import Transfer
from sipparty.sip.events import RequestReceived
from sipparty.sip.notification import Resource, Subscription
from sipparty.sip.notification.forming import Asked
from sipparty.sip.notification.resource import Resources
from sipparty.sip.out_of_dialog import send_out_of_dialog
from sipparty.sip.packages.dialog_info import DialogInfo, DialogPackage, ObservedDialog
from sipparty.sip.routing import NextHop


@pytest.fixture
def alice(flow):
    return flow.phone("alice", "atlanta.example.com")


@pytest.fixture
def bob(flow):
    return flow.phone("bob", "biloxi.example.com")


@pytest.fixture
def carol(flow):
    return flow.phone("carol", "chicago.example.com")


@pytest.fixture
def server(flow):
    """A server that calls who it is asked to call: for music, or to park calls."""
    server = flow.phone("server", "server.example.com")
    server.when(TransferRequested, lambda event: event.accept())
    return server


def the_call(phone, *others):
    """The call that a phone has besides others."""
    (call,) = set(phone.agent.dialogs) - set(others)
    return call


CALL = """
    alice > bob   INVITE F1
    bob   > alice 180    F2
    bob   > alice 200    F3
    alice > bob   ACK    F4
"""


def refer(flow, phone, server, call):
    """Have a server call the other side of a call, in the place of a phone."""
    return Transfer(phone.agent).begin(call, sent_to=(server.contact, None, ()))


def test_2_3_music_on_hold(flow, alice, bob, server):
    """A music server takes bob's place in his call, and bob takes it back.

    The reports of the server leave when its call is up, which is before alice hangs up (F15).
    """
    call, its = alice.talk_to(bob)
    flow.until_state("Done", its.hold())
    flow.run(1)
    music = refer(flow, bob, server, its)
    flow.until_state("Terminated", music, call, its)
    flow.run(1)
    playing, listening = the_call(server), the_call(alice)
    assert alice.medias[-1].direction == server.medias[0].direction == "sendrecv"
    back = bob.call(alice, replaces=str(Replaces.of_call(playing)))
    flow.until_state("InDialog", back)
    flow.until_state("Terminated", listening, playing)
    flow.run(1)
    mine = the_call(alice)
    if flow.clean:
        flow.shows(
            CALL,
            """
            bob    > alice  INVITE/200/ACK F5 F6 F7
            bob    > server REFER          F8
            server > bob    200            F9
            server > bob    NOTIFY         F10
            server > alice  INVITE         F12
            bob    > server 200            F11
            alice  > server 200            F13
            server > alice  ACK            F14
            server > bob    NOTIFY         F17
            alice  > bob    BYE            F15
            bob    > server 200            F18
            bob    > alice  200            F16
            bob    > alice  INVITE/200/ACK F19 F20 F21
            alice  > server BYE/200        F22 F23
        """,
        )
        replaces = str(flow["F12"]["Replaces"])
        assert replaces.partition(";")[0] == flow["F1"].call_id
        assert f"from-tag={flow['F3'].to.tag}" in replaces
        assert str(flow["F19"]["Replaces"]).partition(";")[0] == flow["F12"].call_id
    mine.terminate()
    flow.until_state("Terminated", mine, back)


def test_2_4_unattended_transfer(flow, alice, bob, carol):
    """Alice transfers bob, who has called her, and hangs up before carol answers. That carol's
    phone rings is reported, too.
    """
    bob.when(TransferRequested, lambda event: event.accept())
    call, its = bob.talk_to(alice)
    transfer = its.transfer(carol.contact)
    flow.until_state("Referred", transfer)
    flow.until(lambda: transfer.status == 100)
    its.terminate()
    flow.until_state("Terminated", call, its)
    carols = carol.incoming()
    carols.ring()
    flow.run(1)
    carols.accept()
    flow.until_state("Terminated", transfer)
    flow.run(1)
    placed = the_call(bob)
    assert placed.state == carols.state == "InDialog"
    if flow.clean:
        flow.shows("""
            bob   > alice INVITE F1
            alice > bob   180    F2
            alice > bob   200    F3
            bob   > alice ACK    F4
            alice > bob   REFER  F5
            bob   > alice 200    F6
            bob   > alice NOTIFY F7
            bob   > carol INVITE F11
            alice > bob   200    F8
            alice > bob   BYE    F9
            bob   > alice 200    F10
            carol > bob   180    F12
            bob   > alice NOTIFY/200
            carol > bob   200    F13
            bob   > carol ACK    F14
            bob   > alice NOTIFY F15
            alice > bob   200    F16
        """)
        assert flow["F5"].lines("Refer-To") == [f"<{carol.contact}>"]
        assert flow["F11"].lines("Referred-By") == [f"<{alice.uri}>"]
        assert flow["F7"].call_id == flow["F15"].call_id == flow["F1"].call_id
        assert flow["F15"].lines("Subscription-State")[0].startswith("terminated")
        assert flow["F15"].body.startswith(b"SIP/2.0 200 ")
    placed.terminate()
    flow.until_state("Terminated", placed, carols)


def test_2_5_attended_transfer(flow, alice, bob, carol):
    """Bob consults carol, then connects alice and her."""
    alice.when(TransferRequested, lambda event: event.accept())
    call, its = alice.talk_to(bob)
    flow.until_state("Done", its.hold())
    flow.run(1)
    consultation, carols = bob.talk_to(carol)
    flow.until_state("Done", consultation.hold())
    flow.run(1)
    if flow.clean:
        # Reports arrive when carol's BYE is there; else it crosses bob's own.
        flow.network.link(alice.host, bob.host, delay=(0.03, 0.03), both_ways=False)
    transfer = its.transfer(consultation)
    flow.until_state("Terminated", transfer, call, its, consultation, carols)
    flow.run(1)
    placed, taken = the_call(alice), the_call(carol)
    assert alice.medias[-1].direction == carol.medias[-1].direction == "sendrecv"
    if flow.clean:
        flow.shows(
            CALL,
            """
            bob   > alice INVITE/200/ACK F5 F6 F7
            bob   > carol INVITE         F8
            carol > bob   180            F9
            carol > bob   200            F10
            bob   > carol ACK            F11
            bob   > carol INVITE/200/ACK F12 F13 F14
            bob   > alice REFER          F15
            alice > carol INVITE         F19
            alice > bob   200            F16
            alice > bob   NOTIFY         F17
            carol > alice 200            F20
            alice > carol ACK            F21
            alice > bob   NOTIFY         F24
            carol > bob   BYE            F22
            bob   > alice 200            F18
            bob   > carol 200            F23
            bob   > alice 200            F25
            bob   > alice BYE/200        F26 F27
        """,
        )
        assert flow["F15"].lines("Refer-To")[0].startswith(f"<{carol.contact}?Replaces=")
        assert str(flow["F19"]["Replaces"]).partition(";")[0] == flow["F8"].call_id
    placed.terminate()
    flow.until_state("Terminated", placed, taken)


def test_2_6_instant_messaging_transfer(flow, alice, bob, carol):
    """Bob sends carol what to call, and her phone calls it."""
    call, its = alice.talk_to(bob)
    carol.agent.handle_method("MESSAGE")
    carol.when(RequestReceived, lambda event: event.incoming.respond(200))
    body = f"{alice.contact}\n{Replaces.of_call(its)}"
    message = Request("MESSAGE", carol.contact, {"Content-Type": "text/plain"}, body)
    send_out_of_dialog(bob.agent, message, NextHop(carol.host, carol.port))
    received = flow.until(lambda: carol.happened(RequestReceived))[0].request
    target, value = received.body.decode().splitlines()
    mine = carol.call(target, replaces=value)
    flow.until_state("Terminated", call, its)
    taken = the_call(alice)
    flow.until_talking(mine, taken)
    if flow.clean:
        flow.shows(
            CALL,
            """
            bob   > carol MESSAGE/200    F5 F6
            carol > alice INVITE/200/ACK F7 F8 F9
            alice > bob   BYE/200        F10 F11
        """,
        )
    taken.terminate()
    flow.until_state("Terminated", mine, taken)


def dialogs_of(phone, call=None):
    """The state of a phone's dialogs, with one call or none."""
    dialogs = ()
    if call is not None:
        found = call.dialog_state
        state = "early" if call.state == "InitiatingDialog" else "confirmed"
        tags = found.local_tag, found.remote_tag
        dialogs = (ObservedDialog("1", state, "recipient", found.call_id, *tags),)
    return DialogInfo(phone.uri, dialogs=dialogs)


def offer_dialogs(phone, call=None):
    """Have a phone's call be subscribed to."""
    resource = Resource(DialogPackage(), dialogs_of(phone, call))
    Resources(phone.agent).offer(resource)
    return resource


def subscribe(phone, other, expires=None):
    """Subscribe to the calls of another phone."""
    return Subscription(phone.agent, DialogPackage()).subscribe(Asked(other.contact), expires)


def replacing(info):
    """The Replaces value for the dialog that a phone was notified of."""
    (dialog,) = info.dialogs
    tags = dialog.remote_tag, dialog.local_tag
    return str(Replaces(dialog.call_id, *tags, dialog.state == "early"))


def test_2_15_call_park(flow, alice, bob, carol, server):
    """Bob parks alice at a server, and carol takes her from there."""
    call, its = alice.talk_to(bob)
    parking = refer(flow, bob, server, its)
    flow.until_state("Terminated", parking, call, its)
    flow.run(1)
    parked, waiting = the_call(server), the_call(alice)
    offer_dialogs(server, parked)
    asked = subscribe(carol, server, expires=0)
    flow.until(lambda: asked.value)
    flow.until_state("Terminated", asked)
    flow.run(1)
    mine = carol.call(alice, replaces=replacing(asked.value))
    flow.until_state("InDialog", mine)
    flow.until_state("Terminated", parked, waiting)
    taken = the_call(alice)
    if flow.clean:
        flow.run(1)
        flow.shows(
            CALL,
            """
            bob    > server REFER          F5
            server > bob    200            F6
            server > bob    NOTIFY         F7
            server > alice  INVITE         F9
            bob    > server 200            F8
            alice  > server 200            F10
            server > alice  ACK            F11
            server > bob    NOTIFY         F14
            alice  > bob    BYE            F12
            bob    > server 200            F15
            bob    > alice  200            F13
            carol  > server SUBSCRIBE/200  F16 F17
            server > carol  NOTIFY/200     F18 F19
            carol  > alice  INVITE/200/ACK F20 F21 F22
            alice  > server BYE/200        F23 F24
        """,
        )
        assert str(flow["F20"]["Replaces"]).partition(";")[0] == flow["F9"].call_id
    mine.terminate()
    flow.until_state("Terminated", mine, taken)


def test_2_16_call_pickup(flow, alice, bob):
    """Bob's phone rings, and bill takes the call.

    Alice's CANCEL leaves when her new call is acknowledged: until then the old one stands, as
    RFC 3891 §3 asks for; the figure has it before the ACK.
    """
    bill = flow.phone("bill", "biloxi.example.com")
    call = alice.call(bob)
    its = bob.incoming()
    its.ring()
    flow.run(5)
    offer_dialogs(bob, its)
    asked = subscribe(bill, bob, expires=0)
    flow.until(lambda: asked.value)
    flow.until_state("Terminated", asked)
    flow.run(1)
    assert asked.value.dialogs[0].state == "early"
    mine = bill.call(alice, replaces=replacing(asked.value))
    flow.until_state("Terminated", call, its)
    taken = the_call(alice)
    flow.until_talking(mine, taken)
    taken.terminate()
    flow.until_state("Terminated", mine, taken)
    if flow.clean:
        flow.shows("""
            alice > bob   INVITE        F1
            bob   > alice 180           F2
            bill  > bob   SUBSCRIBE/200 F3 F4
            bob   > bill  NOTIFY/200    F5 F6
            bill  > alice INVITE        F7
            alice > bill  200           F8
            bill  > alice ACK           F13
            alice > bob   CANCEL        F9
            bob   > alice 200           F10
            bob   > alice 487           F11
            alice > bob   ACK           F12
            alice > bill  BYE/200       F14 F15
        """)
        value = str(flow["F7"]["Replaces"])
        assert value.endswith(";early-only")
        assert value.partition(";")[0] == flow["F1"].call_id


def test_2_17_automatic_redial(flow, alice, bob):
    """Bob is busy; alice's phone watches his calls, and calls again once he is free."""
    busy = offer_dialogs(bob)
    busy.notify(DialogInfo(bob.uri, dialogs=(ObservedDialog("0", "confirmed"),)))
    call = alice.call(bob)
    bob.incoming().reject(486)
    flow.fails(call, 486)
    watch = subscribe(alice, bob)
    flow.until_state("Active", watch)
    flow.run(60)
    assert watch.value.is_busy
    busy.notify(dialogs_of(bob))
    flow.until(lambda: not watch.value.is_busy)
    flow.run(5)
    call = alice.call(bob)
    its = bob.incoming()
    its.ring()
    flow.until_progress(call)
    its.accept()
    flow.until_talking(call, its)
    busy.notify(dialogs_of(bob, its))
    flow.until(lambda: watch.value.is_busy)
    assert watch.value.dialogs[0].state == "confirmed"
    flow.run(1)
    watch.terminate()
    flow.until_state("Terminated", watch)
    flow.until(lambda: not busy.subscribers)
    if flow.clean:
        flow.shows("""
            alice > bob   INVITE        F1
            bob   > alice 486           F2
            alice > bob   ACK           F3
            alice > bob   SUBSCRIBE/200 F4 F5
            bob   > alice NOTIFY/200    F6 F7
            bob   > alice NOTIFY/200    F8 F9
            alice > bob   INVITE        F10
            bob   > alice 180           F11
            bob   > alice 200           F12
            alice > bob   ACK           F13
            bob   > alice NOTIFY/200    F14 F15
            alice > bob   SUBSCRIBE/200 F16 F17
            bob   > alice NOTIFY/200    F18 F19
        """)
        assert flow["F4"].lines("Event") == ["dialog"]
        assert flow["F16"].expires == 0
    call.terminate()
    flow.until_state("Terminated", call, its)


def test_2_18_click_to_dial(flow, bob, carol):
    """Bob's computer has his phone call carol, and wants no reports (RFC 4488)."""
    bob.when(TransferRequested, lambda event: event.accept())
    pc = flow.phone("pc", "biloxi.example.com")
    click = Transfer(pc.agent).begin(carol.contact, reports=False, sent_to=(bob.contact, None, ()))
    its = carol.pick_up()
    flow.until_state("Terminated", click)
    call = the_call(bob)
    flow.until_talking(call, its)
    if flow.clean:
        flow.shows("""
            pc    > bob   REFER  F1
            bob   > pc    200    F2
            bob   > carol INVITE F3
            carol > bob   180    F4
            carol > bob   200    F5
            bob   > carol ACK    F6
        """)
        assert flow["F1"].lines("Refer-Sub") == flow["F2"].lines("Refer-Sub") == ["false"]
        assert flow["F1"].lines("Refer-To") == [f"<{carol.contact}>"]
    call.terminate()
    flow.until_state("Terminated", call, its)
