"""Call somebody, talk, hang up: `python first_call.py [sip:user@host]`.

Without an argument a second party on this machine is called, so that there is somebody to answer.
"""

import sys

from sipparty import AudioParty, SIPPartyError, ToneSource


def main() -> None:
    with AudioParty("alice@atlanta.com") as alice, AudioParty("bob@biloxi.com") as bob:
        bob.listen(0, address="127.0.0.1")
        target = sys.argv[1] if len(sys.argv) > 1 else bob
        try:
            with alice.call(target, timeout=60) as call:
                print("talking")
                call.play(ToneSource(440, duration=0.3)).wait(timeout=10)
        except SIPPartyError as error:
            sys.exit(f"No call: {error}")
        print("done:", call.session.statistics.packets_sent > 0)


if __name__ == "__main__":
    main()
