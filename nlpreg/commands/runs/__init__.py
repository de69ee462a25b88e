"""Several runs of one config: grids of values, seeds, folds and searches, each run in a folder and a process of its own."""
