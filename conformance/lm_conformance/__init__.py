"""The conformance suite: checks that hold between a trainer and the pages of `lm_reference`."""

__version__ = "0.1.0"
