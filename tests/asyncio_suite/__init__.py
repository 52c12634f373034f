"""Other projects' tests of tasks, run with coroutines that are stepped in place."""
