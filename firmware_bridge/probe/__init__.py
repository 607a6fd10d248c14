"""Measuring a modem: probes across the air, what they tell, and words for when nothing comes back."""
