"""The push-to-talk session: events in, actions out."""
