"""For monitoring systems: metrics for Prometheus, spans for OpenTelemetry.

    ==================================  =====================================================
    `sipparty.telemetry.prometheus`     `Metrics`: calls, how long, how good, what is refused
    `sipparty.telemetry.opentelemetry`  `Spans`: one for each call, one for each transaction
    ==================================  =====================================================

Both are context managers that are given parties or engines, and need the extra `telemetry`. While
neither is in use, nothing is counted for them.
"""

__all__: list[str] = []
