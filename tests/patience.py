"""How long tests wait for what another program, thread or socket is about to do."""

PATIENCE_S = 180.0
"""Only a failure takes so long; a slow machine once took a minute to start a station."""
