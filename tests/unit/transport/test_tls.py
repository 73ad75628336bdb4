"""TLS without connections: whom a certificate is for, files, and what is said of a failure."""

import ssl

import pytest

from sipparty.errors import TransportError
from sipparty.transport.tls import (
    TLSConfig,
    TLSError,
    certificate_names,
    check_certificate,
    describe_failure,
)

# -------------------------------------------------------------------- names


def names(*alternatives, subject=()):
    group = tuple((("commonName", name),) for name in subject)
    return certificate_names({"subjectAltName": alternatives, "subject": group})


URI = "URI"
DNS = "DNS"


@pytest.mark.parametrize(
    ("alternatives", "subject", "found"),
    [
        # RFC 5922 §7.1: a sip: URI is an identity, in any case, without port and parameters ...
        ([(URI, "sip:biloxi.com")], (), ["biloxi.com"]),
        ([(URI, "SIP:Biloxi.COM.")], (), ["biloxi.com"]),
        ([(URI, "sip:biloxi.com:5061;transport=tls?x=y")], (), ["biloxi.com"]),
        ([(URI, "sip:biloxi.com"), (URI, "sip:a.com")], (), ["biloxi.com", "a.com"]),
        ([(URI, "sip:[2001:db8:0::1]:5061")], (), ["2001:db8::1"]),
        # ... one with a user is not, nor is one of another scheme ...
        ([(URI, "sip:bob@biloxi.com")], (), []),
        ([(URI, "sips:biloxi.com"), (URI, "https://biloxi.com")], (), []),
        # ... and where there is an identity, DNS names are none.
        ([(DNS, "Biloxi.com")], (), ["biloxi.com"]),
        ([(DNS, "biloxi.com"), (URI, "sip:a.com")], (), ["a.com"]),
        ([(DNS, "biloxi.com"), (URI, "sip:bob@a.com")], (), ["biloxi.com"]),
        ([(DNS, "biloxi.com"), (URI, "https://a.com")], (), ["biloxi.com"]),
        # The common name counts where there are no alternative names at all.
        ([], ("Biloxi.com",), ["biloxi.com"]),
        ([(DNS, "a.com")], ("biloxi.com",), ["a.com"]),
        ([("email", "bob@biloxi.com")], ("biloxi.com",), []),
        # Addresses are theirs, as Python writes them.
        ([("IP Address", "192.0.2.1")], (), ["192.0.2.1"]),
        ([("IP Address", "2001:DB8:0:0:0:0:0:1")], (), ["2001:db8::1"]),
        ([("IP Address", "192.0.2.1"), (URI, "sip:a.com")], (), ["a.com", "192.0.2.1"]),
    ],
)
def test_whom_a_certificate_is_for(alternatives, subject, found):
    assert names(*alternatives, subject=subject) == found


def test_a_certificate_without_anything():
    assert certificate_names({}) == []


@pytest.mark.parametrize(
    ("found", "name"),
    [
        ("biloxi.com", "biloxi.com"),
        ("biloxi.com", "BILOXI.com."),
        ("*.biloxi.com", "*.biloxi.com"),
        ("xn--bcher-kva.example", "bücher.example"),
        ("2001:db8:0::1", "2001:db8::1"),
    ],
)
def test_names_that_match(found, name):
    kind = "IP Address" if ":" in found else DNS
    check_certificate({"subjectAltName": ((kind, found),)}, name)


@pytest.mark.parametrize(
    ("found", "name", "sentence"),
    [
        # RFC 5922 §7.2: neither suffixes nor wildcards.
        ("biloxi.com", "sip.biloxi.com", "it is for biloxi.com."),
        ("sip.biloxi.com", "biloxi.com", "it is for sip.biloxi.com."),
        (".biloxi.com", "sip.biloxi.com", "it is for .biloxi.com."),
        (
            "*.biloxi.com",
            "sip.biloxi.com",
            "it is for *.biloxi.com; in SIP a wildcard stands for no name.",
        ),
    ],
)
def test_names_that_do_not_match(found, name, sentence):
    with pytest.raises(TLSError) as raised:
        check_certificate({"subjectAltName": ((DNS, found),)}, name)
    assert str(raised.value) == f"The certificate is not for {name}: {sentence}"


