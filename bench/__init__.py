"""Benchmarks: ``python -m bench [NAME…]`` prints one table for each group and writes its rows as JSON."""
