"""Mutation testing: a seeded sample of one-line changes to the contracts and to the model, each run against the tests.

Mutants are made by universalmutator. A run can be stopped at any time and goes on where it was.
"""
