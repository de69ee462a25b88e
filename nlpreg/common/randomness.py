"""The one seed from which the order of data follows."""

__all__ = ["DEFAULT_SEED", "run_seed", "set_run_seed"]

DEFAULT_SEED = 13370

_run_seed = DEFAULT_SEED


def set_run_seed(seed: int) -> None:
    """Set the seed of data order; `prepare_environment` does so from the config's `random_seed`."""
    global _run_seed
    _run_seed = seed


def run_seed() -> int:
    """The seed of data order: the order of epoch *e* on rank *r* is a function of (this, e, r) alone."""
    return _run_seed
