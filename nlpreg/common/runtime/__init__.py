"""The runtime of a command: process, environment and memory."""
