"""What header fields, methods and status codes mean, in a sentence each.

Where a header is defined is in `sipparty.sip.headers`; here is what it says to a reader.
"""

from __future__ import annotations

from typing import Final

from sipparty.sip.headers import HEADERS, header_key

__all__ = ["Meaning", "header_meaning", "method_meaning", "status_meaning"]

#: A sentence, and where it is defined ("RFC 3261 §20.10"); "" where that is not known.
Meaning = tuple[str, str]

_HEADERS: Final = {
    "accept": "The kinds of body that the sender takes in the answer.",
    "accept-contact": "The features of the devices that the caller would like to reach.",
    "accept-encoding": "The encodings of a body that the sender takes.",
    "accept-language": "The languages that the sender would like texts in.",
    "accept-resource-priority": "The priorities that the server can give.",
    "alert-info": "Another ring tone, or ringback tone.",
    "allow": "The methods that the sender takes.",
    "allow-events": "The event packages that the sender can be subscribed to.",
    "answer-mode": "Whether the call may be answered without the callee doing anything.",
    "authentication-info": "What the server says after it took the credentials.",
    "authorization": "The credentials for a user agent or registrar that has challenged with 401.",
    "call-id": "The name of the call: the same in all messages of a dialog, or of a registration.",
    "call-info": "More about the caller or the callee, such as a picture or a card.",
    "contact": "Where the sender itself is reached: the next requests of the dialog go there.",
    "content-disposition": "What the body is for, such as a session or an icon.",
    "content-encoding": "How the body is compressed.",
    "content-id": "A name by which headers refer to the body.",
    "content-language": "The language of the body.",
    "content-length": "The length of the body, in bytes.",
    "content-type": "What kind of body follows.",
    "cseq": "The number of the request, which puts requests in order, and its method.",
    "date": "When the message was first sent.",
    "diversion": "Who the call was for before it was forwarded, and why.",
    "error-info": "More about the error.",
    "event": "The event package that a subscription or notification is of.",
    "expires": "After how many seconds the request, registration or subscription lapses.",
    "feature-caps": "What proxies and others on the way can do.",
    "flow-timer": "Seconds after which the server takes a silent flow for dead.",
    "from": "Who sends the request; the tag is the sender's half of the dialog's name.",
    "geolocation": "Where the caller is, or where that can be read.",
    "geolocation-error": "Why a location was of no use.",
    "geolocation-routing": "Whether proxies may route by the location.",
    "history-info": "The targets that the request was sent to before this one.",
    "identity": "A signature of who calls whom (STIR).",
    "in-reply-to": "The Call-IDs of the calls that this one returns.",
    "info-package": "What the body of the INFO is.",
    "join": "The dialog that this call wants to join.",
    "max-breadth": "How many branches a proxy may fork the request into at a time.",
    "max-forwards": "How many more proxies may forward the request.",
    "mime-version": "The version of MIME that the body follows.",
    "min-expires": "The shortest lifetime, in seconds, that the server takes.",
    "min-se": "The shortest session interval, in seconds, that is taken.",
    "organization": "The organization of the sender.",
    "p-access-network-info": "The access network of the sender, in mobile networks.",
    "p-asserted-identity": "Who the sender is, as a trusted network says.",
    "p-asserted-service": "The service asked for, as a trusted network says.",
    "p-associated-uri": "The other addresses of the user, as the registrar lists them.",
    "p-called-party-id": "The address that was called, where the Request-URI was changed.",
    "p-charging-function-addresses": "Where charging records go.",
    "p-charging-vector": "What ties charging records together.",
    "p-early-media": "Which way early media may flow.",
    "p-preferred-identity": "Which of its identities the sender would like asserted.",
    "p-preferred-service": "The service that the sender asks for.",
    "p-visited-network-id": "The network that the user is in.",
    "path": "The proxies that requests to the registered contact have to visit.",
    "priority": "How urgent the request is, to a person.",
    "priv-answer-mode": "As Answer-Mode, of a caller with special rights.",
    "privacy": "What of the caller is to be hidden.",
    "proxy-authenticate": "A proxy's challenge: what credentials have to answer.",
    "proxy-authentication-info": "What the proxy says after it took the credentials.",
    "proxy-authorization": "The credentials for a proxy that has challenged with 407.",
    "proxy-require": "The extensions that proxies must support.",
    "rack": "The provisional response that a PRACK acknowledges: its RSeq and CSeq.",
    "reason": "Why the request was sent, such as the cause by which a call ended.",
    "record-route": "A proxy that wants to stay on the way of the dialog's requests.",
    "recv-info": "The info packages that the sender takes.",
    "refer-sub": "Whether a REFER makes a subscription.",
    "refer-to": "Who the receiver of a REFER is to contact.",
    "referred-by": "Who asked for the transfer.",
    "reject-contact": "The features of the devices that the caller would not like to reach.",
    "replaces": "The dialog that this call is to take the place of.",
    "reply-to": "Where a return call should go.",
    "request-disposition": "How the caller wants proxies to treat the request.",
    "require": "The extensions that the receiver must support; else it answers 420.",
    "resource-priority": "The priority of the call where resources are scarce.",
    "retry-after": "Seconds after which to try again.",
    "route": "The proxies that the request still has to visit, the next one first.",
    "rseq": "The number of a reliable provisional response, for the PRACK.",
    "security-client": "The security mechanisms that the client has.",
    "security-server": "The security mechanisms that the server has.",
    "security-verify": "The server's list repeated, so that nobody can have shortened it.",
    "server": "The software of the server.",
    "service-route": "The proxies that the user's further requests are to visit.",
    "session-expires": "When the session lapses, in seconds, and who refreshes it.",
    "session-id": "A name of the session that stays the same end to end.",
    "sip-etag": "The name of the state that was published.",
    "sip-if-match": "The published state that is refreshed, changed or removed.",
    "subject": "What the call is about.",
    "subscription-state": "Whether the subscription stands, for how long, or why it ended.",
    "supported": "The extensions that the sender supports.",
    "suppress-if-match": "The state that the subscriber has already.",
    "target-dialog": "A dialog that both have, which shows that the sender may ask.",
    "timestamp": "When the request was sent, so that the round trip is known.",
    "to": "Who the request is for; the tag is the receiver's half of the dialog's name.",
    "unsupported": "The extensions asked for that are not supported.",
    "user-agent": "The software of the sender.",
    "user-to-user": "Data from the one user to the other.",
    "via": "Where the response is sent back to; the branch names the transaction.",
    "warning": "More about why, in words.",
    "www-authenticate": "A server's challenge: what credentials have to answer.",
}  # fmt: skip

