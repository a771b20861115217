"""Recording data sets from Gymnasium environments (`--collect`). Knows packages of environments, no single game.

Source: Gymnasium, Towers et al. 2024 (arXiv:2407.17032).
"""
