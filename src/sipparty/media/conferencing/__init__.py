"""Calls whose audio is joined.

mixing       sums of many, and the pipe between two clocks
bridging     two calls
conference   many calls
following    what joins follow of the calls that are in them
"""

__all__: list[str] = []
