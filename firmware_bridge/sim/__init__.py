"""Virtual modems: the other end of each driver's cable."""
