"""Links carry packets between stations."""
