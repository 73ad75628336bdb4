"""Threads that a test drives: nothing runs before it says so, and all of it on its own thread."""


class FakeThreads:
    """Where work is done."""

    def __init__(self):
        self.jobs = []  # of shared threads
        self.own = []  # of threads of their own, with their names

    def run(self, job):
        self.jobs.append(job)

    def start(self, job, name):
        self.own.append((job, name))

    def work(self, times=1000):
        """Do what shared threads have to do; return how many jobs there were."""
        done = 0
        while self.jobs and done < times:
            self.jobs.pop(0)()
            done += 1
        return done
