"""`sipparty.sip.components`: URIs and their parts, by the examples of RFC 3261 and RFC 5954."""

from __future__ import annotations

import copy
import itertools

import pytest

from sipparty.errors import BuildError, Incomplete, ParseError
from sipparty.sip.components import AOR, URI, Headers, Host, Parameters, escape, unescape
from sipparty.vb import ValueBinder

# RFC 3261 §19.1.3, RFC 4475, and what the field sends.
ROUND_TRIPS = [
    "sip:alice@atlanta.com",
    "sip:alice:secretword@atlanta.com;transport=tcp",
    "sips:alice@atlanta.com?subject=project%20x&priority=urgent",
    "sip:+1-212-555-1212:1234@gateway.com;user=phone",
    "sips:1212@gateway.com",
    "sip:alice@192.0.2.4",
    "sip:atlanta.com;method=REGISTER?to=alice%40atlanta.com",
    "sip:alice;day=tuesday@atlanta.com",
    "sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com",
    "sip:sips%3Auser%40example.com@example.net",
    "sip:null-%00-null@example.com",
    "sip:user;par=u%40example.net@example.com",
    "sip:user@example.com?Route=%3Csip:example.com%3E",
    "SIP:ALICE@AtLanTa.CoM;Transport=udp",
    "sip:alice:@atlanta.com",
    "sip:atlanta.com.",
    "sip:a@b:05060",
    "sip:a@b:0",
    "sip:a@b;lr",
    "sip:a@b;a=;;b;",
    "sip:a@b;x=y=z",
    "sip:a@b?Subject=x&Priority=y&h=&h=2",
    "sip:[2001:db8::1]",
    "sip:alice@[2001:DB8:0::01]:5060;lr",
    "sip:alice@[::ffff:192.0.2.128]",
    "sip:user@[2001:db8:::192.0.2.1]",  # RFC 5118 §4.10
    "sip:my_host",
    "sip:x@3com.example",
    "sip:*21#@pbx.example",
    "sip:zoë@example.com",
    "tel:+1-201-555-0123;phone-context=x",
    "TEL:+1",
    "urn:service:sos",
    "http://x/y?z=1#top",
    "im:alice@example.com",
    "soap.beep://192.0.2.103:3002",
    "nobodyKnowsThisScheme:totallyopaquecontent",
]


HOST = "a host name, an IPv4 address or an IPv6 address in brackets"


