"""The web demo: a Gradio app, and beside it the live games that browsers play over a socket.

hall       who sits, who waits
ticker     the engine's thread: all players who are due step as one batch
player     one seat's session, keys and credit; outbox, what it has to tell
wire       the messages, both ways
link       a player's connection, by WebSocket or by plain HTTP
server     routes, and the life of it all
view       what is drawn in the browser, with static/; pages and api are what Gradio serves
"""
