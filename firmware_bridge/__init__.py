"""Modems: drivers, virtual modems, push-to-talk keying, and the bridge process that serves them over a network."""
