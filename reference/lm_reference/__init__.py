"""The specification that runs: every published method as one short page.

A page is a module whose docstring holds numbered clauses and whose lines carry the clauses' numbers.
`lm_reference.page` reads the pages without importing them, `lm_reference.rounding` evaluates them with
the bound of the rounding error that an honest implementation may make.
"""
