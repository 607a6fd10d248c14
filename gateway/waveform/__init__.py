"""A software modem and the water between: packets as sound, through measured or made-up impulse responses."""
