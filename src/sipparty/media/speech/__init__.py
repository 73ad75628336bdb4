"""Speech in what is heard.

activity     voice activity by energy, without I/O
detection    speech and silence as events; interruption of what is played
utterances   what is said, piece by piece
answering    who has answered: a person, or a machine
"""

__all__: list[str] = []
