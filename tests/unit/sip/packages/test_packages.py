"""What all packages have in common: they read what the RFCs show, and nothing that harms."""

import random
from pathlib import Path

import pytest

from sipparty.errors import BuildError, ParseError, UsageError
from sipparty.sip.notification.package import PACKAGES, Body, EventPackage, find_package
from sipparty.sip.packages import Presence
from sipparty.sip.packages.document import MAX_BYTES, MAX_DEPTH, MAX_ELEMENTS, MAX_NAMESPACE

BODIES = sorted((Path(__file__).parent / "bodies").glob("*.xml"))
BY_RFC = {"3863": "presence", "4235": "dialog", "3680": "reg", "4575": "conference"}
XML = [("presence", "presence", "urn:ietf:params:xml:ns:pidf")]
XML += [("dialog", "dialog-info", "urn:ietf:params:xml:ns:dialog-info")]
XML += [("reg", "reginfo", "urn:ietf:params:xml:ns:reginfo")]
XML += [("conference", "conference-info", "urn:ietf:params:xml:ns:conference-info")]

every_body = pytest.mark.parametrize("path", BODIES, ids=lambda path: path.stem)
every_xml = pytest.mark.parametrize(("name", "root", "namespace"), XML)


def package_of(path):
    return find_package(BY_RFC[path.stem[3:7]])


def read(package, body):
    return package.parse(body, package.accepts[0])


def test_there_are_bodies_of_each_rfc():
    assert {path.stem[3:7] for path in BODIES} == set(BY_RFC)


@every_body
def test_the_bodies_of_the_rfcs_are_read_and_written_again(path):
    package = package_of(path)
    state = read(package, path.read_bytes())
    assert read(package, package.build(state)) == state


@every_body
def test_whatever_is_changed_in_them_only_a_parse_error_comes_out(path):
    chance, body, package = random.Random(path.stem), path.read_bytes(), package_of(path)
    for _ in range(60):
        data = bytearray(body)
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(data))
            what = chance.randrange(3)
            if what == 0:
                data[at] = chance.randrange(256)
            elif what == 1:
                del data[at : at + chance.randint(1, 40)]
            else:
                data[at:at] = data[: chance.randint(0, 60)]
        try:
            state = read(package, bytes(data))
        except ParseError:
            continue
        assert read(package, package.build(state)) == state


@every_body
def test_what_is_cut_short_is_refused(path):
    package, body = package_of(path), path.read_bytes().strip()
    for length in range(0, len(body) - 1, 7):
        with pytest.raises(ParseError):
            read(package, body[:length])


@every_xml
def test_a_document_type_is_refused(name, root, namespace):
    body = (
        f'<!DOCTYPE {root}><{root} xmlns="{namespace}" entity="sip:a@b" version="0" state="full"/>'
    )
    package = find_package(name)
    with pytest.raises(ParseError, match="document type"):
        read(package, body.encode())
    with pytest.raises(ParseError, match="document type"):
        read(package, body.encode("utf-16"))
    read(package, body.partition(">")[2].encode())


@every_xml
def test_entities_are_neither_expanded_nor_fetched(name, root, namespace):
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 9))
    for subset in (f'<!ENTITY l0 "lol">{laughs}', '<!ENTITY l8 SYSTEM "file:///etc/passwd">'):
        body = f'<?xml version="1.0"?><!DOCTYPE a [{subset}]>'
        body += f'<{root} xmlns="{namespace}" entity="&l8;"/>'
        with pytest.raises(ParseError, match="document type"):
            read(find_package(name), body.encode())


@every_xml
def test_what_is_read_is_bounded(name, root, namespace):
    package = find_package(name)
    head = f'<{root} xmlns="{namespace}" entity="sip:a@b" version="0" state="full">'
    many = head + "<x/>" * MAX_ELEMENTS + f"</{root}>"
    deep = head + "<x>" * MAX_DEPTH + "</x>" * MAX_DEPTH + f"</{root}>"
    # Those that have ended do not make room for deeper ones.
    beside = head + "<x/>" * 99 + "<x>" * MAX_DEPTH + "</x>" * MAX_DEPTH + f"</{root}>"
    for body in (many, deep, beside):
        with pytest.raises(ParseError, match="too many elements"):
            read(package, body.encode())
    with pytest.raises(ParseError, match="no more than"):
        read(package, b" " * (MAX_BYTES + 1))
    # Each element and attribute has the name of its namespace: of a long one memory would be full.
    long = f'<{root} xmlns="{"n" * (MAX_NAMESPACE + 1)}" xmlns:p="urn:p">'
    with pytest.raises(ParseError, match="too long a name"):
        read(package, f"{long}<x/></{root}>".encode())
    long = f'<{root} xmlns="{namespace}" xmlns:p="{"n" * (MAX_NAMESPACE + 1)}" p:a="" p:b=""/>'
    with pytest.raises(ParseError, match="too long a name"):
        read(package, long.encode())
    read(package, f"{head}{'<x>' * (MAX_DEPTH - 2)}{'</x>' * (MAX_DEPTH - 2)}</{root}>".encode())


@every_xml
def test_another_root_or_namespace_is_refused(name, root, namespace):
    package = find_package(name)
    for body in (
        f'<{root} entity="sip:a@b"/>',
        f'<{root} xmlns="urn:x" entity="sip:a@b"/>',
        f'<other xmlns="{namespace}" entity="sip:a@b"/>',
        "",
        "\0",
        '<?xml version="1.0" encoding="nonsense"?><a/>',
    ):
        with pytest.raises(ParseError):
            read(package, body.encode())


def test_what_xml_cannot_have_is_not_written():
    with pytest.raises(BuildError, match="cannot stand in XML"):
        find_package("presence").build(Presence.of("sip:a@b", True, "\0"))


def test_what_people_write_is_escaped():
    package = find_package("presence")
    state = Presence.of("sip:a&b@c", True, '<note> & "quotes"')
    assert read(package, package.build(state)) == state


# -------------------------------------------------------------------- finding packages


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_is_found_by_name_class_and_instance(name):
    package = find_package(name)
    assert package.name == name
    assert find_package(type(package)).name == name
    assert find_package(package) is package
    assert package.accepts


def test_one_that_is_only_known_by_name_gives_bodies():
    package = find_package("humidity", "text/plain", "text/html")
    assert (package.name, package.accepts) == ("humidity", ("text/plain", "text/html"))
    assert package.parse(b"damp", "text/html") == Body("text/html", b"damp")
    assert package.build(Body("text/html", b"damp")) == b"damp"


def test_what_is_no_package_is_said():
    with pytest.raises(UsageError, match="not known here"):
        find_package("humidity")
    with pytest.raises(TypeError, match="name or an EventPackage"):
        find_package(7)
    with pytest.raises(UsageError, match="has no name"):
        find_package(EventPackage)
    with pytest.raises(UsageError, match="expected a token"):
        type("Bad", (EventPackage,), {"name": "two words"})
