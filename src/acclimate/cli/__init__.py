"""The command line: a file for each command, which calls `Project` and prints."""
