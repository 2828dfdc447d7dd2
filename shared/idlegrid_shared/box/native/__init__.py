"""The box of native programs: a wall made by the system's kernel, for Linux only.

:mod:`.wall` chooses bubblewrap or Landlock, :mod:`.launcher` closes it around the program,
:mod:`.syscall` says which system calls go through it, :mod:`.process` watches what runs inside,
:mod:`.probe` tries on this machine whether it holds.
"""
