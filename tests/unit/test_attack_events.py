"""An attack on nobody in particular is told to every party of the engine."""

from sipparty.parties import NoMediaSimpleCallsParty
from sipparty.sip import Flow
from sipparty.sip.events import AttackDetected


async def test_every_party_hears_of_an_attack_once():
    heard = []
    async with NoMediaSimpleCallsParty("alice@atlanta.com") as alice:
        alice.listen(None, address="127.0.0.1")
        bob = NoMediaSimpleCallsParty("bob@biloxi.com", engine=alice.engine)
        bob.listen(None, address="127.0.0.1")
        for party in (alice, bob):

            async def hear(event, name=party.username):
                heard.append((name, event.kind, event.source))

            party.on(AttackDetected, hear)
        core = alice.engine.core
        flow = Flow("UDP", ("127.0.0.1", 5060), ("192.0.2.7", 5060))
        alice.engine.run(core.attacks.note, "relay", flow, 0.0)
        while len(heard) < 2:
            await alice.options(bob)
        await bob.aclose()
    assert sorted(heard) == [("alice", "relay", "192.0.2.7"), ("bob", "relay", "192.0.2.7")]
