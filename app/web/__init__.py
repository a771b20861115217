"""The web demo: a Gradio app, and beside it the live games that browsers play over a socket.

seats          who sits, who waits; guests has each visitor from invitation to leaving, staying the rules for it
guest, game    a visitor, and the game that it begins or comes back to
engine_thread  all players that are due step as one batch; what else they ask for is charged to them
player         one seat's session; outbox has what its page is still to be told; program is a player of the endpoints
protocol       the messages, both ways; transport carries them, by WebSocket or plain HTTP; told makes the larger ones
server         start and end; routes has the games' addresses
doors          lets in what may be asked, by whom origin and clients tell; connections hangs up on silence
proxy          says whose word is taken; headers tells browsers what may run and where the page may be shown
uploads        the only files that are opened, out of upload_folder; calls shares Gradio's queue; limits has every bound
share          links that replay a moment, by what course keeps of each branch
attract        the film before the first game; turns makes long work wait
watching       lets the queue watch a game whose player agrees
tabs           what the browser shows, with static/; pages puts them together, api adds endpoints for programs
"""
