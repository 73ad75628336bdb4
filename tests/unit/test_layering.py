"""The order of the layers: a module imports only from earlier layers, or earlier files of its own.

`LAYERS` is the order. A file that is not in it fails, with a proposal where it could go; so does a
name without a file. Imports count wherever they stand: inside functions, under `TYPE_CHECKING`, and
those by name through `importlib`.
"""

import ast
import importlib.util
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "src" / "sipparty"

#: Layer ("" for the package's own files), and its files in order; a package's name stands for its
#: `__init__`, as "transaction" does in "sip".
LAYERS = [
    ("", "__init__ errors records late"),
    ("concurrency", "__init__ descriptors host waiting streams portal workers"),
    ("fsm", "timers table drawing.view drawing.languages drawing.layout drawing.picture"),
    ("fsm", "drawing fsm watching __init__"),
    ("", "parse"),
    ("vb", "paths binder __init__"),
    ("", "deepclass"),
    ("sip", "limits shares reach unproven grammar uri_grammar transports flow tokens status"),
    ("sip", "uri_parameters components headervalue values facts lenient typed headers fields"),
    ("sip", "boundary multipart bodies message user_headers sipfrag refusal_size validation"),
    ("sip", "auth.digest auth.values auth.memory auth.trust"),
    ("sip", "auth.exchange auth.client"),
    ("sip", "auth.guessing auth.nonces auth.verdicts auth.server auth"),
    ("sip", "policy routing events handlers handle attacks transaction.timing transaction.user"),
    ("sip", "transaction.client transaction.server transaction.vias transaction.layer transaction"),
    ("sip", "wanted retries redirects authorization request_user client_request out_of_dialog"),
    ("sip", "dialog.session dialog.outcomes dialog.sending dialog.state dialog.offer_answer"),
    ("sip", "dialog.record dialog.dialog dialog.acknowledgement dialog.replaces"),
    ("sip", "notification.package notification.events notification.usage notification.renewal"),
    ("sip", "notification.notice notification.unsolicited notification.states"),
    ("sip", "notification.forming notification.subscriber"),
    ("sip", "notification.notifier notification.resource notification.publication notification"),
    ("sip", "packages.document packages.message_summary packages.presence packages.dialog_info"),
    ("sip", "packages.reg_info packages.conference packages"),
    ("sip", "packages.refer refer dialog.transfer dialog.transferring dialog.referral"),
    ("sip", "diversion dialog.session_timer identity"),
    ("sip", "dialog.early dialog.reliable messaging composing info ping"),
    ("sip", "dialog.modification dialog.update dialog.invite_client dialog.invite_server"),
    ("sip", "dialog.invite_usage dialog.call dialog"),
    ("sip", "refusals admission call_limits incoming_calls agent"),
    ("sip", "bindings registering registration_flow outbound registration"),
    ("sip", "directory user_agent_core core framing __init__"),
    ("sdp", "grammar timing fields formats reader media description capability negotiated"),
    ("sdp", "offeranswer negotiation __init__"),
    ("explain", "headers lines description message __init__"),
    (
        "media",
        "rtp.packet rtp.rtcp rtp.rtcp_schedule rtp.sender rtp.source rtp.remote rtp.keep_alive rtp",
    ),
    ("media", "quality.statistics quality pcm codecs.g711 codecs.g722 codecs.l16"),
    ("media", "codecs codecs.opus settings"),
    ("media", "loops transport clock socket_poll ports"),
    ("media", "srtp.suites srtp.transport srtp.crypto_attribute srtp.settings srtp.sdes srtp"),
    ("media", "playout.waveform playout.concealment playout.comfort_noise playout.filling"),
    ("media", "playout.media_time playout.delay playout.packet_queue playout.jitter playout"),
    ("media", "frames handle"),
    ("media", "dtmf.keys dtmf.events dtmf.telephone_event dtmf.sending dtmf.receiving"),
    ("media", "dtmf.tones dtmf.detector dtmf.merging dtmf.collector dtmf.digits"),
    ("media", "inputs dtmf.line_keys dtmf.stream_keys dtmf.dialing dtmf.gathering dtmf"),
    ("media", "playing.sources playing.call_tones playing.files recording.sinks playing.playback"),
    ("media", "events"),
    ("media", "quality.emodel quality.burst playout.agreed rtp.rtcp_xr quality.quality"),
    ("media", "rtp.reports rtp.silence audio_stream"),
    ("media", "playing.feeding playing.fillers playing.playable playing.track playing.player"),
    ("media", "playing recording.sides recording.recording recording.recorder recording"),
    ("media", "session"),
    ("media", "negotiated line rtp_session"),
    ("media", "conferencing.following conferencing.mixing sending audio"),
    ("media", "speech.activity speech.answering speech.utterances speech.detection speech"),
    ("media", "holding ringback conferencing.bridging conferencing.conference conferencing"),
    ("media", "__init__"),
    ("trace", "text wirelog records ladder.layout ladder.text ladder.mermaid ladder.svg"),
    ("", "files"),
    ("trace", "calls ladder.page_data ladder.html ladder.ladder ladder pcap"),
    ("trace", "capture_file capture_streams capture_media capture"),
    ("trace", "jsonl packets watching saving tracing __init__"),
    ("transport", "settings addresses endpoint udp tlsbuffer memory tls stream stream_listener"),
    ("transport", "websocket targets connecting pool target_health nameservers resolver"),
    ("transport", "listeners source_selection response_fallback stun keepalive hub"),
    ("transport", "__init__"),
    ("concurrency", "dispatch engine"),
    ("telemetry", "prometheus opentelemetry __init__"),
    ("live", "model sources graphs page screen __init__"),
    ("load", "histogram statistics course pacing scenario"),
    ("load", "sipp.document sipp.posix sipp.template sipp.model sipp.keywords sipp.reading"),
    ("load", "sipp.received sipp.credentials sipp.actions sipp.reader sipp.injection sipp.options"),
    ("load", "sipp.leaving sipp.variables sipp.composing sipp.sending sipp.expecting"),
    ("load", "sipp.statistics sipp.exchange sipp.twin sipp.rtp sipp.call sipp.player"),
    ("load", "sipp.scenario sipp"),
    ("load", "source runner share processes"),
    ("load", "thresholds summary plots page result load cluster __init__"),
    ("party", "calls setting settings engine_user deciding events locating notification"),
    ("party", "notifying requests media"),
    ("party", "listening agent"),
    ("party", "party key_call audio_call __init__"),
    ("", "parties"),
    ("testing", "clock impairments attached network registrar misbehaviour proxy sipp leaks"),
    ("testing", "simulation.loop simulation.sockets simulation.hosts simulation.engine"),
    ("testing", "simulation.network simulation awaiting recording matching ladders hearing"),
    ("testing", "expecting parties reports __init__ plugin"),
    ("testing", "strategies.pieces strategies.headers"),
    ("b2bua", "relay bridge transferring b2bua __init__"),
    ("testing", "strategies.media strategies.bodies strategies.messages strategies.changes"),
    ("testing", "strategies"),
    ("cli", "exits output accounts options echo devices media_options help"),
    ("cli", "melody compare phone talk"),
    ("cli", "explaining checks commands.ladder commands.parse commands.sdp commands.fsm"),
    ("cli", "commands.resolve commands.doctor commands.load"),
    ("cli", "commands.call commands.answer commands.demo commands.options commands.register"),
    ("cli", "commands.message commands.subscribe commands.listen commands.man commands"),
    ("cli", "commands.watch app __init__"),
    ("", "__main__"),
]

