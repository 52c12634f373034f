"""Real peers on the other side: other libraries, in both directions, where they are installed."""
