"""Latent actions: their names, and what they are in a video."""
