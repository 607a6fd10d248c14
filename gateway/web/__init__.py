"""The web console: served by the gateway, without a byte from elsewhere."""
