"""Laws of the object-graph rooms, tried on values nobody chose."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sipparty.deepclass import Attribute, DeepClass
from sipparty.errors import ParseError
from sipparty.sip.components import AOR, URI, Headers, Host, Parameters, escape, unescape
from sipparty.sip.uri_parameters import normal
from sipparty.vb import ValueBinder

# URIs

labels = st.from_regex(r"[a-zA-Z]([a-zA-Z0-9-]{0,6}[a-zA-Z0-9])?", fullmatch=True)
hosts = st.one_of(
    st.lists(labels, min_size=1, max_size=3).map(".".join),
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map(lambda address: f"[{address}]"),
)
ports = st.one_of(st.just(""), st.integers(0, 65535).map(":{}".format), st.just(":0005060"))
words = st.text(min_size=1, max_size=8)
users = st.one_of(
    st.just(""),
    st.from_regex(r"[a-zA-Z0-9_.!~*'()&=+$,;?/#-]{1,12}(:[a-z&=+$,]{0,5})?@", fullmatch=True),
    words.map(lambda word: escape(word) + "@"),
)
names = words.map(lambda word: escape(word, "parameter"))
parameters = st.lists(
    st.one_of(st.just(""), names, st.builds("{}={}".format, names, st.one_of(st.just(""), names))),
    max_size=4,
).map(lambda items: "".join(f";{item}" for item in items))
headers = st.lists(
    st.builds(
        "{}={}".format,
        words.map(lambda word: escape(word, "header")),
        st.text(max_size=6).map(lambda word: escape(word, "header")),
    ),
    max_size=3,
).map(lambda items: "?" + "&".join(items) if items else "")
schemes = st.sampled_from(["sip:", "sips:", "SIP:", "Sips:"])
uris = st.tuples(schemes, users, hosts, ports, parameters, headers).map("".join)

#: Text that is nearly a URI more often than not.
nearly = st.one_of(
    st.text(max_size=40),
    st.text(alphabet="sip:@[]%.;?=&-1af0 \r\n\udcff\u2028", max_size=30),
    st.builds(
        lambda uri, at, text: uri[: at % (len(uri) + 1)] + text + uri[at % (len(uri) + 1) :],
        uris,
        st.integers(0, 100),
        st.text(max_size=2),
    ),
)


@given(uris)
def test_a_uri_is_written_as_it_was_read(text):
    uri = URI.parse(text)
    assert str(uri) == text
    assert URI.parse(bytes(uri)) == uri
    assert uri.equivalent(uri)
    assert str(uri.copy()) == text


@given(uris, words)
def test_changing_one_part_leaves_the_others(text, word):
    uri = URI.parse(text)
    before = [uri.host.copy(), uri.password, uri.parameters.text, uri.headers.text]
    uri.username = escape(word)
    again = URI.parse(str(uri))
    assert unescape(again.username) == word
    assert [again.host, again.password, again.parameters.text, again.headers.text] == before


@given(uris, words, words)
def test_a_parameter_that_is_set_is_there_and_the_others_stay(text, name, value):
    uri = URI.parse(text)
    name, value = escape(name, "parameter"), escape(value, "parameter")

    def others(uri: URI) -> list[tuple[str, str | None]]:
        return [pair for pair in uri.parameters.pairs() if normal(pair[0]).lower() != key]

    key = normal(name).lower()
    before = others(uri)
    uri.parameters[name] = value
    again = URI.parse(str(uri))
    assert again.parameters[name] == value
    assert others(again) == before
    del again.parameters[name]
    assert name not in again.parameters
    assert others(again) == before


def attempt(read: Callable[[Any], Any], text: str | bytes) -> Any:
    """What is read, or the `ParseError`, having checked that it speaks of a place in the text."""
    try:
        return read(text)
    except ParseError as error:
        refusal = error
    assert refusal.position is None or 0 <= refusal.position <= len(text)
    assert str(refusal)
    return refusal


@given(nearly)
def test_only_parse_errors_come_out_and_what_is_taken_comes_back(text):
    for cls in (URI, AOR, Host):
        for given_text in (text, text.encode("utf-8", "surrogatepass")):
            read = attempt(cls.parse, given_text)
            assert isinstance(read, ParseError) or given_text in (str(read), bytes(read))
    for cls in (Parameters, Headers):
        read = attempt(cls.parse, text)
        assert isinstance(read, ParseError) or read.text.endswith(text)
    read = attempt(URI.from_user_text, text)
    assert isinstance(read, ParseError) or URI.parse(str(read)) == read


@given(st.binary(max_size=40))
def test_any_octets(data):
    read = attempt(URI.parse, b"sip:" + data)
    assert isinstance(read, ParseError) or bytes(read) == b"sip:" + data


@given(st.text())
def test_escapes_are_undone(text):
    text = text.encode("utf-8", "replace").decode()
    for part in ("user", "password", "parameter", "header"):
        assert unescape(escape(text, part)) == text


# Object graphs


class Leaf(DeepClass):
    value = Attribute()
    items = Attribute(list, factory=list)


class Branch(DeepClass):
    left = Attribute(Leaf)
    right = Attribute(Leaf)
    name = Attribute(str, default="x", hide_default=True)


class Tree(DeepClass):
    top = Attribute(Branch)
    leaf = Attribute(Leaf)


values = st.one_of(st.none(), st.integers(), st.text(max_size=3))
keywords = st.dictionaries(
    st.sampled_from(
        [
            "top__left__value",
            "top__left__items",
            "top__right__value",
            "top__name",
            "leaf__value",
            "leaf__items",
        ]
    ),
    values,
).map(
    lambda given: {
        key: [value] if key.endswith("items") else str(value) if key.endswith("name") else value
        for key, value in given.items()
    }
)


@given(keywords, keywords)
def test_graphs_copy_compare_and_read_back(given_keywords, others):
    tree = Tree(**given_keywords)
    for key, value in given_keywords.items():
        found = tree
        for name in key.split("__"):
            found = found and getattr(found, name)
        assert found == value
    twin = copy.deepcopy(tree)
    assert twin == tree
    assert repr(twin) == repr(tree)
    assert eval(repr(tree)) == tree
    if (other := Tree(**others)) == tree:
        assert repr(other) == repr(tree)
    if twin.leaf is not None:
        twin.leaf.items.append("more")
        assert twin != tree


# Bindings

NAMES = "abcd"


class Node(ValueBinder):
    def __init__(self, **values: object) -> None:
        self.__dict__.update(values)


def path_of(number: int) -> str:
    """Four attributes of the root, four of its child."""
    return NAMES[number] if number < 4 else f"child.{NAMES[number - 4]}"


class Model:
    """The laws of `bind` written naively: one dict, and a queue of what changed."""

    def __init__(self, values: dict[str, int | None]) -> None:
        self.values = values
        self.edges: list[tuple[str, str]] = []

    def set(self, path: str, value: int | None) -> None:
        self.values[path] = value
        changed = [path]
        while changed:
            source = changed.pop(0)
            for start, end in self.edges:
                if start == source and self.values[end] != self.values[start]:
                    self.values[end] = self.values[start]
                    changed.append(end)


operations = st.one_of(
    st.tuples(st.just("set"), st.integers(0, 7), st.one_of(st.none(), st.integers(0, 5))),
    # One-way bindings go upwards only, so that they make no circle of their own.
    st.tuples(st.just("bind"), st.integers(0, 7), st.integers(0, 7)),
    st.tuples(st.just("both"), st.integers(0, 7), st.integers(0, 7)),
    st.tuples(st.just("unbind"), st.integers(0, 30), st.none()),
)


@given(st.lists(operations, max_size=30))
def test_bindings_agree_with_a_naive_model(steps):
    root = Node(child=Node(**dict.fromkeys(NAMES)), **dict.fromkeys(NAMES))
    paths = [path_of(number) for number in range(8)]
    model = Model(dict.fromkeys(paths))

    def read() -> dict[str, int | None]:
        return {p: getattr(root.child if "." in p else root, p[-1]) for p in paths}

    for step, first, second in steps:
        if step == "set":
            path = path_of(first)
            setattr(root.child if "." in path else root, path[-1], second)
            model.set(path, second)
        elif step == "unbind":
            if model.edges:
                source, target = model.edges[first % len(model.edges)]
                both = root.__dict__["_vb_links"][source, target].reverse is not None
                root.unbind(source, target)
                model.edges.remove((source, target))
                if both:
                    model.edges.remove((target, source))
        elif first < second:
            source, target = path_of(first), path_of(second)
            new = [(source, target)] if step == "bind" else [(source, target), (target, source)]
            if not set(new) & set(model.edges):
                (root.bind if step == "bind" else root.bind_both)(source, target)
                model.edges += new
                start, end = new[0] if model.values[source] is not None else new[-1]
                if model.values[start] is not None and model.values[end] != model.values[start]:
                    model.set(end, model.values[start])
        assert read() == model.values
    assert root.bindings() == model.edges


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 9)), max_size=12))
def test_whatever_is_replaced_on_the_way_the_ends_agree(steps):
    root = Node(way=Node(way=Node(value=0)), got=None)
    root.bind("way.way.value", "got")
    for depth, value in steps:
        if depth == 0:
            root.way = Node(way=Node(value=value))
        elif depth == 1:
            root.way.way = Node(value=value)
        else:
            root.way.way.value = value
        assert root.got == root.way.way.value == value
