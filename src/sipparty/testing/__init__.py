"""Testing SIP applications: virtual time, chance that can be repeated, a network that misbehaves.

The protocol core of sipparty does no I/O (`sipparty.sip`), so a test can run whole calls, with loss
and retransmission and timers of hours, in one thread and in no time:

    network = SimulatedNetwork(seed=1, loss=0.1, delay=(0.01, 0.05))
    network.attach(alice, ("10.0.0.1", 5060))
    network.attach(bob, ("10.0.0.2", 5060), on_event=answer)
    ...                                             # a verb on alice, such as an INVITE to bob
    network.run(until=lambda: answered, max_time=64)
    print(Ladder(network.records()))                # sipparty.trace: what was said

    ===========================  ==================================================================
    `VirtualClock`               a clock that moves when it is moved
    `SequentialTokens`           tags, branches and Call-IDs that count: 1, 2, 3
    `seeded_tokens`              ones that look real, the same for the same seed
    `SimulatedNetwork`           carries messages between cores: loss, delay, partitions, a log
    `Core`                       what a core must have to be attached; your own machines may, too
    `Registrar`                  a registrar as a role of a core: digest, Path, outbound, GRUU
    `tamper`                     messages changed, dropped or held back as they are sent: so
                                 `withhold_ack`, `answer_nothing`, `shift_cseq`, `write_tags`
    `send_raw`, `repeat`         bytes of any kind, and requests sent again
    ===========================  ==================================================================

For tests with pytest, whose plugin is `sipparty.testing.plugin`:

    ===========================  ==================================================================
    `expect`                     what is to become of a call: `expect(call).answered(within=2)`
    `assert_ladder`              the messages of a call: `"INVITE > 180 < 200 < ACK >"`
    `VirtualParties`             parties on hosts of a simulated network; the fixture `party`
    `RealParties`                parties on this machine; the fixture `sip_party`
    `Proxy`                      a proxy as a role of a core
    `SIPp`                       SIPp, the program
    ===========================  ==================================================================

What to test with comes from `sipparty.testing.strategies`: Hypothesis strategies for messages and
all that is in them, valid and nearly valid. It needs the extra `sipparty[testing]`.

Everything here is public and kept stable, as the rest of the package is.
"""

from typing import TYPE_CHECKING

from sipparty.late import late_names

if TYPE_CHECKING:
    from sipparty.testing.attached import Core
    from sipparty.testing.clock import SequentialTokens, VirtualClock, seeded_tokens
    from sipparty.testing.expecting import expect
    from sipparty.testing.impairments import Carried, Cut, Fate, Link, Place
    from sipparty.testing.ladders import assert_ladder
    from sipparty.testing.misbehaviour import (
        DROP,
        Tampering,
        answer_nothing,
        is_request,
        repeat,
        send_raw,
        shift_cseq,
        tamper,
        withhold_ack,
        write_tags,
    )
    from sipparty.testing.network import SimulatedNetwork
    from sipparty.testing.parties import Parties, RealParties, VirtualParties
    from sipparty.testing.proxy import Proxy
    from sipparty.testing.registrar import RegisteredContact, Registrar
    from sipparty.testing.sipp import SIPp

__all__ = [
    "DROP",
    "Carried",
    "Core",
    "Cut",
    "Fate",
    "Link",
    "Parties",
    "Place",
    "Proxy",
    "RealParties",
    "RegisteredContact",
    "Registrar",
    "SIPp",
    "SequentialTokens",
    "SimulatedNetwork",
    "Tampering",
    "VirtualClock",
    "VirtualParties",
    "answer_nothing",
    "assert_ladder",
    "expect",
    "is_request",
    "repeat",
    "seeded_tokens",
    "send_raw",
    "shift_cseq",
    "tamper",
    "withhold_ack",
    "write_tags",
]

if not TYPE_CHECKING:
    __getattr__ = late_names(
        globals(),
        "clock impairments attached network registrar misbehaviour proxy parties ladders expecting"
        " sipp",
    )
