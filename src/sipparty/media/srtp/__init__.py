"""Secure media: SRTP and SRTCP, with keys in a=crypto.

suites             the crypto suites
transport          `SecureTransport`, on top of another one
crypto_attribute   one a=crypto attribute, from text and back
sdes               offering, choosing and renewing keys
settings           what a session asks for: `SRTP`
"""

__all__: list[str] = []
