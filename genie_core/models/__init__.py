"""The three networks: logits and codes, no sampling, no files."""
