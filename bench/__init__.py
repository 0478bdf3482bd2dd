"""Benchmarks: ``python -m bench [NAME…]`` prints one table and writes ``bench/results/NAME.json`` for each group."""