#: Headers of other networks and times, which `sipparty.sip.headers` does not have.
_OTHERS: Final = {
    "alert-msg-error": ("Why an emergency alert was not taken.", "RFC 8876"),
    "identity-info": ("Where the certificate for Identity is, as info is now.", "RFC 4474 §9"),
    "p-answer-state": ("Whether the callee itself has answered, or a server for it.", "RFC 4964"),
    "p-charge-info": ("Who is to be charged.", "RFC 8496 §5"),
    "p-media-authorization": ("What the network is shown to be given bandwidth.", "RFC 3313"),
    "p-private-network-indication": ("The private network that the call is of.", "RFC 7316"),
    "p-profile-key": ("The key of a profile in the user database.", "RFC 5002 §5"),
    "p-refused-uri-list": ("The addresses that a list server has refused.", "RFC 5318"),
    "p-served-user": ("The user that an application server is asked to serve.", "RFC 5502"),
    "p-user-database": ("The server that has the user's data.", "RFC 4457"),
    "permission-missing": ("The recipients that have not given consent.", "RFC 5360 §5.9.3"),
    "policy-contact": ("The server that says what sessions may be.", "RFC 6794 §4.4.5"),
    "policy-id": ("The policy server that was asked for the session.", "RFC 6794 §4.4.5"),
    "remote-party-id": ("Who the sender is, before P-Asserted-Identity.", "draft-ietf-sip-privacy"),
    "trigger-consent": ("Where the recipients are asked for their consent.", "RFC 5360 §5.11.2"),
}  # fmt: skip

_METHODS: Final = {
    "INVITE": ("starts a call, or changes one", "RFC 3261 §13, §14"),
    "ACK": ("confirms the final response to an INVITE", "RFC 3261 §13.2.2.4, §17.1.1.3"),
    "BYE": ("ends a call", "RFC 3261 §15"),
    "CANCEL": ("withdraws an INVITE that was not answered yet", "RFC 3261 §9"),
    "REGISTER": ("tells a registrar where a user is reached", "RFC 3261 §10"),
    "OPTIONS": ("asks what the other side can do", "RFC 3261 §11"),
    "PRACK": ("acknowledges a reliable provisional response", "RFC 3262 §6"),
    "UPDATE": ("changes a session, before or after the answer", "RFC 3311 §5"),
    "INFO": ("carries what an application says during a call", "RFC 6086 §4"),
    "SUBSCRIBE": ("asks to be notified of events", "RFC 6665 §4.1"),
    "NOTIFY": ("reports an event to a subscriber", "RFC 6665 §4.2"),
    "PUBLISH": ("gives a server the state that it reports to subscribers", "RFC 3903 §4"),
    "REFER": ("asks the other side to contact a third one", "RFC 3515 §2"),
    "MESSAGE": ("carries an instant message", "RFC 3428 §4"),
}  # fmt: skip

_CLASSES: Final = {
    1: "provisional: the request was received, and the final answer is still to come",
    2: "success",
    3: "redirection: try elsewhere",
    4: "failure: not this request, as it is, at this server",
    5: "failure of the server, though the request may be right",
    6: "failure everywhere: no server will take it",
}

