"""The pygame window: the only files that import pygame."""
