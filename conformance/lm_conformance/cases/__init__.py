"""Inputs of checks, and the strategies that draw them so that right and wrong lie far apart."""
