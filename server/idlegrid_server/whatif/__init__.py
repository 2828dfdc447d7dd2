"""What if: a grid of made-up hosts in memory, driven by the decisions that production makes.

``population`` draws hosts from published figures, ``behaviour`` says what they answer, ``timeline``
when they compute. ``grid`` is the event-driven engine: it dispatches, reports and judges with the
very functions of ``domain/`` (``rules`` names them; override one to compare it with another), keeps
only what is open, and counts what it came to (``outcome``). ``question`` asks it several times over
and answers with percentiles. Nothing here touches a database, a clock or a network.
"""
