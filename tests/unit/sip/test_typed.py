import contextlib
import copy
import pickle
from datetime import UTC, datetime, timedelta, timezone

import pytest

from sipparty.errors import BuildError, ParseError
from sipparty.sip import HEADERS, Message, Request
from sipparty.sip.typed import (
    AddressReference,
    Date,
    MediaRange,
    NumberValue,
    ParameterList,
    Product,
    ProductList,
    RAck,
    TextValue,
    Timestamp,
    TokenList,
    TokenValue,
    WarningValue,
    WordValue,
)

#: An example of every header in the table, mostly of the RFC that defines it.
EXAMPLES = {
    "Via": "SIP/2.0/UDP pc33.atlanta.com;branch=z9hG4bK776asdhds",
    "From": '"A. G. Bell" <sip:agb@bell-telephone.com> ;tag=a48s',
    "To": "sip:+12125551212@server.phone2net.com;tag=287447",
    "Call-ID": "f81d4fae-7dec-11d0-a765-00a0c91e6bf6@biloxi.com",
    "CSeq": "4711 INVITE",
    "Contact": '"Mr. Watson" <sip:watson@worcester.bell-telephone.com>;q=0.7; expires=3600',
    "Route": "<sip:bigbox3.site3.atlanta.com;lr>",
    "Record-Route": "<sip:server10.biloxi.com;lr>",
    "Max-Forwards": "6",
    "Content-Type": "text/html; charset=ISO-8859-4",
    "Content-Length": "0",
    "Content-Encoding": "gzip",
    "Content-Disposition": "session;handling=optional",
    "Content-Language": "fr",
    "Content-ID": "<target123@atlanta.example.com>",
    "MIME-Version": "1.0",
    "Allow": "INVITE",
    "Supported": "100rel",
    "Require": "100rel",
    "Proxy-Require": "foo",
    "Unsupported": "foo",
    "Accept": "application/sdp;level=1",
    "Accept-Encoding": "identity; q=0.5",
    "Accept-Language": "en-gb;q=0.8",
    "Alert-Info": "<http://www.example.com/sounds/moo.wav>",
    "Call-Info": "<http://www.example.com/alice/photo.jpg> ;purpose=icon",
    "Error-Info": "<sip:not-in-service-recording@atlanta.com>",
    "Authorization": 'Digest username="Alice", realm="atlanta.com", nonce="84a4", uri="sip:a", '
    'response="7587"',
    "Proxy-Authorization": 'Digest username="Alice", realm="a", nonce="c6", uri="s", response="1"',
    "WWW-Authenticate": 'Digest realm="atlanta.com", nonce="f84f1cec41e6cbe5aea9c8e88d359", '
    'algorithm=MD5, qop="auth"',
    "Proxy-Authenticate": 'Digest realm="atlanta.com", nonce="f84f", stale=FALSE',
    "Authentication-Info": 'nextnonce="47364c23432d2e131a5fb210812c"',
    "Proxy-Authentication-Info": 'rspauth="47364c23", qop=auth',
    "Date": "Sat, 13 Nov 2010 23:29:00 GMT",
    "Expires": "5",
    "In-Reply-To": "70710@saturn.bell-tel.com",
    "Min-Expires": "60",
    "Organization": "Boxes by Bob",
    "Priority": "emergency",
    "Reply-To": "Bob <sip:bob@biloxi.com>",
    "Retry-After": "18000;duration=3600",
    "Server": "HomeServer v2",
    "Subject": "Need more boxes",
    "Timestamp": "54",
    "User-Agent": "Softphone Beta1.5",
    "Warning": "307 isi.edu \"Session parameter 'foo' not understood\"",
    "RAck": "776656 1 INVITE",
    "RSeq": "988789",
    "Session-Expires": "4000;refresher=uac",
    "Min-SE": "3600;lr",
    "Privacy": "header;user;critical",
    "P-Asserted-Identity": '"Cullen Jennings" <sip:fluffy@cisco.com>',
    "P-Preferred-Identity": "tel:+14085264000",
    "Identity": "sv5CTo05KqpSmtHt3dcEiO_1CWTSZtnG3iV+1nmurLXV/HmtyNS7Ltrg9dlxkWzo"
    ";info=<https://biloxi.example.org/biloxi.cert;v=2>;alg=ES256",
    "Diversion": "<sip:+19195551002>;reason=user-busy;privacy=off;counter=1",
    "History-Info": "<sip:bob@192.0.2.4?Reason=SIP%3Bcause%3D302>;index=1.1;mp=1",
    "Session-ID": "ab30317f1a784dc48ff824d0d3715d86;remote=00000000000000000000000000000000",
    "User-to-User": "56a390f3d2b7310023a2;encoding=hex;purpose=foo;content=bar",
    "Path": "<sip:pcscf.isp.example.com;lr;ob>",
    "Service-Route": "<sip:orig@scscf1.home1.net;lr>",
    "Reason": 'Q.850 ;cause=16 ;text="Terminated"',
    "Accept-Contact": '*;audio;methods="INVITE,BYE";require',
    "Reject-Contact": '*;actor="msg-taker";video',
    "Request-Disposition": "proxy",
    "Feature-Caps": '*;+g.3gpp.registration-token="abc"',
    "Resource-Priority": "dsn.flash",
    "Accept-Resource-Priority": "ets.0",
    "Max-Breadth": "60",
    "Answer-Mode": "Auto;require",
    "Priv-Answer-Mode": "Manual",
    "Geolocation": "<cid:target123@atlanta.example.com>",
    "Geolocation-Routing": "yes",
    "Geolocation-Error": '200 ;code="Permission to use"',
    "Refer-To": "<sip:dave@denver.example.org?Replaces=12345%40192.168.118.3%3Bto-tag%3D12345>",
    "Refer-Sub": "false",
    "Replaces": "98732@sip.example.com ;from-tag=r33th4x0r ;to-tag=ff87ff",
    "Join": "12adf2f34456gs5;to-tag=12345;from-tag=54321",
    "Target-Dialog": "fa77as7dad8-sd98ajzz@host.example.com;local-tag=kkaz-;remote-tag=6544",
    "Event": 'dialog;id=7;call-id="x;y"',
    "Allow-Events": "presence.winfo",
    "Subscription-State": "terminated;reason=timeout;retry-after=5",
    "Suppress-If-Match": "b4cf7",
    "SIP-ETag": "dx200xyz",
    "SIP-If-Match": "dx200xyz",
    "Info-Package": "foo;q=1",
    "Recv-Info": "foo",
    "Flow-Timer": "126",
    "Security-Client": "ipsec-ike;q=0.1",
    "Security-Server": 'digest;d-ver="0000000000000000000000000000abcd"',
    "Security-Verify": "tls;q=0.2",
    "P-Access-Network-Info": "3GPP-UTRAN-TDD; utran-cell-id-3gpp=234151D0FCE11",
    "P-Associated-URI": "<sip:user2-public1@home1.net>",
    "P-Called-Party-ID": "sip:user1-business@example.com",
    "P-Charging-Function-Addresses": "ccf=192.1.1.1; ccf=192.1.1.2; ecf=192.1.1.3",
    "P-Charging-Vector": "icid-value=1234bc9876e; icid-generated-at=192.0.6.8; orig-ioi=home1.net",
    "P-Visited-Network-ID": '"Visited network number 1"',
    "P-Early-Media": "sendrecv",
    "P-Asserted-Service": "urn:urn-7:3gpp-service.exampletelephony.version1",
    "P-Preferred-Service": "urn:urn-7:3gpp-service.exampletelephony.version1",
}
EXAMPLES["Referred-By"] = '<sip:referror@referror.example>;cid="20398823.2UWQFN309shb3@a.example"'


