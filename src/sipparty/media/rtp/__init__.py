"""RTP and RTCP, without I/O.

packet          one RTP packet, from bytes and back
rtcp, rtcp_xr   RTCP packets, and the blocks of extended reports
sender          numbering what is sent
source          judging what comes
remote          whose packets are the other side's, and where ours may go
silence         how long nothing has come, and when that is reported
keep_alive      what is sent where nothing else is, for NATs
rtcp_schedule   when RTCP is sent
reports         the RTCP of one stream
"""

__all__: list[str] = []
