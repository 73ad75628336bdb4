"""What is played to the other side.

playable              anything that can be played, as a feed
sources, call_tones   samples, WAV files, tones; the tones of telephone networks
files                 sound files of any format
feeding, fillers      queues, and the threads and tasks that fill them
player, track         what is played now and next, with loop, fade, gain and marks
playback              the handle
"""

__all__: list[str] = []