def test_every_header_has_an_example():
    names = {row.name for row in HEADERS.values() if not row.name.startswith("X-")}
    assert names == set(EXAMPLES)


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_header_is_read_and_goes_back_as_it_came(name):
    for line in (f"{name}: {EXAMPLES[name]}", f"{name.upper()} :   {EXAMPLES[name]}"):
        data = f"OPTIONS sip:bob@biloxi.com SIP/2.0\r\n{line}\r\n\r\n".encode()
        message = Message.parse(data)
        (value,) = message.all(name)
        if isinstance(value, str):
            assert value == EXAMPLES[name]
        assert bytes(message) == data
        message["X-Changed"] = "yes"
        assert line.encode() in bytes(message)
    compact = HEADERS[name.lower()].compact
    if compact:
        message = Message.parse(data.replace(name.upper().encode(), compact.encode()))
        assert message.all(name) == [value]


@pytest.mark.parametrize("name", EXAMPLES)
def test_what_is_bad_is_a_parse_error_or_nothing(name):
    parse = HEADERS[name.lower()].parse
    for text in (
        "",
        "\x00",
        '"',
        "<",
        ";",
        "a b;c\udc80",
        "\u00b2",
        "é",
        "(" * 50,
        '";' * 50,
        "1e9",
    ):
        with contextlib.suppress(ParseError):
            parse(text)


