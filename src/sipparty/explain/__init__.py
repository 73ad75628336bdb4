"""Messages explained: what each line says, where it is defined, and what is wrong with it.

=============================  ==============================================================
`header_meaning`               what a header says, and where it is defined
`method_meaning`               what a method does
`status_meaning`               what a status code says
=============================  ==============================================================
"""

from sipparty.explain.headers import Meaning, header_meaning, method_meaning, status_meaning

__all__ = ["Meaning", "header_meaning", "method_meaning", "status_meaning"]
