"""A little of what `fuzz/run.py` and `fuzz/linear.py` do at length: the same inputs
each time, through every parser; and what makes them, tried itself.
"""

from __future__ import annotations

import importlib
import random
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def load(name):
    """A module of the folder `fuzz`, which is beside the package and not in it."""
    sys.path.insert(0, str(ROOT))
    try:
        return importlib.import_module(f"fuzz.{name}")
    finally:
        sys.path.remove(str(ROOT))


mutation, run, seeds, targets = load("mutation"), load("run"), load("seeds"), load("targets")
linear = load("linear")

#: Inputs for each parser.
SHORT = 600

every_target = pytest.mark.parametrize("name", targets.TARGETS)


@every_target
def test_mutated_inputs_are_read_or_refused(name):
    for chunk in (1, 2):
        for mutator, data in run.inputs(name, chunk, SHORT // 2):
            read, finding = run.try_one(name, data)
            assert finding is None, f"{data!r}: {finding.details}"
            if read:
                mutator.keep(data)


@every_target
def test_some_inputs_are_read_and_some_are_not(name):
    read = [run.try_one(name, data)[0] for _, data in run.inputs(name, 1, 100)]
    assert {True, False} == set(read)


@every_target
def test_the_seeds_do_no_harm(name):
    target = targets.TARGETS[name]
    assert target.seeds()
    for data in target.seeds():
        finding = run.try_one(name, data)[1]
        assert finding is None, f"{data!r}: {finding.details}"


@pytest.mark.parametrize(
    "shape", linear.SHAPES, ids=[f"{shape.target}: {shape.name}" for shape in linear.SHAPES]
)
def test_hostile_shapes_are_read_or_refused(shape):
    data = shape.make(2048)
    assert len(data) < 4096
    finding = run.try_one(shape.target, data)[1]
    assert finding is None, finding.details


def count_lines(probe, data):
    """The lines of Python that a probe takes: a measure that no other process disturbs."""
    lines = 0

    def trace(frame, event, argument):
        nonlocal lines
        lines += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        probe(data)
    finally:
        sys.settrace(before)
    return lines


@pytest.mark.parametrize(
    "shape", linear.SHAPES, ids=[f"{shape.target}: {shape.name}" for shape in linear.SHAPES]
)
def test_four_times_the_input_is_no_more_than_four_times_the_work(shape):
    probe = targets.TARGETS[shape.target].probe
    probe(shape.make(64))  # what is made once is made
    small, large = (count_lines(probe, shape.make(size)) for size in (1000, 4000))
    assert large < 4.8 * small + 200


# What makes the inputs.


def made(seed, count=50, **options):
    mutator = mutation.Mutator(random.Random(seed), [b"one: two\r\nthree: 4\r\n"], **options)
    return [mutator.make() for _ in range(count)]


def test_the_same_chance_gives_the_same_inputs():
    assert made(1) == made(1)
    assert made(1) != made(2)
    chunks = [[data for _, data in run.inputs("uri", chunk, 50)] for chunk in (1, 1, 2)]
    assert chunks[0] == chunks[1] != chunks[2]


def test_no_input_is_too_long():
    assert max(map(len, made(1, 2000, max_size=64))) == 64


@pytest.mark.parametrize("change", mutation.CHANGES, ids=lambda change: change.__name__)
@pytest.mark.parametrize("data", [b"", b"a", b"Via: 12\r\nTo: <sip:a>\r\n" * 3])
def test_every_change_takes_any_input(change, data):
    mutator = mutation.Mutator(random.Random(1), [b"seed", data])
    results = {change(mutator, data) for _ in range(50)}
    assert all(isinstance(result, bytes) for result in results)
    assert len(data) < 2 or len(results) > 1


def test_a_mutator_needs_seeds():
    with pytest.raises(ValueError, match="at least one seed"):
        mutation.Mutator(random.Random(1), [])


def test_the_first_chunk_begins_with_the_seeds():
    first = [data for _, data in run.inputs("rtp", 0, 10_000)]
    pool = list(targets.TARGETS["rtp"].seeds())
    assert first[: len(pool)] == pool
    assert len(first) == 10_000


def test_what_came_far_is_kept_now_and_then():
    mutator = mutation.Mutator(random.Random(1), [b"seed"])
    for _ in range(100_000):
        mutator.keep(b"more")
    assert len(mutator.pool) == 1 + mutator.MAX_KEPT


# What finds the findings.


@pytest.fixture
def broken(monkeypatch):
    """A target with defects, by what its input is."""

    def probe(data):
        if data == b"law":
            targets.law(False, "an input holds to the law")
        if data == b"crash":
            raise IndexError("out of range")
        return True

    target = targets.Target("broken", probe, len, lambda: (b"law", b"crash", b"crash", b"fine"))
    monkeypatch.setitem(targets.TARGETS, "broken", target)
    return target


def test_defects_are_found_once_each_and_written(broken, tmp_path):
    outcome = run.run_chunk("broken", 0, 4)
    assert outcome.inputs == 4
    assert outcome.read == 1
    law, crash = outcome.findings.values()
    assert (law.what, law.data) == ("Broken: an input holds to the law", b"law")
    assert (crash.what, crash.data) == ("IndexError: out of range", b"crash")
    path = crash.write(tmp_path)
    assert path.read_bytes() == b"crash"
    assert "Traceback" in path.with_suffix(".txt").read_text()
    assert path.name.startswith("broken-")


def test_a_refusal_has_to_be_one_that_can_be_answered():
    wrong = targets.ParseError("text", "nothing", 9)
    with pytest.raises(targets.Broken, match="position"):
        targets.check_refusal(wrong)


def test_outcomes_add_up():
    total = run.Outcome(slowest=(1.0, 5), memory={1: [10, 20]})
    total.take(run.Outcome(3, 2, 1.5, (2.0, 7), {}, {1: [25, 31], 2: [5]}))
    assert (total.inputs, total.read, total.slowest) == (3, 2, (2.0, 7))
    assert total.memory == {1: [10, 20, 25, 31], 2: [5]}
    assert total.growth == 6


def test_growth_is_told_by_the_exponent():
    assert linear._exponent({1000: 1.0, 2000: 2.0, 4000: 4.0}) == pytest.approx(1)
    assert linear._exponent({1000: 1.0, 2000: 4.0, 4000: 16.0}) == pytest.approx(2)
    shape = linear.SHAPES[0]
    assert linear.Measured(shape, {1000: 0.001, 4000: 0.004}, 0.01, 1.0).is_fine
    assert not linear.Measured(shape, {1000: 0.001, 4000: 0.016}, 0.01, 2.0).is_fine
    assert not linear.Measured(shape, {1000: 0.001, 4000: 0.004}, 0.06, 1.0).is_fine
