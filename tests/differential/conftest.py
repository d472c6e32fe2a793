from tests.differential.chains import engine, engine_harness, maths, node

__all__ = ["engine", "engine_harness", "maths", "node"]
