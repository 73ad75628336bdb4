"""The commands that explain and draw: parse, sdp explain, fsm, resolve, doctor."""

import contextlib
import json
import socket
import threading

import dns.message
import dns.rcode
import pytest
from typer.testing import CliRunner

from sipparty.cli.app import app
from sipparty.transport.stun import answer_to

INVITE = """INVITE sip:bob@biloxi.com SIP/2.0
Via: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK1
From: <sip:alice@atlanta.com>;tag=1
To: <sip:bob@biloxi.com>
Call-ID: 1
CSeq: 1 INVITE
Max-Forwards: 70
Contact: <sip:alice@10.0.0.1>

"""
SDP = """v=0
o=- 1 1 IN IP4 10.0.0.1
s=-
c=IN IP4 10.0.0.1
t=0 0
m=audio 4000 RTP/AVP 0 8
"""


@pytest.fixture(autouse=True)
def wide(monkeypatch):
    monkeypatch.setenv("COLUMNS", "90")


def run(*arguments, stdin=None):
    return CliRunner().invoke(app, list(map(str, arguments)), input=stdin)


def objects(result):
    return [json.loads(line) for line in result.stdout.splitlines()]


# -------------------------------------------------------------------- parse


def test_parse_explains_each_line_and_says_whether_it_is_taken():
    result = run("parse", stdin=INVITE)
    assert result.exit_code == 0
    assert "INVITE starts a call" in result.stdout
    assert "[RFC 3261 §20.42]" in result.stdout
    assert result.stdout.endswith("A request. Nothing is wrong with it.\n")


def test_parse_points_at_the_fault_with_a_caret():
    result = run("parse", stdin=INVITE.replace("10.0.0.1;", "10.0.0.1:99999;"))
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    at = lines.index("Via: SIP/2.0/UDP 10.0.0.1:99999;branch=z9hG4bK1")
    assert lines[at + 1].index("^") == lines[at].index("99999")
    assert "a port from 0 to 65535" in lines[at + 2]


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_secrets_are_masked(options):
    secrets = (
        'Authorization: Digest username="alice", realm="r", nonce="n", uri="sip:b",'
        ' response="5ec2e7", cnonce=?\nContact: <sip:alice:5ec2e7@10.0.0.1>;q=7\n'
    )
    sdp = SDP + "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:5ec2e7\n"
    text = INVITE.replace("Contact: <sip:alice@10.0.0.1>\n", secrets) + sdp
    result = run("parse", *options, stdin=text)
    assert 'response="***"' in result.stdout.replace("\\", "")
    assert "5ec2e7" not in result.stdout
    assert "5ec2e7" not in run("sdp", "explain", *options, stdin=sdp).stdout


def test_the_caret_points_at_its_place_behind_a_secret():
    contact = "<sip:alice:5ec2e75ec2e7@10.0.0.1:99999>"
    result = run("parse", stdin=INVITE.replace("<sip:alice@10.0.0.1>", contact))
    lines = result.stdout.splitlines()
    at = lines.index("Contact: <sip:alice:***@10.0.0.1:99999>")
    assert lines[at + 1].index("^") == lines[at].index("99999")


def test_a_fault_in_a_line_that_is_broken_is_pointed_at_in_a_piece_of_it():
    long = "Max-Forwards:" + " " * 200 + "many"
    result = run("parse", stdin=INVITE.replace("Max-Forwards: 70", long))
    lines = result.stdout.splitlines()
    caret = next(at for at, line in enumerate(lines) if line.strip() == "^")
    assert lines[caret - 1][lines[caret].index("^") :].startswith("many")


def test_parse_of_a_file_and_as_json(tmp_path):
    (tmp_path / "one").write_text(INVITE.replace("Call-ID: 1\n", ""))
    result = run("parse", tmp_path / "one", "--json")
    *lines, last = objects(result)
    assert last["acceptable"] is False
    assert lines[1]["source"] == "RFC 3261 §20.42"
    assert "Missing Call-ID" in lines[-1]["faults"][0]["what"]


def test_parse_takes_a_description_too():
    assert "RFC 8866 §5.14" in run("parse", stdin=SDP).stdout


def test_what_comes_from_a_message_cannot_move_the_cursor():
    result = run("parse", stdin=INVITE.replace("Call-ID: 1", "Call-ID: \x1b[2J"))
    assert "\x1b" not in result.stdout
    assert "\\x1b[2J" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["no-such-file"], "There is no file 'no-such-file'"), (["-"], "nothing in the input")],
)
def test_parse_without_a_text(arguments, words):
    result = run("parse", *arguments, stdin="")
    assert result.exit_code == 2
    assert words in result.stderr


def test_what_is_no_text_is_not_explained():
    result = CliRunner().invoke(app, ["parse"], input=b"\x0a\x0d\x0d\x0a\x5c\0\0\0")
    assert result.exit_code == 2
    assert "not text" in result.stderr
    assert "sipparty ladder" in result.stderr
    assert not result.stdout


# -------------------------------------------------------------------- sdp explain


def test_sdp_explain_says_what_an_answer_agrees_to(tmp_path):
    (tmp_path / "offer").write_text(INVITE + SDP)
    (tmp_path / "answer").write_text(SDP.replace("0 8", "8").replace("10.0.0.1", "10.0.0.2"))
    result = run("sdp", "explain", tmp_path / "offer", tmp_path / "answer")
    assert result.exit_code == 0
    agreed = result.stdout.partition("Agreed on")[2]
    assert "10.0.0.2 port 4000" in agreed
    assert "PCMA (send 8, receive 8)" in agreed
    assert "PCMU" not in agreed


