"""What is accelerated, compared with what it was."""
