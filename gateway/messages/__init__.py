"""Buffered messages on this machine: the spool on disk, and what moves messages between it and the link."""
