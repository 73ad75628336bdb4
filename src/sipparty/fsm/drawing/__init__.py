"""Drawing: a machine as text, for Graphviz, for Mermaid and as a picture.

Laws:

1. A drawing is made from the compiled rows, the same that run the machine, so it cannot be out of
   date.
2. Every drawing shows every state, input, next state, action and timer, which states are initial
   and final, and of an instance which one is current; a picture also the way that it came.
3. Any name can be drawn: what a language would take for its own is escaped.

What is drawn is a `View`: of a class or an instance by `view_of`, of records of it by
`view_of_records`.
"""

from sipparty.fsm.drawing.languages import dot, mermaid, text
from sipparty.fsm.drawing.picture import svg
from sipparty.fsm.drawing.view import View, view_of, view_of_records

__all__ = ["View", "dot", "mermaid", "svg", "text", "view_of", "view_of_records"]
