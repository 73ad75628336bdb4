"""Digest responses that nobody in this project computed.

The folder is named by SIPPARTY_CORPORA; without it, `../shared/corpora` beside the checkout is
tried. Where there is none the tests skip, saying so.
"""

from __future__ import annotations

import csv
import os
from pathlib import Path

import pytest

from sipparty.sip.auth import Challenge, Credentials, DigestClient, digest_response, hash_username

CHECKOUT = Path(__file__).resolve().parents[2]
CORPORA = Path(os.environ.get("SIPPARTY_CORPORA", "../shared/corpora"))
VECTORS = (CHECKOUT / CORPORA / "vectors" / "digest-rfc-vectors.csv").resolve()

pytestmark = pytest.mark.skipif(
    not VECTORS.is_file(), reason=f"no vectors at {VECTORS}: set SIPPARTY_CORPORA"
)


def rows():
    if not VECTORS.is_file():
        return [{}]
    with VECTORS.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


ARGUMENTS = (
    "algorithm", "username", "realm", "password", "method", "uri", "nonce", "nc", "cnonce", "qop",
)  # fmt: skip


@pytest.mark.parametrize(
    "row", rows(), ids=lambda row: f"{row.get('source')}-{row.get('algorithm')}"
)
def test_the_response_is_the_vector_s(row):
    assert digest_response(**{name: row[name] for name in ARGUMENTS}) == row["expected_response"]


@pytest.mark.parametrize(
    "row", rows(), ids=lambda row: f"{row.get('source')}-{row.get('algorithm')}"
)
def test_the_client_sends_it(row):
    client = DigestClient(
        {row["realm"]: (row["username"], row["password"])}, tokens=lambda: row["cnonce"]
    )
    challenge = Challenge(
        {name: row[name] for name in ("realm", "nonce", "qop", "algorithm")} | {"charset": "utf-8"}
    )
    ((name, value),) = client.exchange(row["method"], row["uri"]).challenged(www=[str(challenge)])
    credentials = Credentials.parse(value)
    assert name == "Authorization"
    assert credentials.response == row["expected_response"]
    assert (credentials.nc, credentials.cnonce) == (row["nc"], row["cnonce"])
    assert credentials.username == row["username"]


def test_the_hash_of_a_user_name():
    # RFC 7616 §3.9.2 prints a truncated SHA-512 for what should be SHA-512/256.
    assert hash_username("SHA-512-256", "J\u00e4s\u00f8n Doe", "api@example.org") == (
        "793263caabb707a56211940d90411ea4a575adeccb7e360aeb624ed06ece9b0b"
    )
