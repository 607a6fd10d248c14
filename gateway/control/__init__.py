"""What an operator sees and asks, as values: snapshots and news out, requests in. All consoles stand on this alone."""