class TestURIText:
    def test_the_graph(self):
        uri = URI.parse("sip:me2@myhost.com")
        assert repr(uri) == (
            "URI(headers='', absoluteURIPart=None, scheme='sip', aor=AOR(username='me2', "
            "host=Host(port=None, address='myhost.com')), parameters='')"
        )
        assert str(uri) == "sip:me2@myhost.com"

    @pytest.mark.parametrize("text", ROUND_TRIPS)
    def test_text_comes_back(self, text):
        uri = URI.parse(text)
        assert str(uri) == text
        assert bytes(URI.parse(text.encode())) == text.encode()
        assert str(copy.deepcopy(uri)) == text
        if text == text.lower() and ":05060" not in text:
            assert eval(repr(uri)) == uri

    def test_octets_that_are_no_text_come_back(self):
        assert bytes(URI.parse(b"sip:\xff\xfe@h;p=\xe9")) == b"sip:\xff\xfe@h;p=\xe9"

    def test_the_parts(self):
        uri = URI.parse(b"SIPS:a%20b:pw@Host.Example:5070;transport=tcp;lr?Subject=x")
        assert (uri.scheme, uri.username, uri.password) == ("sips", "a%20b", "pw")
        assert (uri.address, uri.port) == ("Host.Example", 5070)
        assert uri.aor.host is uri.host
        assert dict(uri.parameters) == {"transport": "tcp", "lr": None}
        assert dict(uri.headers) == {"Subject": "x"}
        assert "password='pw'" in repr(uri)

    def test_another_scheme_is_kept_whole(self):
        uri = URI.parse("tel:+1-201-555-0123;phone-context=x")
        assert (uri.scheme, uri.aor) == ("tel", None)
        assert uri.absoluteURIPart == "+1-201-555-0123;phone-context=x"
        assert (uri.username, uri.port, uri.parameters) == (None, None, "")

    @pytest.mark.parametrize(
        ("text", "expected", "position"),
        [
            ("notavalidURI-as-no-protocol-info", "a scheme followed by ':'", 32),
            ("", "a scheme followed by ':'", 0),
            ("1sip:a@b", "a scheme followed by ':'", 0),
            ("sip :a@b", "a scheme followed by ':'", 3),
            ("sip:", HOST, 4),
            ("sip:@host", "a user before '@'", 4),
            ("sip::pw@host", "a user before '@'", 4),
            ("sip:a b@host", "'@', or a character a user may hold", 5),
            ("sip:a%zz@host", "'@', or a character a user may hold", 5),
            ("sip:a@b@c", "';name=value', '?name=value' or the end", 7),
            ("sip:a@", HOST, 6),
            ("sip:a@-b", "a host name without stray '.' or '-'", 6),
            ("sip:a@b..c", "a host name without stray '.' or '-'", 7),
            ("sip:a@b-.c", "a host name without stray '.' or '-'", 7),
            ("sip:a@b-", "a host name without stray '.' or '-'", 7),
            ("sip:a@444.555.666.777", HOST, 6),
            ("sip:a@192.0.02.1", HOST, 6),
            ("sip:a@h:", "a port from 0 to 65535", 8),
            ("sip:a@h:65536", "a port from 0 to 65535", 8),
            ("sip:a@h:" + "9" * 5000, "a port from 0 to 65535", 8),
            ("sip:a@h:50x", "';name=value', '?name=value' or the end", 10),
            ("sip:a@[::1", "']' after an IPv6 address", 10),
            ("sip:a@[1:2]", "an IPv6 address inside '[' and ']'", 6),
            ("sip:a@[]", "an IPv6 address inside '[' and ']'", 6),
            ("sip:a@[2001:db8:::1]", "an IPv6 address inside '[' and ']'", 6),
            ("sip:a@[fe80::1%eth0]", "']' after an IPv6 address", 14),
            ("sip:a@[fe80::1%25eth0]", "']' after an IPv6 address", 14),
            ("sip:a@2001:db8::1", HOST, 6),
            ("sip:a@h%41", "';name=value', '?name=value' or the end", 7),
            ("sip:a@h;=x", "';name=value', '?name=value' or the end", 8),
            ("sip:a@h;x=%", "';name=value', '?name=value' or the end", 10),
            ("sip:a@h?", "';name=value', '?name=value' or the end", 7),
            ("sip:a@h?x", "';name=value', '?name=value' or the end", 7),
            ("sip:a@h\r\nVia: x", "';name=value', '?name=value' or the end", 7),
            ("sip:a@h;p=\u2028", "';name=value', '?name=value' or the end", 10),
            ("sip:a@h;p=\ud800", "';name=value', '?name=value' or the end", 10),
            ("<sip:a@h>", "a scheme followed by ':'", 0),
            ("tel:", "visible characters, others escaped", 4),
            ("tel:1 2", "visible characters, others escaped", 5),
        ],
    )
    def test_an_error_says_what_was_expected_and_where(self, text, expected, position):
        with pytest.raises(ParseError) as caught:
            URI.parse(text)
        assert (caught.value.text, caught.value.what) == (text, "URI")
        assert (caught.value.expected, caught.value.position) == (expected, position)

    def test_only_text_is_text(self):
        with pytest.raises(TypeError, match="str or bytes"):
            URI.parse(None)

    def test_the_old_name(self):
        assert URI.Parse("sip:h") == URI.parse("sip:h")

    def test_what_is_not_whole_cannot_be_written(self):
        for part in (URI(), URI(aor=AOR()), AOR(username="a"), Host(port=5060)):
            with pytest.raises(Incomplete, match="yet"):
                str(part)

    def test_contradictions_cannot_be_written(self):
        tel = URI.parse("tel:+1")
        tel.aor = "a@b"
        with pytest.raises(BuildError, match="neither an aor"):
            str(tel)
        with pytest.raises(BuildError, match="neither an aor"):
            str(URI(absoluteURIPart="x"))
        with pytest.raises(BuildError, match="password without a username"):
            str(AOR(password="x", host="h"))


