"""TLS for SIP: contexts, and whether a certificate is for the name that was asked for (RFC 5922).

Laws:

* A peer that we connect to has to prove its name, unless `verify=False` says otherwise, aloud.
* A certificate is for a SIP domain if a `sip:` URI among its subject alternative names is that
  domain, or, where there is no such URI, a DNS name is; only where it has no alternative names at
  all does its common name count (RFC 5922 §7.1). No wildcard matches (§7.2).
* A certificate is for a host of secure WebSockets by the rules of HTTPS, with wildcards and without
  the `sip:` URIs (RFC 7118 §9.1): OpenSSL knows these.
* An IP address is proved by an address among the alternative names. RFC 5922 knows no such
  identity; without it a URI with a numeric host could not be reached.
* Nothing below TLS 1.2.
* What is wrong with a certificate is said in a sentence. Nothing ever asks at a terminal.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import re
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from sipparty.errors import TransportError

__all__ = ["TLSConfig", "TLSError", "certificate_names", "check_certificate", "describe_failure"]

#: What a context is for: accepting; connecting by RFC 5922's names; connecting by those of HTTPS.
_Use = Literal["server", "sip", "https"]

#: OpenSSL's verdicts on a certificate (`X509_V_ERR_...`), as the end of a sentence.
_VERDICTS = {
    9: "it is not valid yet",
    10: "it has expired",
    18: "it is self-signed, and not among the authorities that are trusted",
    19: "its authority is not among those that are trusted",
    20: "its authority is not among those that are trusted",
    21: "its authority is not among those that are trusted, or a certificate in between is missing",
    22: "there are too many certificates between it and an authority",
    23: "it was revoked",
    24: "one of those that vouch for it is not an authority",
    26: "it is not meant for this end of a connection",
    62: "it is not for that name",
    64: "it is not for that address",
    66: "its key is too weak",
    68: "its signature is too weak",
}

#: OpenSSL's reasons, as clauses. An ALERT is what the other side said.
_REASONS = {
    "WRONG_VERSION_NUMBER": "the other side does not speak TLS there",
    "RECORD_LAYER_FAILURE": "the other side does not speak TLS there",
    "HTTP_REQUEST": "the other side does not speak TLS there, but HTTP",
    "UNEXPECTED_EOF_WHILE_READING": "the connection was closed without a word",
    "UNSUPPORTED_PROTOCOL": "the two sides have no version of TLS in common; 1.2 is the least",
    "NO_PROTOCOLS_AVAILABLE": "the two sides have no version of TLS in common; 1.2 is the least",
    "TLSV1_ALERT_PROTOCOL_VERSION": "the two sides have no version of TLS in common;"
    " 1.2 is the least",
    "NO_SHARED_CIPHER": "the two sides have no cipher in common",
    "SSLV3_ALERT_HANDSHAKE_FAILURE": "the two sides do not agree on ciphers or certificates",
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "the other side showed no certificate",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "the other side asks for a certificate of ours",
    "TLSV1_ALERT_UNKNOWN_CA": "the other side does not trust the authority of our certificate",
    "SSLV3_ALERT_BAD_CERTIFICATE": "the other side does not accept our certificate",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": "the other side does not accept our certificate",
    "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE": "the other side does not accept our certificate",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "the other side says that our certificate has expired",
    "SSLV3_ALERT_CERTIFICATE_REVOKED": "the other side says that our certificate was revoked",
    "TLSV1_UNRECOGNIZED_NAME": "the other side has no certificate for that name",
    # Of files.
    "KEY_VALUES_MISMATCH": "the key is not the certificate's",
    "KEY_TYPE_MISMATCH": "the key is not the certificate's",
    "NO_START_LINE": "there is no PEM text where it should be",
    "PEM_LIB": "there is no PEM text where it should be",
    "NO_CERTIFICATE_OR_CRL_FOUND": "there is no certificate in it",
    "BAD_DECRYPT": "the key's password is wrong",
    "EE_KEY_TOO_SMALL": "the key is too weak",
    "CA_MD_TOO_WEAK": "a signature is too weak",
}


class TLSError(TransportError):
    """A certificate or key is wrong, or does not prove what it should."""


@dataclass(slots=True)
class TLSConfig:
    """Certificates and what is asked of the peer's.

    Args:
        certificate: A PEM file with our certificate and those between it and the root; None for a
            party that only connects.
        key: The PEM file with its private key; None where it is in `certificate`.
        authorities: A PEM file of the authorities to trust, or a folder of them with names as
            OpenSSL hashes them; None for the system's.
        verify: Whether the peers that we connect to have to prove their name.
        ask_client: Whether peers that connect to us have to show a certificate of an authority that
            we trust.
        key_log: A file that session keys are appended to, so that a capture can be read. Whoever
            has the file can read the traffic; it is made readable for its owner alone.
        password: The password of the key, where it is encrypted.
    """

    certificate: str | Path | None = None
    key: str | Path | None = None
    authorities: str | Path | None = None
    verify: bool = True
    ask_client: bool = False
    key_log: str | Path | None = None
    password: str | None = field(default=None, repr=False)
    _contexts: dict[_Use, ssl.SSLContext] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def server_context(self) -> ssl.SSLContext:
        """Return the context for accepting; made once.

        Raises:
            TLSError: There is no certificate, or it, its key or the authorities cannot be used.
        """
        if self.certificate is None:
            raise TLSError("Listening on TLS takes a certificate: none is configured.")
        return self._context("server")

    def client_context(self, *, check_hostname: bool = False) -> ssl.SSLContext:
        """Return the context for connecting; made once of each kind.

        Args:
            check_hostname: Whether the name is checked within the handshake, by the rules of HTTPS;
                else `check_certificate` is to be called after it.

        Raises:
            TLSError: The certificate, its key or the authorities cannot be used.
        """
        return self._context("https" if check_hostname and self.verify else "sip")

    def reload(self) -> None:
        """Read the certificate, the key and the authorities again, for connections from here on.

        An authority that is no longer there stays trusted by what listens already.

        Raises:
            TLSError: They cannot be used; the old ones stay.
        """
        self._load(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
        for context in self._contexts.values():
            self._load(context)

    def _context(self, use: _Use) -> ssl.SSLContext:
        context = self._contexts.get(use)
        if context is None:
            context = self._contexts[use] = self._make(use)
        return context

    def _make(self, use: _Use) -> ssl.SSLContext:
        if use == "server":
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            asked, purpose = self.ask_client, ssl.Purpose.CLIENT_AUTH
        else:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            asked, purpose = self.verify, ssl.Purpose.SERVER_AUTH
            context.check_hostname = use == "https"
        context.verify_mode = ssl.CERT_REQUIRED if asked else ssl.CERT_NONE
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        # A peer must not have us do the costly part over and over.
        context.options |= getattr(ssl, "OP_NO_RENEGOTIATION", 0)
        self._load(context)
        if asked and self.authorities is None:
            _load_system_authorities(context, purpose)
        if self.key_log is not None:
            try:
                os.close(os.open(self.key_log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600))
                context.keylog_filename = str(self.key_log)
            except OSError as error:
                raise TLSError(
                    f"The key log {self.key_log} cannot be written: {_words(error)}."
                ) from error
        return context

    def _load(self, context: ssl.SSLContext) -> None:
        """Have a context use the files as they are now."""
        authorities = self.authorities
        if authorities is not None:
            try:
                if Path(authorities).is_dir():
                    context.load_verify_locations(capath=authorities)
                else:
                    context.load_verify_locations(cafile=authorities)
            except OSError as error:
                raise TLSError(
                    f"The authorities in {authorities} cannot be used: {_words(error)}."
                ) from error
        if self.certificate is None:
            return
        asked = False

        def password() -> str:
            nonlocal asked
            asked = True
            return self.password or ""

        files = str(self.certificate) + (f" with the key {self.key}" if self.key else "")
        try:
            # Without a function for it, OpenSSL would ask at the terminal.
            context.load_cert_chain(self.certificate, self.key, password)
        except OSError as error:
            reason = _words(error)
            if asked:
                reason = "the password is wrong" if self.password else "the key has a password"
            raise TLSError(f"The certificate {files} cannot be used: {reason}.") from error


def _load_system_authorities(context: ssl.SSLContext, purpose: ssl.Purpose) -> None:
    """Have a context trust the system's authorities.

    Raises:
        TLSError: They are there, and cannot be read just now. OpenSSL would say nothing, and the
            context would trust nobody for as long as it is kept.
    """
    file = ssl.get_default_verify_paths().cafile
    try:
        if file is not None:
            os.close(os.open(file, os.O_RDONLY))
    except OSError as error:
        raise TLSError(
            f"The system's authorities in {file} cannot be used: {_words(error)}."
        ) from error
    context.load_default_certs(purpose)


def certificate_names(certificate: dict[str, Any]) -> list[str]:
    """Return the SIP identities of a certificate (RFC 5922 §7.1), and the IP addresses in it.

    Args:
        certificate: What `ssl.SSLObject.getpeercert()` gives.

    Returns:
        Names in lower case without the final dot, and addresses in their canonical form.
    """
    alternatives: tuple[tuple[str, str], ...] = certificate.get("subjectAltName", ())
    uris = [value[4:] for kind, value in alternatives if kind == "URI" and _is_sip(value)]
    # A URI with a user part names a person, not a domain.
    names = [_host(uri) for uri in uris if "@" not in uri]
    if not names:
        names = [value for kind, value in alternatives if kind == "DNS"]
    names += [value for kind, value in alternatives if kind == "IP Address"]
    if not alternatives:
        for group in certificate.get("subject", ()):
            names += [value for kind, value in group if kind == "commonName"]
    return [_normal(name) for name in names]


def check_certificate(certificate: dict[str, Any] | None, server_name: str) -> None:
    """Check that a certificate is for a SIP domain or an IP address (RFC 5922 §7.2, §7.3).

    Args:
        certificate: What `ssl.SSLObject.getpeercert()` gives after it was verified.
        server_name: The host of the URI, before anything was looked up.

    Raises:
        TLSError: It is not; the message says what it is for.
    """
    if not certificate:
        raise TLSError(f"{server_name} showed no certificate.")
    names = certificate_names(certificate)
    wanted = _normal(server_name)
    # Whole and literally: a wildcard stands for itself (§7.2).
    if wanted not in names:
        shown = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "") or "nobody"
        hint = ""
        if f"*.{wanted.partition('.')[2]}" in names:
            hint = "; in SIP a wildcard stands for no name"
        raise TLSError(f"The certificate is not for {server_name}: it is for {shown}{hint}.")


def describe_failure(error: BaseException) -> str:
    """Say why a connection failed: a clause in lower case, without a full stop."""
    if isinstance(error, ssl.SSLCertVerificationError):
        # Python's own check of names has no verdict of OpenSSL's.
        words = _VERDICTS.get(getattr(error, "verify_code", 0)) or error.verify_message
        return f"the certificate is not accepted: {str(words).rstrip('.')}"
    return _words(error)


def _words(error: BaseException) -> str:
    if isinstance(error, ssl.SSLError):
        # Some have a text alone: "[SSL] PEM lib (_ssl.c:4149)".
        text = str(error.args[-1]) if error.args else ""
        text = re.sub(r"^\[.*?\] *| *\(_ssl\.c:\d+\)$", "", text)
        reason = getattr(error, "reason", None) or text.upper().replace(" ", "_")
        return _REASONS.get(reason) or reason.replace("_", " ").lower() or "TLS failed"
    if isinstance(error, OSError) and error.errno is not None and error.errno > 0:
        # Not `strerror`: asyncio puts addresses there.
        return os.strerror(error.errno).lower()
    return (str(error) or type(error).__name__).rstrip(".").lower()


def _is_sip(uri: str) -> bool:
    return uri[:4].lower() == "sip:"


def _host(uri: str) -> str:
    """Return the host of what follows `sip:` in a URI without a user part."""
    uri = uri.partition("?")[0].partition(";")[0]
    if uri.startswith("["):
        return uri[1:].partition("]")[0]
    return uri.partition(":")[0]


def _normal(name: str) -> str:
    """Return the form in which names and addresses are compared."""
    with contextlib.suppress(ValueError):
        return str(ipaddress.ip_address(name))
    if not name.isascii():
        # RFC 5280 §7.2: international names are in certificates as ASCII.
        with contextlib.suppress(UnicodeError):
            name = name.encode("idna").decode()
    return name.rstrip(".").lower()
