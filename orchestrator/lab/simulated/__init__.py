"""A fleet of simulated hosts: real SSH, a real shell, and stand-ins for what would change a kernel."""

MOST_HOSTS = 5000
"""Here and not in `machines`: every start of the command line asks for it."""
