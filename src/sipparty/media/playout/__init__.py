"""From packets that come at any time to frames in step.

jitter                    the playout buffer
packet_queue, media_time  order by sequence number, and one time for all clocks of a stream
delay                     how long packets have to wait
filling                   what takes the place of what is lost: by the codec, or by the wave
concealment, waveform     carrying the wave on, cross-fading, stretching and shortening
agreed                    the buffer that an agreement asks for
comfort_noise             noise in the pauses of a sender (RFC 3389)
"""

__all__: list[str] = []
