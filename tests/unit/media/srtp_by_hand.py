"""SRTP written out from its documents, on the ciphers of another library: what ours is held to.

Key derivation is RFC 3711 section 4.3 (as section 11 of RFC 7714 has it too), counter mode with
HMAC-SHA1 sections 4.1.1 and 4.2, GCM RFC 7714 sections 8 and 9.
"""

import hashlib
import hmac

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM


def keystream(key, start, size):
    """Counter mode from a first block on."""
    made = Cipher(algorithms.AES(key), modes.CTR(start)).encryptor()
    return made.update(bytes(size)) + made.finalize()


def derive(key, salt, label, size):
    """A session key of a master key, derived once."""
    salt = salt.ljust(14, b"\0")
    start = int.from_bytes(salt, "big") ^ (label << 48)
    return keystream(key, (start << 16).to_bytes(16, "big"), size)


def session_keys(master, key, salt, control):
    """The keys for encryption, salt and authentication."""
    label = 3 * control
    secret, grain = master[:key], master[key:]
    sizes = ((0, key), (2, salt), (1, 20))
    return [derive(secret, grain, label + which, size) for which, size in sizes]


def counter_start(salt, ssrc, index):
    value = (int.from_bytes(salt, "big") << 16) ^ (ssrc << 64) ^ (index << 16)
    return value.to_bytes(16, "big")


def gcm_iv(salt, ssrc, index):
    return (int.from_bytes(salt, "big") ^ (ssrc << 48) ^ index).to_bytes(12, "big")


def mixed(a, b):
    return bytes(x ^ y for x, y in zip(a, b, strict=True))


def seal(name, keys, packet, roc=0):
    """SRTP of an RTP packet of 12 octets of header, by session keys; without a tag of HMAC."""
    key, salt, _ = keys
    head, payload = packet[:12], packet[12:]
    ssrc = int.from_bytes(head[8:12], "big")
    index = (roc << 16) | int.from_bytes(head[2:4], "big")
    if "GCM" in name:
        return head + AESGCM(key).encrypt(gcm_iv(salt, ssrc, index), payload, head)
    return head + mixed(payload, keystream(key, counter_start(salt, ssrc, index), len(payload)))


def seal_rtcp(name, keys, packet, index):
    """SRTCP of an RTCP packet, by session keys; without a tag of HMAC."""
    key, salt, _ = keys
    head, payload = packet[:8], packet[8:]
    ssrc = int.from_bytes(head[4:8], "big")
    word = (1 << 31 | index).to_bytes(4, "big")
    if "GCM" in name:
        return head + AESGCM(key).encrypt(gcm_iv(salt, ssrc, index), payload, head + word) + word
    stream = keystream(key, counter_start(salt, ssrc, index), len(payload))
    return head + mixed(payload, stream) + word


def protect(suite, master, packet, roc=0):
    """SRTP of an RTP packet of 12 octets of header."""
    keys = session_keys(master, suite.key, suite.salt, control=False)
    sealed = seal(suite.name, keys, packet, roc)
    if "GCM" in suite.name:
        return sealed
    tag = hmac.new(keys[2], sealed + roc.to_bytes(4, "big"), hashlib.sha1).digest()
    return sealed + tag[: suite.tags[0]]


def protect_rtcp(suite, master, packet, index):
    """SRTCP of an RTCP packet."""
    keys = session_keys(master, suite.key, suite.salt, control=True)
    sealed = seal_rtcp(suite.name, keys, packet, index)
    if "GCM" in suite.name:
        return sealed
    return sealed + hmac.new(keys[2], sealed, hashlib.sha1).digest()[:10]
