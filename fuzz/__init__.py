"""Fuzzing of the parsers: everything that reads what comes from the network.

python fuzz/run.py          a million mutated inputs for each parser, and for parties that are
                            there; `make fuzz` runs it
python fuzz/guided.py NAME  one parser, led by coverage where `atheris` is installed
python fuzz/linear.py       time over growing hostile inputs: nothing may be worse than linear

targets     the parsers, and what has to hold of each after any input
seeds       what the mutations start from
mutation    how inputs are changed; the same numbers give the same inputs
live        parties that are there, and what is sent to them over the loopback interface
reading     reading everything of what a handler is given
"""

__all__: list[str] = []
