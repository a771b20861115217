"""Scripts that make parts of shipped worlds, run by hand."""
