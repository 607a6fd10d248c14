"""Sound in and out: devices, files, reframing."""
