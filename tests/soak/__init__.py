"""A soak: thousands of idle connections, minutes of hostile load, and nothing lost or leaked."""