#: What may be imported against the order, under `TYPE_CHECKING` alone: (importer, imported). The
#: package itself names what is everywhere, and loads it late.
FOR_TYPES_ALONE = {
    ("sipparty.load.sipp.keywords", "sipparty.load.sipp.call"),
    ("sipparty.load.sipp.actions", "sipparty.load.sipp.call"),
    ("sipparty.load.sipp.leaving", "sipparty.load.sipp.call"),
    ("sipparty.load.sipp.composing", "sipparty.load.sipp.call"),
    ("sipparty.load.sipp.sending", "sipparty.load.sipp.call"),
    ("sipparty.load.sipp.rtp", "sipparty.load.sipp.call"),
    ("sipparty.load.sipp.call", "sipparty.load.sipp.player"),
    *((f"sipparty.load.{one}", "sipparty.load.result") for one in ("page", "plots", "summary")),
    ("sipparty.testing.simulation.hosts", "sipparty.testing.simulation.network"),
    ("sipparty.testing.simulation.sockets", "sipparty.testing.simulation.hosts"),
    ("sipparty.errors", "sipparty.sip.message"),
    ("sipparty.b2bua.bridge", "sipparty.b2bua.b2bua"),
    ("sipparty.media.playing.playback", "sipparty.media.playing.player"),
    ("sipparty.media.recording.recording", "sipparty.media.recording.recorder"),
    ("sipparty.party.agent", "sipparty.party.party"),
    ("sipparty.party.listening", "sipparty.party.party"),
    ("sipparty.party.settings", "sipparty.party.party"),
    ("sipparty.sip.dialog.dialog", "sipparty.trace.wirelog"),
    ("sipparty.sip.handle", "sipparty.party.party"),
    ("sipparty.sip.facts", "sipparty.sip.message"),
    ("sipparty.b2bua.transferring", "sipparty.b2bua.b2bua"),
    ("sipparty.sip.transaction.client", "sipparty.sip.transaction.layer"),
    ("sipparty.sip.transaction.server", "sipparty.sip.transaction.layer"),
    ("sipparty.sip.call_limits", "sipparty.sip.agent"),
    ("sipparty.sip.events", "sipparty.sip.agent"),
    ("sipparty.sip.messaging", "sipparty.sip.agent"),
    ("sipparty.sip.ping", "sipparty.sip.agent"),
    ("sipparty.sip.info", "sipparty.sip.agent"),
    ("sipparty.sip.info", "sipparty.sip.dialog"),
    ("sipparty.sip.messaging", "sipparty.sip.composing"),
    ("sipparty.sip.composing", "sipparty.sip.agent"),
    ("sipparty.sip.composing", "sipparty.sip.dialog"),
    ("sipparty.sip.messaging", "sipparty.sip.dialog"),
    ("sipparty.sip.handle", "sipparty.sip.agent"),
    ("sipparty.sip.incoming_calls", "sipparty.sip.agent"),
    ("sipparty.sip.events", "sipparty.sip.dialog.call"),
    ("sipparty.sip.events", "sipparty.sip.dialog.record"),
    ("sipparty.sip.events", "sipparty.sip.out_of_dialog"),
    ("sipparty.sip.dialog.dialog", "sipparty.sip.agent"),
    ("sipparty.sip.dialog.invite_usage", "sipparty.sip.agent"),
    ("sipparty.sip.dialog.acknowledgement", "sipparty.sip.dialog.invite_usage"),
    ("sipparty.sip.dialog.invite_client", "sipparty.sip.dialog.invite_usage"),
    ("sipparty.sip.dialog.modification", "sipparty.sip.dialog.invite_usage"),
    ("sipparty.sip.dialog.session_timer", "sipparty.sip.agent"),
    ("sipparty.sip.dialog.dialog", "sipparty.sip.diversion"),
    ("sipparty.sip.dialog.dialog", "sipparty.sip.identity"),
    ("sipparty.sip.diversion", "sipparty.sip.dialog.invite_usage"),
    ("sipparty.sip.identity", "sipparty.sip.agent"),
    ("sipparty.sip.identity", "sipparty.sip.dialog.invite_client"),
    ("sipparty.sip.identity", "sipparty.sip.dialog.invite_usage"),
    ("sipparty.sip.out_of_dialog", "sipparty.sip.identity"),
    ("sipparty.sip.dialog.session_timer", "sipparty.sip.dialog.invite_usage"),
    ("sipparty.sip.dialog.early", "sipparty.sip.dialog.invite_client"),
    ("sipparty.sip.dialog.early", "sipparty.sip.dialog.invite_usage"),
    ("sipparty.sip.dialog.reliable", "sipparty.sip.dialog.invite_client"),
    ("sipparty.sip.dialog.update", "sipparty.sip.dialog.invite_usage"),
    ("sipparty.sip.dialog.reliable", "sipparty.sip.dialog.invite_server"),
    ("sipparty.sip.dialog.reliable", "sipparty.sip.dialog.invite_usage"),
    ("sipparty.sip.dialog.invite_server", "sipparty.sip.dialog.invite_usage"),
    ("sipparty.sip.dialog.referral", "sipparty.sip.agent"),
    ("sipparty.sip.dialog.referral", "sipparty.sip.dialog.call"),
    ("sipparty.sip.dialog.replaces", "sipparty.sip.dialog.call"),
    ("sipparty.sip.dialog.transfer", "sipparty.sip.agent"),
    *(
        (f"sipparty.sip.notification.{one}", "sipparty.sip.agent")
        for one in (
            *("forming", "notice", "notifier", "publication", "resource", "subscriber"),
            *("unsolicited", "usage"),
        )
    ),
    ("sipparty.sip.dialog.sending", "sipparty.sip.dialog.dialog"),
    ("sipparty.sip.dialog.sending", "sipparty.sip.dialog.state"),
    ("sipparty.sip.dialog.state", "sipparty.sip.dialog.dialog"),
    ("sipparty.sip.notification.events", "sipparty.sip.notification.notifier"),
    ("sipparty.sip.notification.events", "sipparty.sip.notification.subscriber"),
    ("sipparty.sip.notification.forming", "sipparty.sip.notification.subscriber"),
    ("sipparty.sip.notification.notifier", "sipparty.sip.notification.resource"),
    ("sipparty.sip.notification.states", "sipparty.sip.notification.subscriber"),
    ("sipparty.sip.request_user", "sipparty.sip.client_request"),
    ("sipparty.sip.retries", "sipparty.sip.client_request"),
    ("sipparty.sip.registration_flow", "sipparty.sip.registration"),
    ("sipparty.sip.outbound", "sipparty.sip.registration"),
}

