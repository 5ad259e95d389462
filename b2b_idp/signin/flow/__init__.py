"""The sign-in's verbs, a file each: `begin`, `look`, `answer`, `home_answered`, `conclude`. Each is: read the facts,
compute the next step, take it by one conditional update (`advance`).

Network calls stand between transactions, never inside one. A killed server leaves facts; the next step is computed
from them again.
"""
