"""Whole published configurations, as data."""