#: Modules that stand for the world outside: sockets, clocks, threads, chance.
WORLD = {"asyncio", "os", "random", "secrets", "select", "selectors", "socket", "ssl"}
WORLD |= {"subprocess", "threading", "time"}

#: The files before the layer "trace" that may touch it, and what they may touch; no other may.
WORLDLY = {
    "sipparty.concurrency.host": {"random", "socket", "time"},
    "sipparty.concurrency.streams": {"asyncio", "threading", "time"},
    "sipparty.concurrency.portal": {"asyncio", "threading"},
    "sipparty.concurrency.waiting": {"asyncio", "threading"},
    "sipparty.fsm.watching": {"threading"},
    "sipparty.media.speech.answering": {"threading"},
    "sipparty.media.audio": {"asyncio", "threading"},
    "sipparty.media.conferencing.conference": {"asyncio", "threading"},
    "sipparty.media.dtmf.line_keys": {"threading"},
    "sipparty.media.inputs": {"threading"},
    "sipparty.concurrency.workers": {"os", "threading"},
    "sipparty.media.negotiated": {"socket"},
    "sipparty.media.clock": {"asyncio"},
    "sipparty.media.playing.fillers": {"asyncio", "threading"},
    "sipparty.media.playing.files": {"os", "threading"},
    "sipparty.media.playing.playable": {"asyncio", "os"},
    "sipparty.media.playing.player": {"asyncio"},
    "sipparty.media.recording.recorder": {"asyncio"},
    "sipparty.media.recording.recording": {"threading"},
    "sipparty.media.playing.playback": {"threading"},
    "sipparty.media.ports": {"asyncio", "socket", "time"},
    "sipparty.media.line": {"threading", "time"},
    "sipparty.media.loops": {"asyncio"},
    "sipparty.media.rtp_session": {"asyncio"},
    "sipparty.media.sending": {"threading"},
    "sipparty.media.session": {"asyncio"},
    "sipparty.media.speech.utterances": {"asyncio", "time"},
    "sipparty.media.recording.sinks": {"asyncio", "os"},
    "sipparty.media.socket_poll": {"asyncio", "select"},
    "sipparty.media.playing.sources": {"os"},
}


