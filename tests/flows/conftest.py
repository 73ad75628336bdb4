"""The call flows of the RFCs, message by message, in virtual time.

Each flow is one test function over the fixture `flow`, which runs it six times:

    =======  =========================================================================
    clean    each message takes 10 ms; the ladder is compared with the figure
    loss     10 % of the messages are lost, 10 % come twice, and the time that they take
             varies so much that they overtake each other; five seeds
    =======  =========================================================================

All end alike, and leave nothing behind: the fixture lets every timer run out, and looks.

To add one, in the file of its RFC:

    =========================================  ============================================
    `alice = flow.phone("alice", "a.com")`      a core, a user agent, and media that
                                                remembers what was agreed on
    `proxy = flow.proxy("proxy", "b.com")`      a stateful proxy: `targets`, `record_route`,
                                                `enable_digest`, `no_answer`
    `call = alice.call(bob.uri, proxy=proxy)`   what users do: the verbs of the library
    `its = bob.incoming()`                      let time pass until bob's phone has the call
    `flow.until_state("InDialog", call, its)`   let time pass until something is so
    `flow.until_progress(call, 180)`            the same for what nobody repeats
    `flow.run(5)`                               let five seconds pass
    =========================================  ============================================

At the end, for the clean run alone, the figure and what its text says of headers:

    if flow.clean:
        flow.shows(\"\"\"
            alice > bob INVITE F1
            bob > alice 180    F2
        \"\"\")
        assert "Route" not in flow["F1"]

A message in the ladder is its method or status, and what stands behind it labels it; `rows_of` says
what else a figure may have. Where the library may send something else than the figure shows, the
docstring of the test says why.
"""

from __future__ import annotations

import zlib

import pytest

from .flow import Flow


@pytest.fixture(params=range(6), ids=lambda run: f"loss-{run}" if run else "clean")
def flow(request):
    """A flow to be filled; at the end nothing is left of it."""
    run = request.param
    flow = Flow(zlib.crc32(request.node.name.encode()) if run else None)
    yield flow
    flow.over()
