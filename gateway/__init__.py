"""clarilink: push-to-talk voice at 300 bit/s."""
