"""A caller and a called, each playing a scenario, in virtual time."""

import asyncio

import pytest

from sipparty.load.sipp import Options, Player, read_program
from sipparty.testing.simulation import VirtualNetwork

CALLED = ("10.0.0.2", 5060)

INVITE = """<send{attributes}><![CDATA[
    INVITE sip:[service]@[remote_ip]:[remote_port] SIP/2.0
    Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
    From: <sip:alice@[local_ip]:[local_port]>;tag=a[call_number]
    To: <sip:[service]@[remote_ip]:[remote_port]>
    Call-ID: [call_id]
    CSeq: [cseq] INVITE
    Contact: <sip:alice@[local_ip]:[local_port]>
    {more}
    Content-Type: application/sdp
    Content-Length: [len]

    v=0
    o=- 1 1 IN IP[local_ip_type] [local_ip]
    s=-
    c=IN IP[media_ip_type] [media_ip]
    t=0 0
    m=audio [media_port] RTP/AVP 0
  ]]>{actions}</send>"""
ACK = """<send{attributes}><![CDATA[
    ACK sip:[service]@[remote_ip]:[remote_port] SIP/2.0
    Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
    From: <sip:alice@[local_ip]:[local_port]>;tag=a[call_number]
    To: <sip:[service]@[remote_ip]:[remote_port]>[peer_tag_param]
    Call-ID: [call_id]
    CSeq: [cseq] ACK
    {more}
    Content-Length: 0
  ]]>{actions}</send>"""
BYE = ACK.replace("ACK", "BYE")
REPLY = """<send{attributes}><![CDATA[
    SIP/2.0 {status} Yes
    [last_Via:]
    [last_From:]
    [last_To:]{tag}
    [last_Call-ID:]
    [last_CSeq:]
    [last_Subject:]
    {more}
    Contact: <sip:[local_ip]:[local_port]>
    Content-Length: 0
  ]]>{actions}</send>"""


def piece(text, attributes="", more="Max-Forwards: 70", actions="", **values):
    if actions:
        actions = f"<action>{actions}</action>"
    return text.format(attributes=" " + attributes, more=more, actions=actions, **values)


def invite(attributes='retrans="500"', **values):
    return piece(INVITE, attributes, **values)


def ack(attributes="", **values):
    return piece(ACK, attributes, **values)


def bye(attributes='retrans="500"', **values):
    return piece(BYE, attributes, **values)


def reply(status, attributes="", tag="", **values):
    return piece(REPLY, attributes, status=status, tag=tag, **values)


def recv(what, attributes="", actions=""):
    kind = "response" if str(what).isdigit() else "request"
    if actions:
        actions = f"<action>{actions}</action>"
    return f'<recv {kind}="{what}" {attributes}>{actions}</recv>'


def scenario(*parts):
    return ("<scenario>\n" + "\n".join(parts) + "\n</scenario>").encode()


UAC = scenario(
    invite(), recv(180, 'optional="true"'), recv(200, 'rtd="true"'), ack(), bye(), recv(200)
)
UAS = scenario(
    recv("INVITE"),
    reply(200, 'retrans="500"', tag=";tag=b"),
    recv("ACK"),
    recv("BYE"),
    reply(200),
)


class Stage:
    """A network, and players on two hosts of it."""

    def __init__(self, network, folder):
        self.network = network
        self.folder = folder
        self.engines = [network.engine("10.0.0.1"), network.engine("10.0.0.2")]
        self.sent = []
        for engine in self.engines:
            engine.wire.add(self._note)

    def _note(self, record):
        if record.direction == "sent":
            self.sent.append(record.data.decode(errors="replace"))

    def messages(self, start):
        return [text for text in self.sent if text.startswith(start)]

    def caller(self, source, **options):
        return self._player(0, source, options, CALLED)

    def called(self, source, **options):
        return self._player(1, source, {"local": CALLED, **options}, None)

    def _player(self, index, source, options, remote):
        options.setdefault("seed", 1)
        program = read_program(source, options.get("keys", {}), file=f"scenario{index}.xml")
        return Player(self.engines[index], program, Options(**options), remote, folder=self.folder)

    def play(self, caller, called, calls=1, *, rate=None, seconds=200, **options):
        """Play both; return their players. Options of the called begin with "called_"."""
        theirs = {k[7:]: options.pop(k) for k in list(options) if k.startswith("called_")}

        async def main():
            async with (
                self.called(called, **theirs) as bob,
                self.caller(caller, **options) as alice,
            ):
                waiting = asyncio.ensure_future(bob.play(calls))
                await asyncio.wait_for(alice.play(calls, rate=rate), seconds)
                await asyncio.sleep(1)
                waiting.cancel()
                return alice, bob

        return self.network.run(main())


@pytest.fixture
def network():
    with VirtualNetwork(seed=1, delay=(0.01, 0.01)) as made:
        yield made


@pytest.fixture
def stage(network, tmp_path):
    return Stage(network, tmp_path)
