"""What every architecture of the registry promises, as checks that say what is wrong and what to do.

`checks` holds them, `run` runs them: in this process, or on another backend in one of its own. The command `check`
and the test suite's table over the whole registry are the same checks.
"""
