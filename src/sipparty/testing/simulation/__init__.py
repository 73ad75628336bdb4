"""Whole programs in virtual time: engines, parties and their sockets on a simulated network.

    network = VirtualNetwork(seed=1, loss=0.05, delay=(0.01, 0.03))
    alice = AudioParty("alice@atlanta.example", engine=network.engine("10.0.0.1"))
    bob = AudioParty("bob@biloxi.example", engine=network.engine("10.0.0.2"))
    bob.listen()
    call = alice.invite(bob).wait(5)        # no time passes but what the network and timers take
    network.sleep(3600)                     # an hour of keep-alives, in no time
    network.close()

A coroutine is run by `network.run(main())`; `asyncio.sleep` and timeouts are virtual in it.

    loop        an event loop whose time moves on when there is nothing to do, and the threads
                that wait for it
    sockets     sockets of hosts that there are not
    hosts       hosts, and NATs
    network     what they send, and what becomes of it: loss, delay, partitions
    engine      `SimulatedEngine`: an engine on such a host
"""

from sipparty.testing.simulation.engine import SimulatedEngine
from sipparty.testing.simulation.hosts import NAT, Host
from sipparty.testing.simulation.network import VirtualNetwork

__all__ = ["NAT", "Host", "SimulatedEngine", "VirtualNetwork"]
