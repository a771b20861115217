"""What a player sees and touches: the window, the recordings, the browser. pygame and Gradio live here only."""
