"""Consoles draw a snapshot and turn keys into events."""
