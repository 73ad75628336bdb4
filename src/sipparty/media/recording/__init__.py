"""What is heard and sent, written down.

sinks       WAV files, memory, functions
sides       both directions in step
recording   the handle
recorder    the recordings of a line
"""

__all__: list[str] = []
