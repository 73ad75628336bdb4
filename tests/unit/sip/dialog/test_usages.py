"""Usages apart from the dialog that they live in (RFC 5057), and what each class says of itself."""

import pytest

from sipparty.errors import TableError
from sipparty.fsm import Row
from sipparty.sip import Dialog, SimpleCall
from sipparty.sip.dialog.outcomes import Ends, what_ends
from sipparty.sip.fields import field


class Watch(Dialog):
    """The least of a subscription: SUBSCRIBE out, NOTIFY in, over with the last one."""

    table = (
        Row("Initial", "subscribe", "Subscribed", "_subscribe"),
        Row("Subscribed", "notified", "Subscribed"),
        Row("Subscribed", ("over", "peer_lost"), "Terminated", "_end"),
        Row("Terminated", ("notified", "over", "peer_lost"), "Terminated"),
    )
    final = ("Terminated",)
    methods = {"NOTIFY": "take_notify"}
    essential = frozenset({"SUBSCRIBE"})

    def __init__(self, agent, event):
        super().__init__(agent)
        self.event = event
        self.notes = []

    def owns(self, request):
        return super().owns(request) and request["Event"] == self.event

    def _subscribe(self, call):
        self.join(call.dialog_state)
        fields = [field("Event", self.event)]
        self.dialog_state.send_request(self, "SUBSCRIBE", fields)

    def take_notify(self, transaction):
        request = transaction.request
        self.notes.append(request.body)
        transaction.respond(request.response(200))
        over = "terminated" in (request._text("subscription-state") or "")
        self.hear("over" if over else "notified", None)

    def _end(self, _):
        self.leave()


@pytest.fixture
def alice(wire):
    return wire.agent("sip:alice@atlanta.com")


@pytest.fixture
def up(wire, alice):
    """A call of ours that is up, and its INVITE."""
    call, invite = wire.invite(alice)
    wire.receive(wire.answer(invite, 200))
    wire.sent()
    return call, invite


def within(wire, invite, method, number, tag="b1", **changes):
    """A request of the other side's in a dialog of our INVITE."""
    return wire.request(
        method,
        invite.contact.uri_text,
        to=str(invite["From"]),
        from_=f"<sip:bob@10.0.0.9>;tag={tag}",
        call_id=invite.call_id,
        number=number,
        branch=f"z9hG4bK{method}{number}{tag}",
        **changes,
    )


def notify(wire, invite, number, event="presence", state="active"):
    headers = [f"Event: {event}", f"Subscription-State: {state}"]
    wire.receive(within(wire, invite, "NOTIFY", number, headers=headers))


def subscribe(wire, alice, call, event="presence"):
    watch = Watch(alice, event)
    watch.hit("subscribe", call)
    request = wire.one()
    assert request.method == "SUBSCRIBE"
    return watch, request


def test_a_usage_outlives_the_call_that_it_shares_a_dialog_with(wire, alice, up):
    call, invite = up
    watch, request = subscribe(wire, alice, call)
    assert request.cseq.number == invite.cseq.number + 1
    assert request.to.tag == "b1"
    wire.receive(wire.answer(request, 202))
    wire.receive(within(wire, invite, "BYE", 1))
    assert wire.one().status == 200
    assert (call.state, watch.state) == ("Terminated", "Subscribed")
    assert len(wire.core.dialogs) == 1
    assert set(alice.dialogs) == {watch}
    notify(wire, invite, 2)
    assert wire.one().status == 200
    # What the call has taken is nobody's now.
    wire.receive(within(wire, invite, "INVITE", 3))
    assert wire.one().status == 405
    notify(wire, invite, 4, state="terminated")
    assert wire.one().status == 200
    assert (watch.state, len(watch.notes)) == ("Terminated", 2)
    assert not wire.core.dialogs
    wire.over()


def test_a_dialog_keeps_no_more_than_the_usages_that_are_left(wire):
    alice = wire.agent("sip:alice@atlanta.com", media=True)
    call, invite = wire.invite(alice)
    wire.medias[0].size = 10_000
    wire.receive(wire.answer(invite, 200, body=b"theirs"))
    wire.sent()
    subscribe(wire, alice, call)
    before, state = wire.core.transactions.held, call.dialog_state
    kept = state.bytes_held
    assert kept > 10_000
    wire.receive(within(wire, invite, "BYE", 1))
    assert wire.one().status == 200
    assert state.bytes_held == state.weight < kept - 9_000
    assert wire.core.transactions.held < before


