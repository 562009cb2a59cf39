"""The checks, a module for each area. Each module has a list `CHECKS`."""
