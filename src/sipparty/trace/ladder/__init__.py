"""Call ladders: messages, their senders and their order, drawn from the records of a trace.

=================  ============================================================================
`Ladder`           the drawing: as text, Mermaid, SVG or one HTML page, in a notebook by itself
`layout`           what is drawn: columns, rows, calls; made once, the same for each drawing
=================  ============================================================================
"""

from sipparty.trace.ladder.ladder import Ladder

__all__ = ["Ladder"]
