"""The connections that we have opened."""

from sipparty.transport.pool import ConnectionPool, key_of
from sipparty.transport.targets import Target


class Connection:
    def __init__(self, last_used=0.0):
        self.last_used = last_used
        self.closed = False
        self.flow = object()

    def close(self):
        self.closed = True


def key(port, transport="TCP", name="biloxi.com", source=""):
    return key_of(Target(transport, "192.0.2.1", port, name), source)


def test_what_a_connection_is_known_by():
    assert key(1) == key(1, name="atlanta.com")  # by TCP nobody proves a name
    assert key(1, "TLS") != key(1, "TLS", name="atlanta.com")
    assert len({key(1), key(2), key(1, "TLS"), key(1, source="192.0.2.9")}) == 4


def test_the_first_of_two_is_kept():
    pool = ConnectionPool(10)
    first, second = Connection(), Connection()
    assert pool.keep(key(1), first) is first
    assert pool.keep(key(1), second) is first
    assert (first.closed, second.closed) == (False, True)
    first.close()
    assert pool.get(key(1)) is None
    third = Connection()
    assert pool.keep(key(1), third) is third
    assert pool.get(key(1)) is third


def test_one_without_a_flow_is_of_no_use():
    pool = ConnectionPool(10)
    pool.keep(key(1), Connection()).flow = None
    assert pool.get(key(1)) is None


def test_the_one_idle_longest_goes_first():
    pool = ConnectionPool(2)
    busy, idle = pool.keep(key(1), Connection(2.0)), pool.keep(key(2), Connection(1.0))
    newest = pool.keep(key(3), Connection(3.0))
    assert [one.closed for one in (busy, idle, newest)] == [False, True, False]


def test_it_is_dropped_from_wherever_it_is():
    pool, connection = ConnectionPool(10), Connection()
    pool.keep(key(1), connection)
    pool.keep(key(2), connection)
    assert pool.drop(connection)
    assert not pool.drop(connection)
    assert pool.get(key(1)) is pool.get(key(2)) is None
