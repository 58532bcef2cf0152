"""Modules that are run from a checkout, ``python -m training.NAME``: they make data and models."""
