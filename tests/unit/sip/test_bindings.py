"""Bindings as 2xx responses to REGISTER list them."""

import pytest

from sipparty.sip import Message
from sipparty.sip.bindings import Binding, bindings_of, lifetime, values_of
from sipparty.sip.values import DNameURI

OWN = '<sip:bob@10.0.0.1>;+sip.instance="<urn:uuid:AB>";reg-id=1'


def response(*lines):
    head = [
        "SIP/2.0 200 OK",
        "Via: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK1",
        "From: <sip:bob@biloxi.com>;tag=1",
        "To: <sip:bob@biloxi.com>;tag=2",
        "Call-ID: c1",
        "CSeq: 1 REGISTER",
    ]
    return Message.parse("\r\n".join([*head, *lines, "Content-Length: 0", "", ""]).encode())


def of(text):
    return Binding.of(DNameURI.parse(text))


def test_all_that_a_contact_says_is_read():
    binding = of(
        '"Bob" <sip:bob@10.0.0.1;transport=tcp>;q=0.5;expires=60;+sip.instance="<urn:uuid:1>"'
        ';reg-id=2;pub-gruu="sip:bob@biloxi.com;gr=1";temp-gruu="sip:x@biloxi.com;gr"'
    )
    assert binding.uri == "sip:bob@10.0.0.1;transport=tcp"
    assert (binding.q, binding.expires) == (0.5, 60.0)
    assert (binding.instance, binding.reg_id) == ("urn:uuid:1", 2)
    assert binding.public_gruu == "sip:bob@biloxi.com;gr=1"
    assert binding.temporary_gruu == "sip:x@biloxi.com;gr"
    assert binding.value.display_name == "Bob"


def test_what_it_does_not_say_is_none():
    binding = of("<sip:bob@10.0.0.1>")
    assert binding.replace(value=None, uri="") == Binding("", *[None] * 7)


@pytest.mark.parametrize(
    ("parameter", "attribute", "value"),
    [
        ("expires=soon", "expires", 3600.0),
        ("expires=-1", "expires", 3600.0),
        ("expires=", "expires", 3600.0),
        ("expires=٣", "expires", 3600.0),
        (f"expires={2**40}", "expires", 2.0**32 - 1),
        (f"expires={2**32 - 2}", "expires", 2.0**32 - 2),
        ("q=high", "q", None),
        ("q=2", "q", 1.0),
        ("q=-1", "q", 0.0),
        ("q=nan", "q", None),
        ("reg-id=x", "reg_id", None),
        ("reg-id", "reg_id", None),
        ("reg-id=" + "9" * 5000, "reg_id", None),
        ("reg-id=٣", "reg_id", None),
        ("pub-gruu", "public_gruu", None),
        # It would be the Contact of all that we send.
        ('pub-gruu="x"', "public_gruu", None),
        ('pub-gruu="sip:bob@biloxi.com>;evil=\\"1"', "public_gruu", None),
        ('temp-gruu="urn:x:y"', "temporary_gruu", None),
        ("+sip.instance", "instance", None),
    ],
)
def test_what_cannot_be_read(parameter, attribute, value):
    assert getattr(of(f"<sip:bob@10.0.0.1>;{parameter}"), attribute) == value


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (OWN, True),
        (OWN.replace("10.0.0.1", "192.0.2.1"), True),  # RFC 5626 §6: the URI does not count
        (OWN.replace("AB", "ab"), True),
        (OWN.replace("reg-id=1", "reg-id=2"), False),
        (OWN.replace("AB", "CD"), False),
        ("<sip:bob@10.0.0.1>", True),
        ("<sip:bob@10.0.0.1>;reg-id=2", True),
        ("<sip:%62ob@10.0.0.1>;expires=5", True),
        ("<sip:bob@10.0.0.1;transport=tcp>", False),
        ("<sip:carol@10.0.0.1>", False),
        ("<sip:bob@10.0.0.1:5060>", False),
        ("<tel:+1>", False),
        ("<:>", False),
    ],
)
def test_which_is_ones_own(other, same):
    assert of(other).is_at(DNameURI.parse(OWN)) is same


def test_those_that_are_malformed_are_left_out_and_the_rest_is_read():
    found = bindings_of(response("Contact: <sip:a@b.com, x", "Contact: <sip:e@f.com>"))
    assert [one.uri for one in found] == ["sip:e@f.com"]


def test_no_more_are_read_than_somebody_needs():
    found = bindings_of(response(*["Contact: <sip:a@b.com>, <sip:c@d.com>"] * 100))
    assert len(found) == 64
    assert len(values_of(response(*["Path: <sip:a@b.com;lr>"] * 100), "Path")) == 64


@pytest.mark.parametrize(
    ("lines", "seconds"),
    [
        (["Contact: <sip:a@b.com>;expires=7, <sip:c@d.com>;expires=5"], 5),
        (["Contact: <sip:a@b.com>;expires=7", "Expires: 9"], 7),
        (["Contact: <sip:a@b.com>;expires=7, <sip:c@d.com>", "Expires: 6"], 6),
        (["Contact: <sip:x@y.com>;expires=1"], 100),
        (["Expires: 3"], 3),
        (["Expires: x"], 3600),
        (["Expires: " + "9" * 5000], 2**32 - 1),
        ([], 100),
    ],
)
def test_the_lifetime_is_that_of_the_first_to_expire(lines, seconds):
    own = [DNameURI.parse("<sip:a@b.com>"), DNameURI.parse("<sip:c@d.com>")]
    assert lifetime(response(*lines), own, 100.0) == seconds
