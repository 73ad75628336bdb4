"""An authority of a test run's own, and a certificate by it for the loopback addresses."""

from __future__ import annotations

import datetime
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

__all__ = ["Certificates"]


@dataclass(frozen=True)
class Certificates:
    """Files in PEM.

    Args:
        authority: The authority's certificate.
        certificate: One by it for 127.0.0.1, ::1 and localhost.
        key: Its private key.
        both: The certificate and its key in one file.
    """

    authority: Path
    certificate: Path
    key: Path
    both: Path

    @classmethod
    def make(cls, folder: Path) -> Certificates:
        """Make them in a folder."""
        root, own = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        authority = _sign("Interop authority", root, "Interop authority", root, None)
        names = x509.SubjectAlternativeName(
            [
                x509.DNSName("localhost"),
                x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
                x509.IPAddress(ipaddress.ip_address("::1")),
            ]
        )
        certificate = _sign("localhost", own, "Interop authority", root, names)
        key = own.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        made = cls(
            *(folder / f"{name}.pem" for name in ("authority", "certificate", "key", "both"))
        )
        made.authority.write_bytes(authority)
        made.certificate.write_bytes(certificate)
        made.key.write_bytes(key)
        made.both.write_bytes(certificate + key)
        return made


def _sign(
    subject: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: str,
    issuer_key: ec.EllipticCurvePrivateKey,
    names: x509.SubjectAlternativeName | None,
) -> bytes:
    now = datetime.datetime.now(datetime.UTC)
    day = datetime.timedelta(days=1)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - day)
        .not_valid_after(now + day)
        .add_extension(x509.BasicConstraints(ca=names is None, path_length=None), critical=True)
    )
    if names is not None:
        builder = builder.add_extension(names, critical=False)
    certificate = builder.sign(issuer_key, hashes.SHA256())
    return certificate.public_bytes(serialization.Encoding.PEM)
