"""Worlds and the web demo on the Hugging Face Hub: names, downloads, uploads, model cards and Spaces.

huggingface_hub is imported inside functions only: playing a world from a folder must not wait for it.
"""
