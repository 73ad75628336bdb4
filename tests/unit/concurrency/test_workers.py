"""Threads for what may block."""

import threading

import pytest

from sipparty.concurrency.workers import Turns, Workers


@pytest.fixture
def workers():
    return Workers("test-workers", 1)


def test_jobs_are_done_in_order_on_another_thread(workers):
    done = []
    for number in range(5):
        workers.run(lambda number=number: done.append((number, threading.current_thread().name)))
    assert workers.drain(10)
    assert done == [(number, "test-workers") for number in range(5)]


def test_a_job_that_raises_ends_alone(workers, caplog):
    done = []
    workers.run(lambda: 1 / 0)
    workers.run(lambda: done.append(1))
    assert workers.drain(10)
    assert done == [1]
    assert "ZeroDivisionError" in caplog.text


def test_a_drain_has_an_end(workers):
    gate = threading.Event()
    workers.run(gate.wait)
    assert not workers.drain(0)
    gate.set()
    assert workers.drain(10)


def test_two_threads_do_two_jobs_at_once():
    workers = Workers("test-workers", 2)
    meet = threading.Barrier(2, timeout=10)
    met = []
    for _ in range(2):
        workers.run(lambda: met.append(meet.wait()))
    assert workers.drain(10)
    assert sorted(met) == [0, 1]


def test_a_thread_of_its_own(workers):
    names = []
    done = threading.Event()

    def job():
        names.append((threading.current_thread().name, threading.current_thread().daemon))
        done.set()

    workers.start(job, "test-own")
    assert done.wait(10)
    assert names == [("test-own", True)]


def test_a_child_has_none_of_its_parents_jobs(workers):
    gate = threading.Event()
    workers.run(gate.wait)
    workers.forget()  # as after a fork
    assert workers.drain(0)
    done = []
    workers.run(lambda: done.append(1))
    assert workers.drain(10)
    assert done == [1]
    gate.set()


class Held:
    """Threads that do nothing by themselves."""

    def __init__(self):
        self.jobs = []

    def run(self, job):
        self.jobs.append(job)


def test_a_job_in_turns_is_done_once_for_many_askings():
    held, done = Held(), []
    turns = Turns(held, lambda: done.append(1))
    for _ in range(3):
        turns.ask()
    assert len(held.jobs) == 1
    held.jobs.pop()()
    assert done == [1]
    turns.ask()
    assert len(held.jobs) == 1


def test_a_job_that_is_asked_for_while_it_runs_is_done_again_and_not_beside_itself():
    held, done = Held(), []

    def job():
        done.append(len(held.jobs))
        if len(done) == 1:
            turns.ask()

    turns = Turns(held, job)
    turns.ask()
    held.jobs.pop()()
    assert done == [0]
    held.jobs.pop()()
    assert done == [0, 0]
    assert held.jobs == []


def test_a_job_in_turns_that_raises_is_asked_for_again():
    held = Held()
    turns = Turns(held, lambda: 1 / 0)
    for _ in range(2):
        turns.ask()
        with pytest.raises(ZeroDivisionError):
            held.jobs.pop()()
