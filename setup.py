"""All metadata is in setup.cfg; this file exists for tools that look for it."""

from setuptools import setup

setup()
