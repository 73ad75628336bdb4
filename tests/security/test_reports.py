"""Attacks on a live party are counted, and told as events."""

import queue

from sipparty.sip.events import AttackDetected

from ..faults.raw import catch_up, dial


def test_a_source_of_malformed_messages_is_told_of(defended):
    bob = defended("udp")
    events = queue.Queue()
    bob.party.on(AttackDetected, events.put)
    with dial(bob.port, "udp") as attacker:
        for _ in range(20):
            attacker.send(b"OPTIONS sip:bob@biloxi.com SIP/2.0\r\nno colon\r\n\r\n")
            catch_up(attacker)
        event = events.get(timeout=15)
    assert (event.kind, event.source, event.count) == ("malformed", "127.0.0.1", 20)
    assert bob.counts()["malformed"] == 20
    bob.check()
