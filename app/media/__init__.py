"""Writes mp4, gif, png and npz."""
