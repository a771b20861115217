"""Worlds on the Hugging Face Hub. It knows repositories and files, not what is in them.

huggingface_hub is imported inside the functions alone: playing a world from a folder must not wait for it.
"""
