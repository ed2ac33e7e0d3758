"""A fleet of simulated hosts: real SSH, a real shell, and stand-ins for what would change a kernel."""
