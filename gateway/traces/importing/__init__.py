"""Traces of others, read into ours."""

from gateway.traces.importing.any_file import import_file
from gateway.traces.importing.report import Imported, ImportOptions, ImportReport

__all__ = ["ImportOptions", "ImportReport", "Imported", "import_file"]
