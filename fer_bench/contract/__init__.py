"""The contract that every architecture must pass.

`checks` defines the checks and `run` runs them, in this process or in a subprocess on another backend. The command
`check` and the tests over the whole registry use the same checks.
"""
