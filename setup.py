"""All metadata is in setup.cfg; this file adds the shipped configs, which lie outside the folder of the package."""

from setuptools import find_packages, setup

CONFIGS = "nlpreg.training_configs"
# what commands print, write, or put into a page
TEXTS = ["commands/*.txt", "commands/completions/*", "commands/report/*.css", "commands/show/plugin/**"]

setup(
    packages=[*find_packages(include=["nlpreg", "nlpreg.*", "nlpreg_models"]), CONFIGS],
    package_dir={CONFIGS: "training_configs"},
    package_data={"nlpreg": ["py.typed", *TEXTS], CONFIGS: ["*.jsonnet", "*.libsonnet", "data/*"]},
)
