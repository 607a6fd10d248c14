"""Modem drivers, one module per kind of modem."""
