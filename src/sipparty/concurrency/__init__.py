"""Threads and the event loop: what runs a party, and access to its thread.

waiting       waiting for a state in a thread or a coroutine; verbs that run on another thread
portal        an asyncio loop, on a thread of its own or its owner's
dispatch      running handlers: coroutines on the loop, plain functions on a pool of threads
engine        the loop, the core and the transports of many parties
descriptors   how many file descriptors connections and media may have
"""

__all__: list[str] = []
