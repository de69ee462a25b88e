"""The version of this package, readable without importing anything else."""

VERSION = "0.1.0"
VERSION_SHORT = ".".join(VERSION.split(".")[:2])