def test_the_call_outlives_it_as_well(wire, alice, up):
    call, invite = up
    _, request = subscribe(wire, alice, call)
    wire.receive(wire.answer(request, 200))
    notify(wire, invite, 1, state="terminated")
    wire.sent()
    assert set(alice.dialogs) == {call}
    call.terminate()
    bye = wire.one()
    assert bye.cseq.number == request.cseq.number + 1
    wire.receive(wire.answer(bye, 200))
    wire.over()


def test_a_request_goes_to_the_usage_that_it_names(wire, alice, up):
    call, invite = up
    first, _ = subscribe(wire, alice, call, "presence")
    second, _ = subscribe(wire, alice, call, "dialog")
    notify(wire, invite, 1, "dialog")
    notify(wire, invite, 2, "presence")
    notify(wire, invite, 3, "presence")
    assert wire.starts() == [200, 200, 200]
    assert (len(first.notes), len(second.notes)) == (2, 1)
    notify(wire, invite, 4, "winfo")
    assert wire.one().status == 481  # RFC 6665 §4.1.3


@pytest.mark.parametrize(
    ("status", "call_state", "watch_state"),
    [
        (405, "InDialog", "Terminated"),
        (481, "InDialog", "Terminated"),
        (500, "InDialog", "Subscribed"),
        (404, "TerminatingDialog", "Terminated"),
    ],
)
def test_what_a_response_ends(wire, alice, up, status, call_state, watch_state):
    call, _ = up
    watch, request = subscribe(wire, alice, call)
    wire.receive(wire.answer(request, status))
    assert (call.state, watch.state) == (call_state, watch_state)
    assert wire.starts() == (["BYE"] if status == 404 else [])


@pytest.mark.parametrize(
    ("method", "status", "ends"),
    [
        ("INFO", 200, Ends.TRANSACTION),
        ("INFO", 404, Ends.DIALOG),
        ("REFER", 484, Ends.TRANSACTION),
        ("INFO", 484, Ends.DIALOG),
        ("INFO", 405, Ends.TRANSACTION),
        ("INVITE", 405, Ends.USAGE),
        ("INFO", 501, Ends.TRANSACTION),
        ("INVITE", 403, Ends.USAGE),
        ("INVITE", 408, Ends.USAGE),
        ("INFO", 481, Ends.USAGE),
        ("REFER", 480, Ends.TRANSACTION),
        ("INVITE", 488, Ends.TRANSACTION),
        ("INVITE", 491, Ends.TRANSACTION),
        ("NOTIFY", 489, Ends.TRANSACTION),
        ("INFO", 503, Ends.TRANSACTION),
        ("INFO", 604, Ends.DIALOG),
    ],
)
def test_the_table_of_outcomes(method, status, ends):
    assert what_ends(method, status, {"INVITE"}) is ends


def test_each_status_ends_what_rfc_5057_says():
    """RFC 5057 §5; all others end their transaction alone."""
    statuses = range(300, 700)
    dialog = {404, 410, 416, 482, 484, 485, 502, 604}
    usage = {408, 480, 481}
    assert {one for one in statuses if what_ends("INFO", one) is Ends.DIALOG} == dialog
    assert {one for one in statuses if what_ends("INFO", one) is Ends.USAGE} == usage
    refused = {one for one in statuses if what_ends("INVITE", one, {"INVITE"}) is Ends.USAGE}
    assert refused == usage | {403, 405, 489, 501}


# ---------------------------------------------------------------- methods of a class


def test_methods_are_added_to_those_of_the_bases():
    class Noting(SimpleCall):
        methods = {"INFO": "take_note"}

        def take_note(self, transaction):
            """Take it."""

    class Silent(Noting):
        methods = {"OPTIONS": None}

    assert Noting.methods == {**SimpleCall.methods, "INFO": "take_note"}
    assert set(Silent.methods) == {"BYE", "INVITE", "INFO", "PRACK", "UPDATE"}


def test_what_one_base_overrides_another_does_not_undo():
    class Other(SimpleCall):
        methods = {"BYE": "take_bye_otherwise"}

        def take_bye_otherwise(self, transaction):
            """Take it."""

    class Plain(SimpleCall):
        methods = {}

    class Both(Plain, Other):
        pass

    assert Both.methods["BYE"] == "take_bye_otherwise"


