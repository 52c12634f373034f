"""Nothing is kept: memory, objects and file descriptors stay the same however often a thing is done."""
