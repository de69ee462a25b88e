"""Configs: registries, annotations as kinds, resolving and building, schemas, places in Jsonnet, and problems in words."""