def test_no_certificate_and_one_for_nobody():
    for nothing in (None, {}):
        with pytest.raises(TLSError, match=r"^biloxi\.com showed no certificate\.$"):
            check_certificate(nothing, "biloxi.com")
    with pytest.raises(TLSError, match=r": it is for nobody\.$"):
        check_certificate({"subjectAltName": (("email", "x"),)}, "biloxi.com")
    many = {"subjectAltName": tuple((DNS, f"{n}.com") for n in range(9))}
    with pytest.raises(TLSError, match=r": it is for 0\.com, .*, 4\.com, \.\.\.\.$"):
        check_certificate(many, "biloxi.com")


# -------------------------------------------------------------------- configuration


def test_to_listen_takes_a_certificate():
    with pytest.raises(TLSError, match="none is configured"):
        TLSConfig().server_context()


def test_contexts_are_made_once_and_take_nothing_below_1_2(authority):
    config = TLSConfig(authority.issue("biloxi.com"))
    contexts = [config.server_context(), config.client_context()]
    contexts.append(config.client_context(check_hostname=True))
    again = [config.server_context(), config.client_context()]
    assert again == contexts[:2]
    assert len(set(map(id, contexts))) == 3
    for context in contexts:
        assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert [context.verify_mode for context in contexts] == [
        ssl.CERT_NONE,
        ssl.CERT_REQUIRED,
        ssl.CERT_REQUIRED,
    ]
    assert config == TLSConfig(config.certificate)
    careless = TLSConfig(verify=False)
    assert careless.client_context().verify_mode == ssl.CERT_NONE
    assert careless.client_context(check_hostname=True) is careless.client_context()


def test_the_password_of_a_key(authority):
    path = authority.issue("biloxi.com", password="zanzibar")
    config = TLSConfig(path, password="zanzibar")
    assert config.server_context()
    assert "zanzibar" not in repr(config)
    with pytest.raises(TLSError, match=r"cannot be used: the key has a password\.$"):
        TLSConfig(path).server_context()
    with pytest.raises(TLSError, match=r"cannot be used: the password is wrong\.$"):
        TLSConfig(path, password="mombasa").server_context()


def test_files_that_cannot_be_used(authority, tmp_path):
    good, other = authority.issue("biloxi.com"), authority.issue("biloxi.com")
    text, none = tmp_path / "text.pem", tmp_path / "none.pem"
    text.write_text("hello")
    cases = [
        (TLSConfig(none), f"The certificate {none} cannot be used: no such file or directory."),
        (TLSConfig(text), f"The certificate {text} cannot be used: there is no PEM text where"),
        (
            TLSConfig(good, other),
            f"The certificate {good} with the key {other} cannot be used: the key is not the",
        ),
        (
            TLSConfig(good, authorities=none),
            f"The authorities in {none} cannot be used: no such file or directory.",
        ),
        (
            TLSConfig(good, authorities=text),
            f"The authorities in {text} cannot be used: there is no certificate in it.",
        ),
        (
            TLSConfig(good, key_log=tmp_path / "no" / "such"),
            f"The key log {tmp_path / 'no' / 'such'} cannot be written: no such file",
        ),
    ]
    for config, sentence in cases:
        with pytest.raises(TLSError) as raised:
            config.server_context()
        assert str(raised.value).startswith(sentence)
        assert isinstance(raised.value, TransportError)


def test_a_folder_of_authorities(authority, tmp_path):
    context = TLSConfig(authorities=tmp_path).client_context()
    assert context.cert_store_stats()["x509_ca"] == 0


def test_every_reason_is_a_clause():
    def error(kind, **attributes):
        made = kind(1, "[SSL] text (_ssl.c:1000)")
        for name, value in attributes.items():
            setattr(made, name, value)
        return made

    cases = [
        (error(ssl.SSLError, reason="WRONG_VERSION_NUMBER"), "the other side does not speak TLS"),
        (error(ssl.SSLError, reason="SOMETHING_NEW"), "something new"),
        (error(ssl.SSLError, reason=None), "text"),
        (ssl.SSLError(), "TLS failed"),
        (ConnectionRefusedError(111, "Connect call failed ('x', 1)"), "connection refused"),
        (OSError("Gone."), "gone"),
        (ConnectionResetError(), "connectionreseterror"),
    ]
    for given, words in cases:
        assert describe_failure(given).startswith(words)
