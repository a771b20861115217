"""Reads any video; writes mp4, gif, png and npz."""
