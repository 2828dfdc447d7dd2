"""A whole project in one thread under a virtual clock: real server, real clients, a bad world.

``world`` keeps time and order, ``mix`` draws what a seed is about, ``network`` loses, doubles and
delays, ``server`` and ``agent`` are the real programs with the edges replaced, ``scientist`` works
over REST, ``invariant`` says what must hold, ``run`` tells one seed from its start to its end,
``campaign`` runs many.

``python -m tests.simulation --seeds N --start S`` runs seeds; a failure prints its seed and the
last events.
"""