def test_a_name_without_a_method_is_found_when_the_class_is_made():
    with pytest.raises(TableError, match="INFO is handled by 'take_notes'"):

        class Noting(SimpleCall):
            methods = {"INFO": "take_notes"}


def test_a_call_of_ones_own_still_takes_a_bye(wire):
    class Noting(SimpleCall):
        methods = {"INFO": "take_note"}

        def take_note(self, transaction):
            transaction.respond(transaction.request.response(200))

    wire.agent(server_dialog=Noting)
    call = wire.invited()
    call.accept()
    answer = wire.one()
    wire.acknowledge(answer)
    wire.receive(wire.within(answer, "INFO", 2))
    wire.receive(wire.within(answer, "BYE", 3))
    assert wire.starts() == [200, 200]
    assert call.state == "Terminated"


def test_a_usage_whose_first_request_raises_is_over(wire):
    class Broken(Dialog):
        table = (Row("Initial", "receive_invite", "Begun", "_begin"),)
        final = ("Begun",)

        def _begin(self, transaction, data):
            self.join(data)
            raise RuntimeError("a defect")

    agent = wire.agent(server_dialog=Broken)
    with pytest.raises(RuntimeError, match="a defect"):
        wire.receive(wire.request("INVITE"))
    assert wire.one().status == 500
    assert not agent.dialogs
    assert not wire.core.dialogs


# ---------------------------------------------------------------- early dialogs


def test_each_tag_is_an_early_dialog_until_64_t1_after_the_2xx(wire, alice):
    # §13.2.2.4
    call, invite = wire.invite(alice)
    for tag in ("b1", "b2", "b3"):
        wire.receive(wire.answer(invite, 180, tag=tag))
    assert [state.early for state in wire.core.dialogs.values()] == [True] * 3
    wire.receive(within(wire, invite, "OPTIONS", 1, tag="b2"))
    wire.receive(within(wire, invite, "OPTIONS", 1, tag="b9"))
    assert wire.starts() == [200, 481]
    wire.receive(wire.answer(invite, 200, tag="b2"))
    early = {tag: state.early for (_, _, tag), state in wire.core.dialogs.items()}
    assert early == {"b1": True, "b2": False, "b3": True}
    assert not call.dialog_state.early
    wire.pass_until(33)
    ((_, _, tag),) = wire.core.dialogs
    assert tag == "b2"
    call.terminate()
    wire.receive(wire.answer(wire.sent()[-1], 200))
    wire.over()


def test_early_dialogs_have_an_end(wire, alice):
    call, invite = wire.invite(alice)
    for number in range(call.MAX_FORKS + 5):
        wire.receive(wire.answer(invite, 180, tag=f"b{number}"))
    assert len(wire.core.dialogs) == call.MAX_FORKS
    wire.receive(wire.answer(invite, 486, tag="b1"))
    assert not wire.core.dialogs
    assert wire.core.transactions.held == 0
    wire.over()


def test_requests_are_sent_inside_an_early_dialog_and_counted_on(wire, alice):
    call, invite = wire.invite(alice)
    wire.receive(wire.answer(invite, 183, contact="<sip:b@10.0.0.8>"))
    exchange = call.send("INFO")
    info = wire.one()
    assert (info.uri_text, info.to.tag) == ("sip:b@10.0.0.8", "b1")
    assert info.cseq.number == invite.cseq.number + 1
    wire.receive(wire.answer(info, 481))
    assert exchange.response.status == 481
    assert call.state == "InitiatingDialog"  # its answer decides
    wire.receive(wire.answer(invite, 200, contact="<sip:b@10.0.0.7>"))
    assert wire.one().uri_text == "sip:b@10.0.0.7"
    call.terminate()
    assert wire.one().cseq.number == info.cseq.number + 1


@pytest.mark.parametrize("status", [180, 101])
def test_the_side_that_is_called_sends_them_too_once_it_rang(wire, status):
    wire.agent()
    call = wire.invited()
    with pytest.raises(Exception, match="Bad input 'INFO'"):
        call.send("INFO")
    call.ring(status)
    ringing = wire.one()
    call.send("INFO")
    info = wire.one()
    assert (info.method, info.from_.tag) == ("INFO", ringing.to.tag)


def test_one_that_cannot_be_sent_to_is_none(wire, alice):
    call, invite = wire.invite(alice)
    wire.receive(wire.answer(invite, 180, contact="<tel:+15551234>"))
    assert not wire.core.dialogs
    assert call.progress == 180
