"""The web demo: a Gradio app, and beside it the live games that browsers play over a socket.

seats          who sits, who waits; guests has each visitor from invitation to leaving
engine_thread  all players that are due step as one batch
player         one seat's session; outbox has what its page is still to be told
protocol       the messages, both ways; transport carries them, by WebSocket or plain HTTP
server         routes, start and end; doors lets in what may be posted
uploads        the only files that are opened; limits has every bound
tabs           what the browser shows, with static/; pages puts them together, api adds endpoints for programs
"""
