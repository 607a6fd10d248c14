"""The air protocol: pure functions on bytes, specified in SPEC.md."""
