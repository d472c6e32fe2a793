"""Slither over what is shipped, held to a list of findings that were looked at: nothing open, nothing stale."""
