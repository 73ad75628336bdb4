"""Messages explained: what each line says, where it is defined, and what is wrong with it.

explanation = explain(data)                  # bytes of any kind, as far as they go
for line in explanation.lines:
    print(line.text, line.meaning, line.source, line.faults)

=============================  ==============================================================
`explain`                      a SIP message
`explain_description`          a session description
`header_meaning`               what a header says, and where it is defined
`method_meaning`               what a method does
`status_meaning`               what a status code says
=============================  ==============================================================
"""

from sipparty.explain.description import explain_description
from sipparty.explain.headers import Meaning, header_meaning, method_meaning, status_meaning
from sipparty.explain.lines import Explanation, Fault, Line
from sipparty.explain.message import explain

__all__ = [
    "Explanation",
    "Fault",
    "Line",
    "Meaning",
    "explain",
    "explain_description",
    "header_meaning",
    "method_meaning",
    "status_meaning",
]