def test_a_value_is_its_text():
    event = TokenValue('dialog ; ID=7;call-id="x;\\"y";flag;;')
    assert event == 'dialog ; ID=7;call-id="x;\\"y";flag;;'
    assert event.value == "dialog"
    assert event.parameters == {"id": "7", "call-id": 'x;"y', "flag": None}
    assert (event.parameter("Id"), event.parameter("flag"), event.parameter("no")) == (
        "7",
        "",
        None,
    )
    assert repr(TokenValue("presence")) == "TokenValue('presence')"
    for other in (copy.copy(event), copy.deepcopy(event), pickle.loads(pickle.dumps(event))):
        assert (other, other.parameters, type(other)) == (event, event.parameters, TokenValue)
    assert type(str(event)) is str
    event.parameters["id"] = "8"
    assert event.parameter("id") == "7"
    assert TokenValue(b"presence;id=1").parameter("id") == "1"


def test_a_header_is_set_by_a_value():
    request = Request("SUBSCRIBE", "sip:bob@biloxi.com")
    request["Event"] = TokenValue.of("dialog", {"id": "a b", "n": 3, "flag": None, "u": "<sip:a>"})
    assert request.lines("Event") == ['dialog;id="a b";n=3;flag;u=<sip:a>']
    request["Reason"] = [
        TokenValue.of("SIP", {"cause": 200}),
        TokenValue.of("Q.850", {"cause": 16}),
    ]
    assert [reason.parameter("cause") for reason in request.all("Reason")] == ["200", "16"]
    assert len(request.lines("Reason")) == 2


@pytest.mark.parametrize(
    ("value", "parameters"),
    [
        ("a b", {}),
        ("a;b", {}),
        ("", {}),
        ("a", {"b c": "1"}),
        ("a", {"b": "x\r\nEvil: 1"}),
        ("a\r\nEvil: 1", {}),
    ],
)
def test_parts_cannot_break_out(value, parameters):
    with pytest.raises(BuildError):
        TokenValue.of(value, parameters)


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        (TokenValue, "", "a token"),
        (TokenValue, ";a=1", "a token"),
        (TokenValue, "a b", "';' and a parameter"),
        (TokenValue, 'a;b="x', "';' and a parameter"),
        (TokenValue, "a;=1", "';' and a parameter"),
        (MediaRange, "application", "type/subtype"),
        (NumberValue, "soon", "a number of seconds"),
        (NumberValue, "5 (busy", "'\\)' after the comment"),
        (NumberValue, "-1", "a number of seconds"),
        (NumberValue, "5 6", "';' and a parameter"),
        (ParameterList, ";a=1", "a parameter"),
        (ParameterList, 'a=1;b="', "';' and a parameter, or the end at position 6"),
        (TokenList, "id;;user", "tokens with ';' between"),
        (AddressReference, "http://a.example", "a URI in '<' and '>'"),
        (Date, "Sat, 13 Nov 2010 23:29:00 EST", "a date such as"),
        (Date, "Sat, 31 Feb 2010 23:29:00 GMT", "a day and a time that exist"),
        (Timestamp, "now", "seconds"),
        (WarningValue, '1812 a.example "x"', "three digits"),
        (WarningValue, "399 a.example x", "three digits"),
        (RAck, "1 INVITE", "two numbers and a method"),
        (RAck, "4294967296 1 INVITE", "an RSeq below"),
    ],
)
def test_errors_say_what_was_expected(kind, text, expected):
    with pytest.raises(ParseError, match=expected) as caught:
        kind.parse(text)
    assert caught.value.what == kind.WHAT


@pytest.mark.parametrize(
    ("kind", "text", "position"),
    [
        (TokenValue, "", 0),
        (TokenValue, "a b", 1),
        (TokenValue, "a;x=1;=1", 6),
        (ParameterList, "a=1;b c", 6),
        (NumberValue, "5 (busy", 7),
        (RAck, "1 INVITE", 0),
        (TokenList, "id;;user", None),
        (Date, "Sat, 31 Feb 2010 23:29:00 GMT", 0),
    ],
)
def test_errors_say_where(kind, text, position):
    with pytest.raises(ParseError) as caught:
        kind.parse(text)
    assert caught.value.position == position