_STATUSES: Final = {
    100: "the next hop has the request and works on it, so it is not sent again",
    180: "the callee is being alerted",
    181: "the call is being forwarded",
    182: "the call waits in a queue",
    183: "the call progresses; often with early media",
    199: "an early dialog has ended, the call goes on elsewhere",
    200: "it succeeded",
    202: "it was accepted, and is still to be done",
    204: "the state is the one that the subscriber has",
    300: "there are several places to try: Contact lists them",
    301: "the user has moved for good: Contact says where",
    302: "the user is elsewhere for now: Contact says where",
    305: "the request has to go through the proxy in Contact",
    380: "the call failed, another service may do: the body says which",
    400: "the request is malformed",
    401: "the user agent or registrar wants credentials: send it again with Authorization",
    402: "payment is required",
    403: "understood, and refused: credentials will not help",
    404: "there is no such user at this domain",
    405: "the method is not taken: Allow lists those that are",
    406: "the answer cannot be of a kind in Accept",
    407: "a proxy wants credentials: send it again with Proxy-Authorization",
    408: "no answer in time",
    410: "the user was here, and will not come back",
    412: "the published state named by SIP-If-Match is not there",
    413: "the body is too large",
    414: "the Request-URI is too long",
    415: "the body is of a kind that is not taken: Accept lists those that are",
    416: "the scheme of the Request-URI is not known",
    417: "the priority is not known",
    420: "an extension in Require is not known: Unsupported lists it",
    421: "an extension is needed that Supported lacks",
    422: "the session interval is too short: Min-SE says the shortest",
    423: "the lifetime is too short: Min-Expires says the shortest",
    424: "the location cannot be used",
    425: "the alert cannot be used",
    428: "an Identity header is needed",
    429: "a Referred-By token is needed",
    430: "the connection to the user is lost",
    433: "anonymous calls are refused",
    436: "the certificate for Identity cannot be had",
    437: "the certificate for Identity is not trusted",
    438: "the Identity header is not valid",
    439: "the first proxy does not support outbound",
    440: "the request was to be forked into too many branches",
    469: "the info package is not taken",
    470: "the recipient's consent is needed",
    480: "the callee cannot be reached now",
    481: "there is no such dialog, or no transaction to cancel",
    482: "the request has come back to where it was",
    483: "Max-Forwards has come to 0",
    484: "the number is incomplete",
    485: "the address stands for several users",
    486: "the callee is busy",
    487: "the INVITE was cancelled, or its call ended before the answer",
    488: "the session description has nothing that the callee can do",
    489: "the event package is not known",
    491: "both sides sent an INVITE at the same time: try again in a moment",
    493: "the body cannot be decrypted",
    494: "a security mechanism is to be agreed on",
    500: "the server has failed",
    501: "the method is not known",
    502: "a server behind this one gave a wrong answer",
    503: "the server is overloaded or under maintenance: Retry-After says until when",
    504: "a server asked further gave no answer in time",
    505: "the SIP version is not known",
    513: "the message is too large",
    555: "the push service is not supported",
    580: "a precondition of the session cannot be met",
    600: "the callee is busy everywhere",
    603: "the callee declines",
    604: "there is no such user anywhere",
    606: "the session is acceptable nowhere",
    607: "the callee does not want such calls",
    608: "an intermediary has refused the call for the callee",
}  # fmt: skip

#: Where status codes are defined that RFC 3261 §21 does not have.
_ELSEWHERE: Final = {
    199: "6228", 202: "6665", 204: "5839", 412: "3903", 417: "4412", 422: "4028", 424: "6442",
    425: "8876", 428: "8224", 429: "3892", 430: "5626", 433: "5079", 436: "8224", 437: "8224",
    438: "8224", 439: "5626", 440: "5393", 469: "6086", 470: "5360", 489: "6665", 494: "3329",
    555: "8599", 580: "3312", 607: "8197", 608: "8688",
}  # fmt: skip


def header_meaning(name: str) -> Meaning:
    """Return what a header says, and where it is defined.

    Args:
        name: As in a message, in any case, or the compact form ("v").

    Returns:
        Two texts; ("", "") for a header that is not known.
    """
    key = header_key(name)
    row = HEADERS.get(key)
    if row is None:
        return _OTHERS.get(key, ("", ""))
    return _HEADERS.get(key, ""), row.rfc


def method_meaning(method: str) -> Meaning:
    """Return what a method does, as a clause, and where it is defined; ("", "") if not known."""
    return _METHODS.get(method, ("", ""))


def status_meaning(status: int) -> Meaning:
    """Return what a status code says, as a clause: its own meaning, else its class's."""
    words = _STATUSES.get(status) or _CLASSES.get(status // 100, "")
    if status in _ELSEWHERE:
        return words, f"RFC {_ELSEWHERE[status]}"
    return words, f"RFC 3261 §21.{status // 100}" if words else ""
