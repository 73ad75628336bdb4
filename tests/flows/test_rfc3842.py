"""Messages that wait: the example of RFC 3842 §4.1."""

from __future__ import annotations

from sipparty.sip.notification import Resource, Subscription
from sipparty.sip.notification.forming import Asked
from sipparty.sip.notification.resource import Resources
from sipparty.sip.packages.message_summary import (
    MessageCount,
    MessageSummary,
    MessageSummaryPackage,
)

ACCOUNT = "sip:alice@vmail.example.com"


def summary(new, old, urgent):
    counts = {"voice": MessageCount(new, old, urgent, 2)}
    return MessageSummary(True, ACCOUNT, counts)


def test_4_1_message_flow(flow):
    """Alice's phone subscribes, refreshes, and ends it; one message comes meanwhile.

    Its refresh is asked for here: its own would come after most of a day.
    """
    alice, server = flow.phone("alice", "example.com"), flow.phone("server", "vmail.example.com")
    resource = Resource(MessageSummaryPackage(), summary(2, 8, 0))
    Resources(server.agent).offer(resource)
    subscription = Subscription(alice.agent, MessageSummaryPackage())
    subscription.subscribe(Asked(server.contact), 3600)
    flow.until(lambda: subscription.value)
    flow.run(5)
    assert subscription.value.voice.new == 2
    resource.notify(summary(4, 8, 1))
    flow.until(lambda: subscription.value.voice.new == 4)
    flow.run(5)
    subscription.refresh()
    flow.run(30)
    subscription.terminate()
    flow.until_state("Terminated", subscription)
    flow.until(lambda: not resource.subscribers)
    if flow.clean:
        flow.shows("""
            alice  > server SUBSCRIBE/200 A1 A2
            server > alice  NOTIFY/200    A3 A4
            server > alice  NOTIFY/200    A5 A6
            alice  > server SUBSCRIBE/200 A7 A8
            server > alice  NOTIFY/200    A9 A10
            alice  > server SUBSCRIBE/200 A11 A12
            server > alice  NOTIFY/200    A13 A14
        """)
        assert flow["A1"].lines("Event") == ["message-summary"]
        assert flow["A3"].media_type == "application/simple-message-summary"
        assert flow["A3"].body == (
            b"Messages-Waiting: yes\r\n"
            b"Message-Account: sip:alice@vmail.example.com\r\n"
            b"Voice-Message: 2/8 (0/2)\r\n"
        )
        assert b"Voice-Message: 4/8 (1/2)" in flow["A5"].body
        assert flow["A11"].expires == 0
        assert flow["A13"].lines("Subscription-State")[0].startswith("terminated")
