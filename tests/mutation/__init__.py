"""Are the tests of ``domain/`` any good? Change its code a little, thousands of times, and see.

``python -m tests.mutation`` (``make mutate``) has mutmut make the mutants in ``build/mutation`` and
run against each only the pure tests that reach it. It goes on where it was stopped, and forgets
what it knew of a function that has changed. ``docs/mutation.md`` judges the survivors.
"""
