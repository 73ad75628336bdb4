"""Pieces that the parsers know: keywords, names, delimiters."""

from __future__ import annotations

__all__ = ["AUTH_WORDS", "RTP_WORDS", "SDP_WORDS", "SIP_WORDS"]


SIP_WORDS = tuple(
    b"INVITE ACK BYE CANCEL OPTIONS REGISTER SIP/2.0 sip: sips: tel: Via: v: From: f: To: t: "
    b"Call-ID: i: CSeq: Contact: m: Route: Record-Route: Content-Length: l: Content-Type: c: "
    b"Max-Forwards: Expires: Require: Supported: k: Allow: Authorization: Date: Event: o: "
    b"Session-Expires: x: Refer-To: r: Reason: Subject: s: Warning: WWW-Authenticate: "
    b"application/sdp multipart/mixed;boundary=x z9hG4bK ;branch= ;tag= ;lr ;transport=tcp "
    b";received= ;rport ;maddr= ;ttl= ;user=phone ;method= ;q=0.5 ;expires=".split()
)
SDP_WORDS = tuple(
    b"v=0 o= s= i= u= e= p= c=IN b=AS:64 t=0 r= z= k= a= m=audio m=video RTP/AVP RTP/SAVPF IP4 IP6 "
    b"a=rtpmap: a=fmtp: a=ptime: a=rtcp: a=rtcp-mux a=sendrecv a=sendonly a=recvonly a=inactive "
    b"a=crypto:1 a=candidate: PCMU/8000 telephone-event/8000 opus/48000/2 udptl t38 -1h 7d "
    b"/127/3".split()
)
AUTH_WORDS = tuple(
    b'Digest Basic Negotiate realm= nonce= qop="auth,auth-int" nc=00000001 cnonce= uri= response= '
    b"algorithm=MD5-sess algorithm=SHA-512-256 opaque= stale=true userhash=true username= "
    b"username*=UTF-8'' nextnonce= rspauth= charset=UTF-8 domain=".split()
)
RTP_WORDS = (
    b"\x80\x00", b"\xb0\x60", b"\xbe\xde", b"\x10\x00", b"\x80\xc8\x00\x06", b"\x81\xc9\x00\x07",
    b"\x81\xca", b"\x81\xcb", b"\x81\xcc", b"\x81\xcd", b"\x81\xce", b"\xa0\xc9\x00\x01",
    b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x01\x03abc",
)  # fmt: skip
