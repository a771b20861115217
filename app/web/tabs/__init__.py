"""The three tabs of the web demo."""
