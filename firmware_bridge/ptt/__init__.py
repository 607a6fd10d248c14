"""Push-to-talk: keying a transmitter, and the keys that operators press."""
