"""The offline trainer of the codec."""
