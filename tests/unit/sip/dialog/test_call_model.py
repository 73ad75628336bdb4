"""Calls under whatever comes, in whatever order: messages of either side, verbs, media that takes
its time or fails, flows that are lost. Nothing raises, and in the end nothing is left.
"""

import random
from collections import Counter

import pytest

from sipparty.errors import (
    NegotiationError,
    ParseError,
    PortsExhausted,
    UnexpectedInput,
    UsageError,
)
from sipparty.sip import Request, SimpleCall
from sipparty.sip.dialog.session import Pending
from sipparty.sip.events import CallEnded

SEEDS = 400
BODIES = (b"", b"offer", b"bad", b"garbage", b"x")
VERBS = ("terminate", "accept", "ring", "reject", "hold", "resume", "early", "send", "reliable")
VERBS += ("update", "prack", "late")
RELIABLE = ([], ["Supported: 100rel"], ["Require: 100rel"])
STATUSES = (100, 180, 183, 200, 200, 200, 302, 408, 481, 486, 491, 500, 503)


class Run:
    """One sequence of what may happen."""

    def __init__(self, wire, seed):
        self.wire = wire
        self.chance = random.Random(seed)
        pick = self.chance.choice
        self.agent = wire.agent(
            media=True,
            follow_redirects=pick([0, 5]),
            retry_wait=pick([0.0, 20.0]),
            keep_forks=pick([True, False]),
            reliable_provisionals=pick(["supported", "supported", "required", "off"]),
        )
        self.make_session, self.agent.open_session = self.agent.open_session, self.open_session
        self.pending, self.sessions, self.calls = [], [], []
        self.requests, self.answers, self.received = [], [], []
        self.number = 1

    def open_session(self, dialog, flow):
        if self.chance.random() < 0.03:
            raise PortsExhausted("none is left")
        session = self.make_session(dialog, flow)
        self.sessions.append(session)
        for name in ("offer", "answer", "accept"):
            setattr(session, name, self.slow(getattr(session, name)))
        return session

    def slow(self, make):
        def maybe_later(*arguments):
            drawn = self.chance.random()
            if drawn < 0.4:
                pending = Pending()
                self.pending.append((pending, lambda: make(*arguments)))
                return pending
            if drawn < 0.45:
                raise self.chance.choice([NegotiationError("no"), ValueError("a defect")])
            return make(*arguments)

        return maybe_later

    # What may happen.

    def receive(self, message):
        self.received.append(message)
        self.wire.receive(message)

    def invited(self):
        self.number += 1
        unique = {"branch": f"z9hG4bKi{self.number}", "call_id": f"c{self.number}"}
        unique["headers"] = self.chance.choice(RELIABLE)
        self.receive(self.wire.request("INVITE", body=self.chance.choice(BODIES), **unique))

    def invite(self):
        call = SimpleCall(self.agent)
        self.calls.append(call)
        call.invite("sip:bob@10.0.0.9", late_offer=self.chance.random() < 0.3)
        self.wire.pump()

    def response(self):
        request = self.chance.choice(self.requests or [None])
        if request is None or request.method == "ACK":
            return
        status, tag = self.chance.choice(STATUSES), self.chance.choice(["t1", "t2"])
        headers = [("Contact", "<sip:z@10.0.0.44>")] if status == 302 else []
        headers += [("Retry-After", "3")] if status in (500, 503) else []
        contact = None if status == 302 else "<sip:bob@10.0.0.9>"
        if status in (180, 183) and self.chance.random() < 0.6:
            headers += [("Require", "100rel"), ("RSeq", str(self.chance.randrange(1, 5)))]
        body = self.chance.choice(BODIES) if status in (183, 200) else b""
        self.wire.receive(self.wire.answer(request, status, tag, contact, headers, body))

    def within(self):
        if not self.answers:
            return
        answer = self.chance.choice(self.answers)
        methods = ["ACK", "ACK", "ACK", "BYE", "INVITE", "OPTIONS", "INFO", "PRACK"]
        methods += ["UPDATE"] * 3
        likely = "RSeq" in answer and self.chance.random() < 0.6
        method = "PRACK" if likely else self.chance.choice(methods)
        self.number += 1
        number = answer.cseq.number if method == "ACK" else self.number
        body, branch = self.chance.choice(BODIES), f"z9hG4bKw{self.number}"
        rack = f"RAck: {answer.get('RSeq', 1)} {answer.cseq.number} INVITE"
        headers = [rack] if method == "PRACK" else []
        changes = {"body": body, "branch": branch, "headers": headers}
        self.receive(self.wire.within(answer, method, number, **changes))

    def from_callee(self):
        """A request of who was called, in an early dialog or a confirmed one."""
        invites = [one for one in self.requests if one.method == "INVITE" and not one.to.tag]
        if not invites:
            return
        invite, self.number = self.chance.choice(invites), self.number + 1
        method = self.chance.choice(["UPDATE", "UPDATE", "INVITE", "PRACK", "BYE", "ACK"])
        request = self.wire.request(
            method,
            invite.contact.uri_text,
            to=str(invite["From"]),
            from_=f"{invite['To']};tag={self.chance.choice(['t1', 't2'])}",
            call_id=invite.call_id,
            number=self.number,
            branch=f"z9hG4bKf{self.number}",
            body=self.chance.choice(BODIES),
            headers=["RAck: 1 1 INVITE"] if method == "PRACK" else [],
        )
        self.receive(request)

    def again(self):
        if self.received:
            self.wire.receive(self.chance.choice(self.received))

    def cancel(self):
        invites = [one for one in self.received if one.startswith(b"INVITE")]
        if invites:
            head = self.chance.choice(invites).partition(b"Content-")[0]
            head = head.replace(b"INVITE ", b"CANCEL ", 1).replace(b" INVITE\r", b" CANCEL\r")
            self.wire.receive(head + b"Content-Length: 0\r\n\r\n")

    def lose_flow(self):
        self.wire.core.transport_failed(self.wire.flow, "it is gone", self.wire.now)
        self.wire.pump()

    def settle(self):
        if not self.pending:
            return
        pending, make = self.pending.pop(self.chance.randrange(len(self.pending)))
        try:
            value = make()
        except (NegotiationError, ParseError) as error:
            pending.fail(error)
        else:
            pending.resolve(value)
        self.wire.pump()

    def wait(self):
        self.wire.pass_until(self.wire.now + self.chance.choice([0.3, 2, 40, 200]))

    def verb(self):
        if not self.calls:
            return
        call, verb = self.chance.choice(self.calls), self.chance.choice(VERBS)
        try:
            if verb == "send":
                call.send("INFO")
            elif verb == "early":
                call.ring(183, media=True)
            elif verb == "reliable":
                call.ring(183, media=self.chance.random() < 0.5, reliable=True)
            elif verb == "update":
                call.hold(method="UPDATE")
            elif verb == "prack":
                call.update_media(method="PRACK")
            elif verb == "late":
                call.update_media(late_offer=True)
            else:
                getattr(call, verb)()
        except (UnexpectedInput, UsageError):
            pass
        self.wire.pump()

    # From beginning to end.

    def go(self):
        acts = (self.invited, self.invite, self.response, self.within, self.again, self.cancel)
        acts += (self.lose_flow, self.settle, self.wait, self.verb, self.from_callee)
        for act in self.chance.choices(acts, (8, 8, 22, 20, 4, 4, 3, 8, 6, 17, 8), k=30):
            act()
            for message in self.wire.sent():
                if isinstance(message, Request):
                    self.requests.append(message)
                elif 100 < message.status < 300 and message.cseq.method == "INVITE":
                    self.answers.append(message)
            happened = [getattr(event, "call", None) for event in self.wire.happened]
            self.calls = list(dict.fromkeys([*self.calls, *filter(None, happened)]))
        for _ in range(6):
            self.wire.pass_until(self.wire.now + 400)
            for call in list(self.agent.dialogs):
                if call.takes("terminate"):
                    call.terminate()
        self.wire.over()


@pytest.mark.parametrize("first", range(0, SEEDS, 100))
def test_nothing_raises_and_nothing_is_left(make_wire, first):
    for seed in range(first, first + 100):
        wire = make_wire(("UDP", "TCP")[seed % 2])
        run = Run(wire, seed)
        run.go()
        layer = wire.core.transactions
        left = layer.held, dict(layer.shares.by_source), dict(wire.flow.dependents)
        assert left == (0, {}, {}), seed
        assert all(session.done.count("stop") == 1 for session in run.sessions), seed
        ends = Counter(id(one.call) for one in wire.happened if isinstance(one, CallEnded))
        assert all(number == 1 for number in ends.values()), seed