class TestChanging:
    def test_only_what_changed_is_rewritten(self):
        uri = URI.parse("SIP:%61lice@AtLanta.com:05060;LR;;Transport=TCP;x?A=b&C=d")
        uri.parameters["transport"] = "udp"
        assert str(uri) == "SIP:%61lice@AtLanta.com:05060;LR;;Transport=udp;x?A=b&C=d"
        uri.username = "bob"
        assert str(uri) == "SIP:bob@AtLanta.com:05060;LR;;Transport=udp;x?A=b&C=d"
        uri.port = 5061
        uri.headers["c"] = "e"
        assert str(uri) == "SIP:bob@AtLanta.com:5061;LR;;Transport=udp;x?A=b&C=e"
        uri.scheme = "sips"
        uri.host = "biloxi.com"
        del uri.parameters["X"]
        assert str(uri) == "sips:bob@biloxi.com;LR;;Transport=udp?A=b&C=e"

    def test_delegates(self):
        uri = URI()
        uri.username = "alice"
        uri.address = b"2001:db8::1"
        uri.port = "5062"
        uri.password = "x"
        assert str(uri) == "sip:alice:x@[2001:db8::1]:5062"
        uri.aor = "bob@biloxi.com:5070"
        assert (uri.username, uri.password, uri.address, uri.port) == (
            "bob",
            None,
            "biloxi.com",
            5070,
        )
        uri.port = None
        assert str(uri) == "sip:bob@biloxi.com"

    def test_keywords(self):
        uri = URI(aor__host__address="x.com", aor__username="a", parameters={"lr": None, "ttl": 5})
        assert str(uri) == "sip:a@x.com;lr;ttl=5"
        assert (
            str(URI(username="a", host="h:1", headers="a=b", parameters=";c")) == "sip:a@h:1;c?a=b"
        )
        assert AOR("alice", Host("atlanta.com", 5060)) == AOR.parse("alice@atlanta.com:5060")
        assert str(AOR(address="h", port=7)) == "h:7"

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("username", "j@s0n"),
            ("username", ""),
            ("username", "a b"),
            ("username", "a:b"),
            ("username", "a\r\nVia: x"),
            ("username", "100%"),
            ("password", "a@b"),
            ("address", "a.com:5060"),
            ("address", "a b"),
            ("address", "[::1]:5060"),
            ("address", "fe80::1%eth0"),
            ("address", ""),
            ("address", "a@b"),
            ("host", "h\n"),
            ("port", 65536),
            ("port", -1),
            ("port", "5060x"),
            ("port", ""),
            ("scheme", "s p"),
            ("scheme", "sip:"),
            ("scheme", ""),
            ("aor", "a@b;c"),
            ("aor", "sip:a@b"),
            ("aor", "@b"),
            ("parameters", "a b"),
            ("parameters", ";a?b"),
            ("parameters", {"a;b": "c"}),
            ("headers", "a"),
            ("headers", {"a": "b&c"}),
            ("headers", {"a": None}),
            ("absoluteURIPart", "a b"),
            ("absoluteURIPart", ""),
        ],
    )
    def test_what_cannot_stand_there_is_refused(self, name, value):
        uri = URI.parse("sip:alice:pw@atlanta.com:5060;lr?a=b")
        before = str(uri)
        with pytest.raises((ParseError, BuildError)):
            setattr(uri, name, value)
        assert str(uri) == before

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("port", 1.5),
            ("port", True),
            ("username", 5),
            ("parameters", None),
            ("scheme", None),
            ("aor", 1),
        ],
    )
    def test_a_wrong_type_is_a_type_error(self, name, value):
        with pytest.raises(TypeError):
            setattr(URI.parse("sip:a@b"), name, value)

    def test_values_are_bytes_or_text(self):
        assert Host(b"h.example").address == "h.example"
        assert AOR(b"alice", b"h").username == "alice"
        assert Host("[::1]") == Host("::1")
        assert str(Host("::1")) == "[::1]"

    def test_parts_can_be_bound(self):
        class Phone(ValueBinder):
            def __init__(self):
                self.uri = URI()
                self.contact = URI()
                self.bind("uri.username", "contact.username")

        phone = Phone()
        phone.uri.aor = "alice@atlanta.com"
        assert phone.contact.username == "alice"
        phone.uri = URI.parse("sip:bob@biloxi.com")
        assert phone.contact.username == "bob"


