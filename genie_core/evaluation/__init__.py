"""Measurements of a world: picture metrics, control, long play, distances, speed, and their report."""
