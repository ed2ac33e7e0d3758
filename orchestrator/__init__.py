"""Patchwave: live-patches fleets of Linux hosts in waves and keeps the windows in which they were exposed."""