class TestHostAndAOR:
    @pytest.mark.parametrize(
        ("text", "address", "port"),
        [
            ("h", "h", None),
            ("a-b.example:5060", "a-b.example", 5060),
            ("[::1]:5", "::1", 5),
            ("10.0.0.1", "10.0.0.1", None),
        ],
    )
    def test_host(self, text, address, port):
        host = Host.parse(text)
        assert (host.address, host.port, str(host)) == (address, port, text)

    def test_is_ip(self):
        assert Host("::1").is_ip
        assert Host("1.2.3.4").is_ip
        assert not Host("h4").is_ip
        assert not Host().is_ip

    @pytest.mark.parametrize("text", ["alice@atlanta.com", "atlanta.com", "a:b@c:1", "sip:5060"])
    def test_aor(self, text):
        assert str(AOR.parse(text)) == text
        assert bytes(AOR.parse(text.encode())) == text.encode()

    def test_a_scheme_is_no_part_of_an_aor(self):
        with pytest.raises(ParseError, match="an address of record without a scheme"):
            AOR.parse("SIP:alice@atlanta.com")

    def test_what_follows_is_refused_where_it_stands(self):
        with pytest.raises(ParseError) as caught:
            AOR.parse("a@b;c")
        assert caught.value.position == 3
        with pytest.raises(ParseError, match="the end at position 4"):
            Host.parse("h:12x")


class TestFromUserText:
    @pytest.mark.parametrize(
        ("text", "result"),
        [
            (b"alice@atlanta.com", "sip:alice@atlanta.com"),
            (" sip:alice@atlanta.com\n", "sip:alice@atlanta.com"),
            ("sips:alice@atlanta.com", "sips:alice@atlanta.com"),
            ("tel:911", "tel:911"),
            ("urn:service:sos", "urn:service:sos"),
            ("10.0.0.2", "sip:10.0.0.2"),
            ("localhost:5060", "sip:localhost:5060"),
            ("proxy.example:5060;lr", "sip:proxy.example:5060;lr"),
            ("alice:pw@atlanta.com", "sip:alice:pw@atlanta.com"),
            ("[::1]:5060", "sip:[::1]:5060"),
            ("fe80::1", "sip:[fe80::1]"),
            ("alice@[::1]", "sip:alice@[::1]"),
            ("odd:scheme", "odd:scheme"),
            (AOR("alice", "h"), "sip:alice@h"),
        ],
    )
    def test_a_scheme_is_added_where_there_is_none(self, text, result):
        assert str(URI.from_user_text(text)) == result

    def test_a_uri_is_itself(self):
        uri = URI.parse("sip:a@b")
        assert URI.from_user_text(uri) is uri

    def test_what_is_none(self):
        with pytest.raises(ParseError) as caught:
            URI.from_user_text(b" a b")
        assert (caught.value.text, caught.value.position) == (" a b", 2)
        with pytest.raises(TypeError):
            URI.from_user_text(5)


