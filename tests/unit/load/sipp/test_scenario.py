"""Scenarios of SIPp as those of a load."""

import asyncio
import pickle

import pytest

from sipparty import NoMediaSimpleCallsParty
from sipparty.errors import UsageError
from sipparty.load import Pacing, Worker
from sipparty.load.runner import Runner
from sipparty.load.sipp import ScenarioError, SIPpScenario
from sipparty.load.source import scenario_of

from .conftest import UAC, UAS, recv, reply, scenario

ONE = Pacing(limit=1, calls=1)


@pytest.fixture
def files(tmp_path):
    for name, text in {"uac.xml": UAC, "uas.xml": UAS}.items():
        (tmp_path / name).write_bytes(text)
    return tmp_path


def load(stage, host, made, pacing, target="", **options):
    worker = Worker(stage.engines[host], made, target, options)
    return Runner(worker, pacing)


def test_both_sides_of_a_load(stage, files):
    uac, uas = SIPpScenario(files / "uac.xml", service="bob"), SIPpScenario(files / "uas.xml")

    async def main():
        answering = load(stage, 1, uas, Pacing(limit=99, calls=20), local=("10.0.0.2", 5060))
        await answering.prepare()
        served = asyncio.ensure_future(answering.run())
        await asyncio.sleep(0)
        calling = load(stage, 0, uac, Pacing(rate=50, calls=20), "carol@10.0.0.2")
        await calling.prepare()
        return await calling.run(), await served

    made, served = stage.network.run(main())
    for statistics in made, served:
        assert (statistics.begun, statistics.succeeded, statistics.failed) == (20, 20, 0)
        assert statistics.counts["retransmitted"] == 0
        assert statistics.steps["call"].count == 20
    assert made.counts["sent"] == 60
    assert made.counts["received"] == 40
    assert made.steps["rtd 1"].count == 20
    assert stage.messages("INVITE sip:bob@10.0.0.2:5060")  # options go before the target
    assert uac.statistics.succeeded == uas.statistics.succeeded == 20


def test_failures_are_those_of_the_load(stage, files):
    (files / "uas.xml").write_bytes(scenario(recv("INVITE"), reply(486, tag=";tag=b"), recv("ACK")))
    uac, uas = SIPpScenario(files / "uac.xml"), SIPpScenario(files / "uas.xml")

    async def main():
        answering = load(stage, 1, uas, Pacing(limit=99, duration=1), local="10.0.0.2:5060")
        await answering.prepare()
        served = asyncio.ensure_future(answering.run())
        calling = load(stage, 0, uac, Pacing(rate=50, calls=2), "10.0.0.2:5060")
        await calling.prepare()
        made = await calling.run()
        served.cancel()
        await asyncio.wait([served])
        return made

    made = stage.network.run(main())
    assert made.failures == {"unexpected 486 in the place of the 200 of line 22": 2}


def test_goes_to_other_processes(files):
    made = pickle.loads(pickle.dumps(SIPpScenario(files / "uac.xml", service="bob")))
    assert made.options == {"service": "bob"}
    assert not made.WAITS
    assert SIPpScenario(files / "uas.xml").WAITS


def test_is_what_a_file_of_a_load_may_be(files):
    assert isinstance(scenario_of(str(files / "uac.xml")), SIPpScenario)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"servise": "x"}, UsageError, "no option 'servise'"),
        ({"injections": ("missing.csv",)}, UsageError, "missing.csv cannot be read"),
    ],
)
def test_what_cannot_start(stage, files, options, error, words):
    runner = load(
        stage, 0, SIPpScenario(files / "uac.xml"), Pacing(limit=1, calls=1), "10.0.0.2", **options
    )
    with pytest.raises(error, match=words):
        stage.network.run(runner.prepare())


def test_what_cannot_be_called(stage, files):
    runner = load(stage, 0, SIPpScenario(files / "uac.xml"), ONE, "sip:")
    with pytest.raises(UsageError, match="'sip:' is nobody to call"):
        stage.network.run(runner.prepare())


def test_what_cannot_be_read(tmp_path):
    (tmp_path / "bad.xml").write_text("<scenario>\n<sent/></scenario>")
    with pytest.raises(ScenarioError, match=r"bad.xml, line 2"):
        scenario_of(tmp_path / "bad.xml")


def test_has_no_statistics_before_it_starts(files):
    with pytest.raises(UsageError, match="was not started"):
        _ = SIPpScenario(files / "uac.xml").statistics


def test_a_target_says_user_and_transport(stage, files):
    async def main():
        answering = load(
            stage, 1, SIPpScenario(files / "uas.xml"), ONE, local="10.0.0.2:5060", transport="TCP"
        )
        await answering.prepare()
        served = asyncio.ensure_future(answering.run())
        await asyncio.sleep(0)
        calling = load(stage, 0, SIPpScenario(files / "uac.xml"), ONE, "b@10.0.0.2;transport=tcp")
        await calling.prepare()
        return await calling.run(), await served

    made, _ = stage.network.run(main())
    assert made.succeeded == 1
    assert "Via: SIP/2.0/TCP" in stage.messages("INVITE sip:b@10.0.0.2:5060")[0]


def test_a_party_makes_a_load_of_a_file(stage, files):
    alice = NoMediaSimpleCallsParty("alice@10.0.0.1", engine=stage.engines[0])

    async def main():
        async with stage.called(UAS):
            return await alice.load(str(files / "uac.xml"), "bob@10.0.0.2", limit=2, calls=6)

    result = stage.network.run(main())
    assert result.statistics.succeeded == 6
    assert len(stage.messages("INVITE sip:bob@10.0.0.2:5060")) == 6


def test_keywords_of_ones_own_are_options_of_the_load(files, tmp_path):
    path = tmp_path / "own.xml"
    path.write_text((files / "uac.xml").read_text().replace("[service]", "[whom]", 1))
    with pytest.raises(ScenarioError, match=r"\[whom\] is no keyword"):
        scenario_of(path)
    assert scenario_of(path, {"keys": "whom=bob"}).program.calls
