"""What `tests/benchmarks/fuzz.py` damages, a file for each family of inputs."""
