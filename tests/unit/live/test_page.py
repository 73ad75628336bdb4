"""The page: what is refused, what is sent, and that nothing of it is left."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator
from typing import Any, Self
from urllib.parse import urlsplit

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from sipparty.errors import ListenError
from sipparty.live.model import LiveModel
from sipparty.live.page import LivePage

from .records import CALL, request


class Records:
    """A source of records that are there."""

    title, trouble = "<b>alice</b>", ""

    def __init__(self, *records: Any) -> None:
        self.records = list(records)
        self.open = 0

    def __enter__(self) -> Self:
        self.open += 1
        return self

    def __exit__(self, *_: object) -> None:
        self.open -= 1

    def update(self, model: LiveModel) -> None:
        while self.records:
            model.add([self.records.pop(0)])

    def hang_up(self, call_id: str) -> bool:
        return False


@pytest.fixture
def page() -> Iterator[LivePage]:
    with LivePage(Records(*CALL), interval=0.01) as made:
        yield made


def get(page: LivePage, path: str, **headers: str) -> tuple[int, str, Any]:
    """Ask for something, with these headers in place of those that belong there."""
    where = urlsplit(page.url)
    connection = http.client.HTTPConnection(where.netloc, timeout=10)
    connection.putrequest("GET", path, skip_host="host" in headers)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    return answer.status, body, answer.headers


def token(page: LivePage) -> str:
    return urlsplit(page.url).query


def live(page: LivePage, **options: Any) -> Any:
    where = urlsplit(page.url)
    return connect(f"ws://{where.netloc}/live?{where.query}", **options)


def test_the_page(page: LivePage) -> None:
    status, body, headers = get(page, f"/?{token(page)}")
    assert status == 200
    assert body.startswith("<!doctype html>")
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert headers["Cache-Control"] == "no-store"
    assert headers["Referrer-Policy"] == "no-referrer"
    nonce = headers["Content-Security-Policy"].partition("'nonce-")[2].partition("'")[0]
    assert f'<script nonce="{nonce}">' in body
    assert token(page) not in body
    assert token(page) not in repr(page)


@pytest.mark.parametrize(
    "path", ["/", "/?token=", "/?token=wrong", "/live", "/other", "/?token=%FF"]
)
def test_without_its_token_it_is_refused_in_words(page: LivePage, path: str) -> None:
    status, body, _ = get(page, path)
    assert status == 403
    assert body == (
        "This page needs its token: open the whole address that was printed, with ?token=.\n"
    )


def test_a_path_that_is_none_is_refused_too(
    page: LivePage, caplog: pytest.LogCaptureFixture
) -> None:
    port = urlsplit(page.url).port
    for path in (b"//[", b"/?token=\xff", b"/?token=%00", b"*"):
        with socket.create_connection(("127.0.0.1", port)) as asking:
            asking.sendall(b"GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n" % (path, port))
            answer = asking.recv(100)
            assert not answer or answer.startswith(b"HTTP/1.1 403 ")
    assert "failed" not in caplog.text


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1", "127.0.0.1:1", ""]
)
def test_by_another_name_it_is_refused(page: LivePage, host: str) -> None:
    status, body, _ = get(page, f"/?{token(page)}", host=host)
    assert status == 403
    assert body.startswith("This page answers to http://127.0.0.1:")


def test_it_is_localhost_too(page: LivePage) -> None:
    port = urlsplit(page.url).port
    assert get(page, f"/?{token(page)}", host=f"localhost:{port}")[0] == 200


def test_there_is_nothing_else(page: LivePage) -> None:
    assert get(page, f"/favicon.ico?{token(page)}")[0] == 404


def test_a_socket_of_another_site_is_refused(page: LivePage) -> None:
    with pytest.raises(InvalidStatus) as error, live(page, origin="http://evil.example"):
        pass
    assert error.value.response.status_code == 403
    assert b"other sites" in error.value.response.body
    for origin in (page.url.partition("/?")[0], None):
        with live(page, origin=origin) as told:
            assert told.recv(timeout=10)


def test_calls_are_sent_and_the_one_that_is_asked_for(page: LivePage) -> None:
    with live(page) as told:
        first = json.loads(told.recv(timeout=10))
        assert (first["title"], first["trouble"]) == ("<b>alice</b>", "")
        (row,) = first["calls"]
        assert row == {
            "id": "call-1",
            "method": "INVITE",
            "caller": "alice@atlanta.com",
            "time": 2,
            "callee": "bob:***@biloxi.com",
            "phase": "answered",
            "state": "answered",
            "mos": 3.9,
            "over": False,
        }
        for nonsense in ("{", "[]", '{"show": 3}', '{"show": "unknown"}'):
            told.send(nonsense)
        told.send(json.dumps({"show": "call-1"}))
        shown = json.loads(told.recv(timeout=10))["shown"]
        assert "180 Ringing" in shown["ladder"]
        assert ">MOS<" in shown["quality"]
        assert [machine["state"] for machine in shown["machines"]] == ["InDialog"]
        assert "<svg" in shown["machines"][0]["svg"]


def test_a_call_is_asked_for_whatever_its_call_id() -> None:
    with (
        LivePage(Records(request(call="\udcff\x1b<b>")), interval=0.01) as page,
        live(page) as told,
    ):
        name = json.loads(told.recv(timeout=10))["calls"][0]["id"]
        assert name.isprintable()
        told.send(json.dumps({"show": name}))
        assert json.loads(told.recv(timeout=10))["shown"]["id"] == name


def test_what_changes_is_sent_again() -> None:
    source = Records(*CALL)
    with LivePage(source, interval=0.01) as page, live(page) as told:
        told.recv(timeout=10)
        source.records.append(request("BYE", 200.0))
        row = json.loads(told.recv(timeout=10))["calls"][0]
        assert (row["phase"], row["time"]) == ("ended", 97)


def test_an_update_that_fails_does_not_end_it(caplog: pytest.LogCaptureFixture) -> None:
    source = Records(None, *CALL)
    with LivePage(source, interval=0.01) as page, live(page) as told:
        while not json.loads(told.recv(timeout=10))["calls"]:
            pass
    assert "could not be brought up to date" in caplog.text


def test_a_port_that_is_taken() -> None:
    source = Records()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ListenError, match=f"The page cannot listen on port {port}"):
            LivePage(source, port)
    assert source.open == 0


def test_closing_ends_what_is_open(page: LivePage) -> None:
    with live(page) as told:
        told.recv(timeout=10)
        page.close()
        page.close()
    with pytest.raises(ConnectionRefusedError):
        get(page, "/")


def test_addresses_differ() -> None:
    with LivePage(Records()) as one, LivePage(Records()) as other:
        assert token(one) != token(other)
        assert get(one, f"/?{token(other)}")[0] == 403
