"""Measures of the whole program, on real parts: processes, sockets, disks. Run by ``make bench``.

Nothing here is a test: numbers depend on the machine and on what else runs on it. Ratios against
named peers are taken in the same run. docs/benchmarks.md says how each number is taken.
"""
