"""Recorded traces: what a link did, one record per packet or event, on disk as it happens (docs/traces.md)."""

from gateway.traces.reader import TraceReader
from gateway.traces.record import Direction, Outcome, TraceHeader, TraceRecord
from gateway.traces.writer import TraceWriter, WhenFull

__all__ = ["Direction", "Outcome", "TraceHeader", "TraceReader", "TraceRecord", "TraceWriter", "WhenFull"]
