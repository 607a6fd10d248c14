"""Framings: packets to bytes and back, without I/O."""