class TestPairs:
    def test_a_mapping_that_keeps_its_text(self):
        parameters = Parameters.parse(";A=1;;b;%63=3")
        assert list(parameters) == ["A", "b", "%63"]
        assert (parameters["a"], parameters["B"], parameters["c"]) == ("1", None, "3")
        assert len(parameters) == 3
        assert "b" in parameters
        assert "d" not in parameters
        assert 5 not in parameters
        assert parameters.text == str(parameters) == ";A=1;;b;%63=3"
        assert repr(parameters) == "';A=1;;b;%63=3'"
        assert bool(parameters)

    def test_changes(self):
        parameters = Parameters()
        parameters["transport"] = "tcp"
        parameters["lr"] = None
        parameters["ttl"] = 5
        parameters["raw"] = b"x"
        assert parameters.text == ";transport=tcp;lr;ttl=5;raw=x"
        del parameters["LR"]
        assert parameters.pop("transport") == "tcp"
        assert parameters.text == ";ttl=5;raw=x"
        parameters.clear()
        assert (parameters.text, bool(parameters)) == ("", False)

    def test_the_lead_may_be_left_out(self):
        assert Parameters.parse("a=1;b").text == ";a=1;b"
        assert Headers.parse("a=1&b=2").text == "?a=1&b=2"
        with pytest.raises(ParseError) as caught:
            Parameters.parse("a b")
        assert caught.value.position == 1

    def test_repeated_names(self):
        headers = Headers.parse("?Route=a&x=y&route=b")
        assert headers["ROUTE"] == "a"
        assert headers.getall("route") == ["a", "b"]
        assert Headers.of(headers) is headers
        assert (list(headers), len(headers)) == (["Route", "x"], 2)
        headers.add("route", "c")
        headers["route"] = "d"
        assert headers.text == "?Route=d&x=y"
        with pytest.raises(KeyError):
            del headers["none"]

    def test_equality(self):
        parameters = Parameters({"a": "1"})
        assert parameters == ";a=1"
        assert parameters == {"a": "1"}
        assert parameters == Parameters.parse("a=1")
        assert parameters != Parameters.parse("A=1")
        assert Parameters() == ""
        assert Parameters() != Headers()
        assert copy.deepcopy(parameters) == parameters
        with pytest.raises(TypeError):
            hash(parameters)

    @pytest.mark.parametrize("name", ["", "a=b", "a;b", "a b", "a\n", 5, "%", "a?"])
    def test_a_name_that_cannot_be(self, name):
        parameters = Parameters({"keep": "1"})
        with pytest.raises(BuildError, match="cannot be the name"):
            parameters[name] = "x"
        with pytest.raises((KeyError, BuildError)):
            del parameters[name]
        assert parameters.text == ";keep=1"

    @pytest.mark.parametrize(
        "value", ["a;b", "a?b", "a b", "\r\n", "%4", "<", '"', "@", True, 1.5, object()]
    )
    def test_a_value_that_cannot_be(self, value):
        parameters = Parameters({"keep": "1"})
        for name in ("keep", "new"):
            with pytest.raises(BuildError, match="cannot be the value"):
                parameters[name] = value
        assert parameters.text == ";keep=1"


class TestEscapes:
    @pytest.mark.parametrize("part", ["user", "password", "parameter", "header"])
    def test_what_is_escaped_can_stand_there(self, part):
        said = "".join(map(chr, range(300))) + "\udcff€"
        text = escape(said, part)
        assert unescape(text) == said
        uri = URI.parse("sip:a@b")
        if part in ("user", "password"):
            setattr(uri, "username" if part == "user" else part, text)
        else:
            pairs = uri.parameters if part == "parameter" else uri.headers
            pairs[text] = text
        assert URI.parse(str(uri)) == uri
        assert text.isascii()

    def test_only_what_must_be(self):
        assert escape("j@s0n") == "j%40s0n"
        assert escape("+1;a=b?c/d") == "+1;a=b?c/d"
        assert escape("next meeting?", "header") == "next%20meeting?"
        with pytest.raises(ValueError, match="'host' is no part"):
            escape("x", "host")


