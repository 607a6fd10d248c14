"""What a station said and heard, kept as a WAV file per over with an index (docs/field-report.md, clause 2)."""

from gateway.recording.entry import Opening, OverEntry, Side
from gateway.recording.reader import Recordings, read_recordings
from gateway.recording.recorder import Recorder

__all__ = ["Opening", "OverEntry", "Recorder", "Recordings", "Side", "read_recordings"]