def test_numbers():
    value = NumberValue("120 (I'm in a (long\\)) meeting) ;duration=60")
    assert (int(value), value.comment) == (120, "I'm in a (long\\)) meeting")
    assert value.parameter("duration") == "60"


def test_media_ranges():
    for text, covered in {
        "application/sdp": True,
        "Application/SDP;level=1;q=0.5": True,
        "application/*": True,
        "*/*": True,
        "*/*;q=0.0": False,
        "application/sdp;q=0": False,
        "text/*": False,
        "application/isup": False,
    }.items():
        assert MediaRange(text).covers("application/sdp") is covered, text


def test_dates():
    date = Date("Sat, 13 Nov 2010 23:29:00 GMT")
    assert date.time == datetime(2010, 11, 13, 23, 29, tzinfo=UTC)
    assert Date.of(date.time) == date
    assert Date.of(date.time.astimezone(timezone(timedelta(hours=2)))) == date
    assert Date("Sat, 13 Nov 2010 23:59:60 GMT").time.second == 59
    with pytest.raises(BuildError):
        Date.of(datetime(2010, 11, 13))


def test_the_rest():
    assert (Timestamp("54.5 0.25").sent, Timestamp("54.5 0.25").delay) == (54.5, 0.25)
    assert Timestamp("54").delay == 0.0
    warning = WarningValue.of(399, "biloxi.com:5060", 'No "more" lines')
    assert warning == '399 biloxi.com:5060 "No \\"more\\" lines"'
    assert (warning.code, warning.agent, warning.text) == (
        399,
        "biloxi.com:5060",
        'No "more" lines',
    )
    with pytest.raises(BuildError):
        WarningValue.of(99, "biloxi.com", "x")
    rack = RAck("776656 1 INVITE")
    assert (rack.rseq, rack.cseq, rack.method) == (776656, 1, "INVITE")
    assert TokenList("Header; USER").tokens == ("header", "user")
    replaces = WordValue("98732@a;from-tag=1;to-tag=2;early-only")
    assert (replaces.value, replaces.parameter("early-only")) == ("98732@a", "")
    icon = AddressReference("<http://a.example/b;c?d=e,f> ;purpose=icon")
    assert (str(icon.uri), icon.parameter("purpose")) == ("http://a.example/b;c?d=e,f", "icon")
    assert ParameterList("a=1; b").parameters == {"a": "1", "b": None}
    assert TextValue("as it is") == "as it is"


def test_products():
    assert ProductList("sipparty/1.0 (Linux (x86)) libfoo/2 bar").products == (
        Product("sipparty", "1.0", "Linux (x86)"),
        Product("libfoo", "2"),
        Product("bar"),
    )
    assert ProductList("a/1 (b").products == (Product("a", "1", "b"),)
    for text in ("", "(", ")", "(a", "a(b)c", "Fancy PBX, v1 (x) (y)", "\x7f"):
        assert ProductList(text) == text
        assert isinstance(ProductList(text).products, tuple)


def test_a_line_of_authentication_is_one_value():
    challenges = (
        'Digest realm="a, b", nonce="1"',
        'Digest realm="c", nonce="2", algorithm=SHA-256',
    )
    request = Request("OPTIONS", "sip:bob@biloxi.com")
    request["WWW-Authenticate"] = list(challenges)
    assert [challenge.realm for challenge in request.all("WWW-Authenticate")] == ["a, b", "c"]
    assert request["WWW-Authenticate"].nonce == "1"
    assert request.lines("WWW-Authenticate") == list(challenges)


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("Max-Forwards", ("0", "255", "0068"), ("256", "-1", "a", "", "1" * 5000)),
        ("Expires", ("4294967295",), ("4294967296", "5s")),
        ("RSeq", ("1",), ("0", "4294967296")),
        ("Content-Length", ("9999999999",), ("10000000000", "+1")),
    ],
)
def test_numbers_have_ranges(name, good, bad):
    parse = HEADERS[name.lower()].parse
    assert [parse(text) for text in good] == [int(text) for text in good]
    for text in bad:
        with pytest.raises(ParseError):
            parse(text)
