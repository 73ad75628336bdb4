"""A load on a Dask cluster: here one of two workers on this machine, one of which is killed."""

import asyncio
import os
import signal

import pytest

from sipparty import NoMediaSimpleCallsParty
from sipparty.errors import UsageError
from sipparty.load import Cluster, run_load

distributed = pytest.importorskip("distributed", reason="the extra cluster is not installed")

SCRIPT = """
async def scenario(run):
    with run.step("answer"):
        call = await run.invite()
    call.terminate()
    await call
"""


@pytest.fixture(scope="module", autouse=True)
def thread_of_dask():
    """Have the thread that Dask keeps for good started before tests look for what is left."""
    distributed.utils._offload_executor.submit(int).result(5)


def test_the_calls_of_a_killed_worker_are_lost_and_the_others_go_on(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)

    async def main():
        dask = distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            asynchronous=True,
            dashboard_address=":0",
            silence_logs=50,
        )
        async with dask, NoMediaSimpleCallsParty("bob@127.0.0.1") as bob:
            bob.listen(None, address="127.0.0.1")
            to_kill = [dask.workers[0].pid]

            def kill(statistics):
                while to_kill:
                    os.kill(to_kill.pop(), signal.SIGKILL)

            async with Cluster(dask.scheduler_address) as cluster:
                assert await cluster.size() == 2
                return await run_load(
                    *(script, f"bob@127.0.0.1:{bob.contact_uri.port}"),
                    rate=40,
                    calls=80,
                    processes=2,
                    workers=cluster,
                    on_progress=kill,
                )

    result = asyncio.run(main())
    statistics = result.statistics
    assert statistics.begun == 80
    assert 1 <= statistics.lost <= 40
    assert statistics.succeeded == 80 - statistics.lost
    assert statistics.failed == 0
    assert "died (the worker at tcp://127.0.0.1:" in result.remarks[0]
    assert f"{statistics.lost} calls of its share are lost" in result.remarks[0]
    assert not result.passed


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "nonsense://there"])
def test_where_no_scheduler_answers_that_is_said(address, monkeypatch):
    monkeypatch.setattr(Cluster, "CONNECT", 0.5)

    async def main():
        await Cluster(address).size()

    with pytest.raises(UsageError, match="No scheduler of Dask answers at"):
        asyncio.run(main())
