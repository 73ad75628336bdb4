"""Many user agents at one registrar that fails, in virtual time."""

from collections import Counter

from sipparty.sip import Core, UserAgent
from sipparty.sip.registration import Registration, RegistrationEvent
from sipparty.testing import Registrar, SimulatedNetwork, seeded_tokens

MANY = 40
PHONES, REGISTRAR = ("10.0.0.1", 5060), ("10.0.0.5", 5060)


def test_all_come_back_after_an_outage_spread_over_time():
    network = SimulatedNetwork(1, delay=(0.01, 0.05), hosts={"biloxi.com": REGISTRAR[0]})
    there, core, happened = Core(seeded_tokens(1)), Core(seeded_tokens(2)), []
    registrar = Registrar(there, "biloxi.com", most=120)
    network.attach(there, REGISTRAR, endpoint="registrar", on_event=lambda _: None)

    def take(event):
        if isinstance(event, RegistrationEvent):
            happened.append((network.clock.now, type(event).__name__))

    network.attach(core, PHONES, endpoint="phones", on_event=take)
    registrations = []
    for number in range(MANY):
        agent = UserAgent(core, f"sip:u{number}@biloxi.com")
        core.directory.bind(agent, "phones")
        registrations.append(Registration(agent).begin())

    def bound():
        return sum(len(registrar.contacts(f"sip:u{n}@biloxi.com")) for n in range(MANY))

    network.run(100.0)
    assert bound() == MANY
    registrar.restart()
    registrar.silent = True
    network.run(300.0)
    assert {one.state for one in registrations} == {"Retrying"}
    registrar.silent = False
    happened.clear()
    network.run(700.0)
    assert {one.state for one in registrations} == {"Registered"}
    assert bound() == MANY
    seconds = Counter(int(time) for time, name in happened if name == "Registered")
    assert max(seconds.values()) <= MANY / 8
    for one in registrations:
        one.unregister()
    network.run(800.0)
    assert bound() == 0
    assert {one.state for one in registrations} == {"Terminated"}
    network.run()
    assert core.idle(), core.counts()
    assert there.idle(), there.counts()
    assert not any(one.agent.services for one in registrations)
