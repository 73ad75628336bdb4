"""What peers may have us hold, at the most; beyond it they are refused.

The sizes of what is parsed at once are attributes of the classes that parse: `Message.MAX_HEAD`,
`MAX_LINE`, `MAX_FIELDS` and `MAX_URI`, `HeaderParameters.MAX_COUNT`, `sipparty.sdp.Limits`.
"""

from __future__ import annotations

from sipparty.records import Record

__all__ = ["Limits"]


class Limits(Record):
    """How much peers may have one engine hold.

    What a message out of a stream may be:

    Args:
        max_head: The longest start line and headers, in bytes, without the empty line that ends
            them: against a head that never ends. Beyond it, 513 and the end of the connection.
        max_body: The longest body, in bytes: against a Content-Length that has us hold everything.
            Beyond it, 413.
        max_pending: The most bytes held of one unfinished message, head and body together; None for
            as much as the two allow.
        max_skip: The longest body that is passed over, in bytes, to get at the messages behind one
            that was refused; beyond it the stream ends.
        max_connections: Connections that one listener has at a time; where it is full, one that has
            said nothing, or is of an address with more than its share, is closed for who comes.
        max_transactions: Requests that are being answered, or were in the last 64 * T1. Beyond it
            a request outside of dialogs is answered 503, with Retry-After and without state; beyond
            twice as many, every request is.
        max_held: The bytes that are kept of what peers sent: of those requests, of their answers,
            of dialogs, of messages that are not complete, and of what waits for a peer to read it;
            what it takes to keep them is part of it. Dealt with as `max_transactions` is.
        max_dialogs: Dialogs at a time, ours included. Beyond it an INVITE is answered 503 with
            Retry-After.
        max_share: The part of `max_transactions`, `max_held` and `max_dialogs` that one source may
            have, in percent; the rest is for others. A source is an IPv4 address, or an IPv6
            network of 64 bits; its connections and its datagrams have a share each, as the source
            of datagrams can be forged. Beyond it requests are answered 503.
        max_half_open: Calls of one source that are not answered, or whose answer it has not
            acknowledged; beyond it an INVITE is answered 503, without state. Each ACK of the source
            allows as many more, so that this bounds who only sends, or whose address is forged.
            Calls of users who have proved who they are do not count.
        max_subscriptions: Subscriptions that peers have to the states of one party; beyond it 503
            with Retry-After.
        max_subscriptions_of_one: How many of them one source may have that has not proved who it
            is; likewise.
        max_lookups: Accounts that are looked for at a time by a `DigestServer` whose `lookup` takes
            its time, an eighth of them for one source: against requests that keep every thread
            waiting for a database. Beyond it, 503 with Retry-After and without state.
        max_handlers: Handlers of events that are plain functions and run at a time, each on a
            thread. Beyond it events wait for one to end.
        handler_patience: Seconds that a call or a request waits for its handler to begin; then it
            is answered 503 with Retry-After.
        max_events: Events of one call that wait for its handlers; beyond it the oldest is dropped.
        retry_after: What that Retry-After says, in seconds (RFC 3261 §21.5.4).
    """

    max_head: int = 65_535
    max_body: int = 262_144
    max_pending: int | None = None
    max_skip: int = 16_777_216
    max_connections: int = 1024
    max_transactions: int = 200_000
    max_held: int = 256 << 20
    max_dialogs: int = 50_000
    max_share: int = 75
    max_half_open: int = 100
    max_subscriptions: int = 10_000
    max_subscriptions_of_one: int = 100
    max_lookups: int = 32
    max_handlers: int = 128
    handler_patience: float = 5.0
    max_events: int = 256
    retry_after: int = 10
