"""Configs: registries, annotations, resolving and building, JSON Schema, locations in Jsonnet files, and error reports."""
