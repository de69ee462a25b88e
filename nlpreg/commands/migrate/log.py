"""What a migration did, and what it leaves to a person."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["MigrationLog"]


@dataclass
class MigrationLog:
    """Two lists of messages, each with its place.

    Args:
        done: message -> place of what was rewritten.
        left: message -> place of what a person has to look at.
    """

    done: dict[str, str] = field(default_factory=dict)
    left: dict[str, str] = field(default_factory=dict)

    def did(self, place: str, message: str) -> None:
        """Note something that was rewritten."""
        self.done.setdefault(message, place)

    def leave(self, place: str, message: str) -> None:
        """Note something for a person; the same message is kept once."""
        self.left.setdefault(message, place)
