"""Whatever a registrar answers, nothing is raised, and the registration ends as it should."""

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sipparty.sip import Core, Flow, Message, UserAgent
from sipparty.sip.core import FlowWanted
from sipparty.sip.registration import Registration
from sipparty.testing import SequentialTokens

NAMES = ("Contact", "Path", "Service-Route", "Expires", "Flow-Timer", "Require", "Min-Expires")
PIECES = (
    "<sip:bob@10.0.0.1:5060>",
    ";expires=",
    "9" * 4301,
    ",",
    ";",
    '"',
    "<",
    ">",
    "²",
    "-1",
    "*",
)
PIECES += (
    ";q=",
    ";reg-id=1",
    ';+sip.instance="<urn:uuid:1>"',
    "outbound",
    ";pub-gruu=",
    "sip:",
    "a",
)
TEXT = st.lists(st.sampled_from(PIECES) | st.text("<>;,=:@ax1", max_size=5), max_size=8).map(
    "".join
)
LINES = st.lists(st.tuples(st.sampled_from((*NAMES, "Retry-After")), TEXT), max_size=6)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    status=st.sampled_from((200, 202, 302, 401, 423, 439, 503, 603)),
    lines=LINES,
    via=st.sampled_from(("", ";received=x", ";rport=²", ";rport=" + "9" * 4301)),
)
@example(status=200, lines=[("Contact", "<sip:bob@10.0.0.1:5060>;expires=0")], via="")
def test_it_is_taken(status, lines, via):
    core, flow = Core(SequentialTokens("a")), Flow("UDP", ("10.0.0.1", 5060), ("10.0.0.9", 5060))
    agent = UserAgent(core, "sip:bob@biloxi.com")
    core.directory.bind(agent, flow.listener)
    registration = Registration(agent, outbound=True, gruu="temporary", use_mapped_address=True)
    registration.begin()
    for _ in range(3):
        for event in core.events():
            if isinstance(event, FlowWanted):
                core.flow_found(event, flow, core.timers.now)
        for data, _ in core.transmits():
            answer = Message.parse(data).response(status, to_tag="t")
            head, _, rest = bytes(answer).partition(b"Content-Length")
            for name, value in lines:
                head += f"{name}: {value}\r\n".encode()
            head = head.replace(b";rport", via.encode(), 1)
            core.receive(head + b"Content-Length" + rest, flow, core.timers.now)
    for read in ("bindings", "path", "service_route", "public_gruu", "temporary_gruu"):
        getattr(registration, read)
    assert registration.remaining >= 0
    assert agent.contact(flow)
    if registration.state != "Error":
        registration.unregister()
        core.events()
        core.transmits()
        core.handle_timers(core.timers.now + 200)
        core.handle_timers(core.timers.now + 200)
    assert registration.state in ("Terminated", "Error")
    assert not agent.services
