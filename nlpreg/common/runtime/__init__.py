"""What a run stands on: its process, its environment and its memory."""