def test_an_answer_that_does_not_answer_the_offer(tmp_path):
    (tmp_path / "offer").write_text(SDP)
    (tmp_path / "answer").write_text(SDP + "m=video 0 RTP/AVP 31\n")
    result = run("sdp", "explain", tmp_path / "offer", tmp_path / "answer")
    assert result.exit_code == 1
    assert "The answer has 2 streams where the offer has 1" in result.stderr


def test_a_description_that_is_none():
    result = run("sdp", "explain", stdin=SDP.replace("o=-", "x"))
    assert result.exit_code == 1
    assert "refused" in result.stdout


# -------------------------------------------------------------------- fsm


def test_fsm_lists_the_machines_and_each_can_be_drawn():
    names = objects(run("fsm", "--json"))[0]["machines"]
    assert len(names) > 15
    for name in names:
        result = run("fsm", name)
        assert result.exit_code == 0, result.stderr
        assert result.stdout.startswith(name)


@pytest.mark.parametrize(
    ("file", "start"),
    [("a.svg", "<svg"), ("a.mmd", "---"), ("a.dot", "digraph"), ("a.txt", "SimpleCall")],
)
def test_fsm_writes_the_format_of_the_suffix(tmp_path, file, start):
    result = run("fsm", "simplecall", "--output", tmp_path / file)
    assert result.exit_code == 0, result.stderr
    assert (tmp_path / file).read_text().startswith(start)
    assert [each.name for each in tmp_path.iterdir()] == [file]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["simplecal"], "Did you mean SimpleCall?"),
        (["json:JSONDecoder"], "no state machine"),
        (["no.such.module:X"], "cannot be imported"),
        (["SimpleCall", "--format", "pdf"], "text, svg, mermaid, dot"),
        (["SimpleCall", "--output", "drawing.png"], "none of the suffixes .txt, .svg"),
    ],
)
def test_fsm_asked_for_what_there_is_not(arguments, words):
    result = run("fsm", *arguments)
    assert result.exit_code == 2
    assert words in result.stderr


def test_a_file_that_cannot_be_written_is_the_one_that_was_meant(tmp_path):
    result = run("fsm", "simplecall", "--output", tmp_path / "none" / "a.svg")
    assert result.exit_code == 4
    assert result.stderr == f"sipparty: {tmp_path}/none/a.svg: No such file or directory.\n"


# -------------------------------------------------------------------- resolve


def test_resolve_of_what_is_no_sip_uri():
    result = run("resolve", "tel:+1")
    assert result.exit_code == 2
    assert "'tel:+1' is no SIP URI" in result.stderr


def test_resolve_shows_each_question_and_the_targets_in_order():
    result = run("resolve", "sip:bob@localhost")
    assert result.exit_code == 0
    asked = [line for line in result.stdout.splitlines() if "hosts file" in line]
    assert "NAPTR localhost: nothing" in asked[0]
    assert "A localhost: 127.0.0.1" in asked[-1]
    assert "127.0.0.1  5060" in result.stdout


def test_resolve_of_a_numeric_address_asks_nothing():
    result = run("resolve", "sips:10.0.0.1", "--json")
    (last,) = objects(result)
    assert last["targets"] == [
        {"transport": "TLS", "address": "10.0.0.1", "port": 5061, "server_name": "10.0.0.1"}
    ]


@contextlib.contextmanager
def answering(respond):
    """A UDP server on a free port, which answers the datagrams that come; gives its address."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))

        def serve():
            while (received := server.recvfrom(2048))[0] != b"stop":
                server.sendto(respond(received[0]), received[1])

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"127.0.0.1:{server.getsockname()[1]}"
        finally:
            server.sendto(b"stop", server.getsockname())
            thread.join()


def fail(data):
    response = dns.message.make_response(dns.message.from_wire(data))
    response.set_rcode(dns.rcode.SERVFAIL)
    return response.to_wire()


def test_a_name_server_that_fails_is_said_and_ends_in_unreachable():
    with answering(fail) as server:
        result = run("resolve", "biloxi.com:5080", "--no-hosts", "--server", server)
    assert result.exit_code == 3
    assert "No target found for sip:biloxi.com:5080" in result.stderr
    assert "AAAA biloxi.com: " in result.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["sip:x y"], "not a valid"),
        (["biloxi.com", "--server", "ns.biloxi.com"], "give its IP address"),
    ],
)
def test_resolve_of_what_is_no_target(arguments, words):
    result = run("resolve", *arguments)
    assert result.exit_code == 2
    assert words in result.stderr


# -------------------------------------------------------------------- doctor


def test_doctor_says_what_works():
    result = run("doctor", "--port", "0", "localhost")
    assert result.exit_code == 0, result.stdout
    assert "codecs: PCMU" in result.stdout
    assert "ok  way to localhost: UDP 127.0.0.1 port 5060" in result.stdout


def test_doctor_says_what_is_bad_and_how_to_mend_it(tmp_path):
    (tmp_path / "broken.pem").write_text("nothing")
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as taken:
        taken.bind(("", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = run("doctor", "--json", "--port", port, "--cert", tmp_path / "broken.pem")
    assert result.exit_code == 1
    *_, last = objects(result)
    assert last["bad"] == [f"port {port}/TCP", f"certificate {tmp_path / 'broken.pem'}"]
    found = {each.get("subject"): each for each in objects(result)}
    assert "--port 0" in found[f"port {port}/TCP"]["remedy"]


def test_doctor_asks_a_stun_server():
    with answering(lambda data: answer_to(data, ("203.0.113.7", 4711))) as server:
        result = run("doctor", "--port", 0, "--stun", server)
    assert "203.0.113.7" in result.stdout
    assert "behind a NAT" in result.stdout
