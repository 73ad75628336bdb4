"""Call somebody, talk, hang up: `python first_call.py [sip:user@host]`.

Without an argument a second party on this machine is called, so that there is somebody to answer.
"""

import sys

from sipparty.errors import CallFailed
from sipparty.media import ToneSource
from sipparty.parties import SingleRTPSessionSimplenParty


def main() -> None:
    with (
        SingleRTPSessionSimplenParty("alice@atlanta.com") as alice,
        SingleRTPSessionSimplenParty("bob@biloxi.com") as bob,
    ):
        if len(sys.argv) > 1:
            call = alice.invite(sys.argv[1])
        else:
            bob.listen(0, address="127.0.0.1")
            call = alice.invite(bob)

        # A verb returns at once. Wait until the call is more than begun.
        call.waitForStateCondition(lambda state: state != call.States.InitiatingDialog, timeout=60)
        if call.state != call.States.InDialog:
            sys.exit(f"No call: {call.last_error}")
        print("talking")
        call.session.play(ToneSource(440, duration=0.3)).wait(timeout=10)

        call.terminate()
        try:
            call.wait(timeout=40)
        except CallFailed as error:
            sys.exit(f"Hanging up failed: {error}")
        print("done:", call.session.statistics.packets_sent > 0)


if __name__ == "__main__":
    main()
