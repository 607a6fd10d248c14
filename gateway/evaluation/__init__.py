"""How good the codec is, measured: recognisers, reference codecs, one table."""
