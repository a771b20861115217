"""One playthrough, whoever shows it: the session, its commands and files, and how it begins. No pygame, no Gradio."""