# RFC 3261 §19.1.4, each set in turn; RFC 5954 §4.2.
EQUIVALENT = [
    ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"),
    (
        "sip:carol@chicago.com",
        "sip:carol@chicago.com;newparam=5",
        "sip:carol@chicago.com;security=on",
    ),
    (
        "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
        "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
    ),
    (
        "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
        "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
    ),
    ("sip:bob@[::ffff:192.0.2.128]", "sip:bob@[::ffff:c000:280]"),
    ("sip:bob@[2001:db8::9:1]", "sip:bob@[2001:db8::9:01]"),
    ("sip:bob@[0:0:0:0:0:FFFF:129.144.52.38]", "sip:bob@[::FFFF:129.144.52.38]"),
    # Not the RFC's, but by its rules.
    ("sip:u@[2001:db8:::192.0.2.1]", "sip:u@[2001:db8::192.0.2.1]"),
    ("sip:a@b:05060", "SIP:a@B:5060"),
    ("sip:a%3bb@h", "sip:a%3Bb@h"),
    ("sip:h;%74tl=5", "sip:h;TTL=5"),
    ("sip:z%C3%ABo@h", "sip:zëo@h"),
    ("sip:a%23@h", "sip:a#@h"),
    ("tel:+1", "TEL:+1"),
    ("sip:a@h?a=1&a=2", "sip:a@h?A=2&A=1"),
]
NOT_EQUIVALENT = [
    ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
    ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
    ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
    ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
    # Not the RFC's examples, but its rules.
    ("sip:a@h", "sips:a@h"),
    ("sip:a@h", "sip:h"),
    ("sip:a@h", "sip:a:pw@h"),
    ("sip:a@h", "sip:a:@h"),
    ("sip:a:pw@h", "sip:a:PW@h"),
    ("sip:a@h", "sip:a@h;user=ip"),
    ("sip:a@h", "sip:a@h;ttl=1"),
    ("sip:a@h", "sip:a@h;method=INVITE"),
    ("sip:a@h", "sip:a@h;maddr=h"),
    ("sip:a@h;method=INVITE", "sip:a@h;method=invite"),
    ("sip:a@h;lr", "sip:a@h;lr=on"),
    ("sip:a;b@h", "sip:a%3Bb@h"),
    ("sip:a%2541@h", "sip:a%41@h"),
    ("sip:a@h?a=1&a=1", "sip:a@h?a=1"),
    ("sip:a@h?Call-ID=x", "sip:a@h?Call-ID=X"),
    ("tel:+1", "tel:+2"),
    ("tel:h", "sip:h"),
    ("urn:service:sos", "urn:service:SOS"),
]


class TestEquivalent:
    @pytest.mark.parametrize("texts", EQUIVALENT)
    def test_equivalent(self, texts):
        uris = [URI.parse(text) for text in texts]
        for one, other in itertools.product(uris, uris):
            assert one.equivalent(other)

    @pytest.mark.parametrize(("one", "other"), NOT_EQUIVALENT)
    def test_not_equivalent(self, one, other):
        one, other = URI.parse(one), URI.parse(other)
        assert not one.equivalent(other)
        assert not other.equivalent(one)

    def test_it_is_not_plain_equality(self):
        one, other = URI.parse("sip:a@H"), URI.parse("sip:a@h")
        assert one.equivalent(other)
        assert one != other

    def test_unwhole_ones(self):
        assert URI().equivalent(URI())
        assert not URI().equivalent(URI.parse("sip:h"))
        assert not URI(scheme="tel").equivalent(URI.parse("tel:1"))