def order():
    """Every module in order, by its full name."""
    names = []
    for layer, files in LAYERS:
        for file in files.split():
            parts = ["sipparty", layer, "" if file == "__init__" else file]
            names.append(".".join(part for part in parts if part))
    return names


def modules(package=PACKAGE):
    """Every module that there is: its full name and its path."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = [package.name, *path.relative_to(package).with_suffix("").parts]
        if parts[-1] == "__init__":
            parts.pop()
        found[".".join(parts)] = path
    return found


def imports(source, name, is_package, known):
    """What a module imports: (full name, whether under `TYPE_CHECKING`), modules of `known` only
    where they are in its package, others by their first name.
    """
    tree = ast.parse(source)
    for_types = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            for child in node.body:
                for_types.update(ast.walk(child))
    package = name if is_package else name.rpartition(".")[0]
    for node in ast.walk(tree):
        targets = []
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            # `from package import module` imports the module; `import name` from it, the package.
            full = [f"{base}.{alias.name}" for alias in node.names]
            targets = [target if target in known else base for target in full]
        elif isinstance(node, ast.Call) and node.args:
            called = ast.unparse(node.func)
            first = node.args[0]
            if called.endswith(("import_module", "__import__")) and isinstance(first, ast.Constant):
                targets = [importlib.util.resolve_name(str(first.value), package)]
        for target in targets:
            yield target, node in for_types


def links(found):
    """The imports within the package: (importer, imported, whether for types alone)."""
    root = next(iter(found)).partition(".")[0]
    for name, path in found.items():
        is_package = path.name == "__init__.py"
        for target, for_types in imports(path.read_text(), name, is_package, found):
            if target == root or target.startswith(root + "."):
                yield name, target, for_types


def broken(sequence, found, exempt=()):
    """The imports that go against the order, as sentences."""
    rank = {name: index for index, name in enumerate(sequence)}
    return [
        f"{name} imports {target}, which comes later"
        for name, target, for_types in links(found)
        if name in rank
        and target != name
        and not rank.get(target, len(rank)) < rank[name]
        and not (for_types and (name == "sipparty" or (name, target) in exempt))
    ]


def proposal(names, found):
    """An order of some modules that their imports agree with."""
    graph = {name: set() for name in sorted(names)}
    for name, target, for_types in links(found):
        if name in graph and target in graph and target != name and not for_types:
            graph[name].add(target)
    try:
        return list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        return error.args


def test_every_file_has_its_place():
    found = modules()
    missing = set(found) - set(order())
    layers = {name.split(".")[1] for name in missing if "." in name}
    of_those_layers = [name for name in found if ".".join(name.split(".")[1:2]) in layers]
    assert not missing, (
        f"Not in LAYERS: {missing}; their layers: {proposal(of_those_layers, found)}"
    )


def test_every_place_has_its_file():
    assert not set(order()) - set(modules())
    assert len(order()) == len(set(order()))


def test_imports_go_down():
    assert not broken(order(), modules(), FOR_TYPES_ALONE)


def test_the_protocol_does_not_touch_the_world():
    names = order()
    found = modules()
    for name in names[: names.index("sipparty.trace.wirelog")]:
        if name not in found:
            continue  # another test's matter
        path = found[name]
        used = {
            target.partition(".")[0]
            for target, _ in imports(path.read_text(), name, path.name == "__init__.py", found)
        }
        assert used & WORLD <= WORLDLY.get(name, set()), name


# The scanner itself.


@pytest.fixture
def package(tmp_path):
    """Makes a package of the given modules; gives what `modules` finds."""

    def build(**sources):
        package = tmp_path / "package"
        for name, source in {"__init__": "", **sources}.items():
            path = package / (name.replace("__in__", "/") + ".py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(source)
        return modules(package)

    return build


@pytest.mark.parametrize(
    "source",
    [
        "import package.up",
        "import package.up as other",
        "from package import up",
        "from package.up import thing",
        "from . import up",
        "from .up import thing",
        "def f():\n    from package.up import thing",
        "if TYPE_CHECKING:\n    from package.up import thing",
        "importlib.import_module('package.up')",
        "import_module('.up')",
        "__import__('package.up')",
    ],
)
def test_an_import_of_a_later_module_is_found(package, source):
    found = package(down=source, up="")
    assert broken(["package", "package.down", "package.up"], found) == [
        "package.down imports package.up, which comes later"
    ]
    assert broken(["package", "package.up", "package.down"], found) == []


def test_an_exemption_is_for_types_alone(package):
    names, exempt = ["package", "package.down", "package.up"], {("package.down", "package.up")}
    under = "if TYPE_CHECKING:\n    from package.up import thing"
    assert broken(names, package(down=under, up=""), exempt) == []
    assert len(broken(names, package(down="from package.up import thing", up=""), exempt)) == 1


def test_an_import_of_an_unknown_module_of_the_package_is_found(package):
    assert len(broken(["package", "package.down"], package(down="import package.nowhere"))) == 1


def test_an_order_is_proposed(package):
    found = package(a="import package.b", b="from package import c", c="")
    assert proposal(["package.a", "package.b", "package.c"], found) == [
        "package.c",
        "package.b",
        "package.a",
    ]
