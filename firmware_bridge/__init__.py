"""Modem drivers over serial lines."""
