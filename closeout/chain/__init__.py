"""Everything that talks to a chain. The only place that may import Ape."""
