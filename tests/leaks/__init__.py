"""Nothing is kept: whatever is done, memory, objects and files are as they were before."""
