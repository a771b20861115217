"""The bounds of the web demo. A visitor may be anybody, so each size, count and wait has one, with its reason."""

from __future__ import annotations

# What comes in
UPLOAD_BYTES = 20 * 2**20  # one file: a photograph of any phone, or half a minute of video
UPLOAD_REQUEST_BYTES = 2 * UPLOAD_BYTES  # one upload: a drawing comes as several files
REQUEST_BYTES = 2**18  # one call of an endpoint: a script and some settings
POST_BYTES = 2**15  # one post of a page without a WebSocket: the messages of a second; one link that replays a moment
MESSAGE_BYTES = 2048  # one message: a script of the length below, and room
SCRIPT_LENGTH = 1000  # characters of an autoplay script
PICTURE_PIXELS = 40_000_000  # one picture: 120 MB while it is read
CLIP_FRAMES = 450  # one clip: half a minute at 15 frames a second
MESSAGES_A_SECOND = 300  # of one player: ten fingers and every frame acknowledged are below 100
TASKS_WAITING = 200  # of one player: more wait only if each is dear and they come faster than they can be done
HEAD_SECONDS, BODY_SECONDS = 10.0, 20.0  # for the head of a request, and for the next part of its body
BODY_BYTES_A_SECOND = 50_000  # of the slowest connection: a body takes no longer, however often a part comes
SEND_SECONDS = 30.0  # for a client to fetch the next part of an answer

# What a client takes: an address, or a network of IPv6. Twenty people behind one may open the page at once.
IPV6_BITS = 64  # of a network that one household gets
CONNECTIONS_A_CLIENT = 100  # open at once: a page has five
WORK_MS, WORK_MS_A_SECOND = 10_000.0, 250.0  # of the server's time, by the prices below; four pages that poll take half
UPLOADED_BYTES, UPLOADED_BYTES_A_SECOND = 200 * 2**20, 2**16  # and 230 MB an hour
UPLOADS_BYTES = 2 * 2**30  # of all clients, kept for two hours at most
HALF_SECONDS = 60.0  # after its last byte an upload that broke off is deleted
CALLS_A_CLIENT = 16  # in Gradio's queue, of REQUESTS_WAITING

# Prices of a request in milliseconds, about what it was measured to take of a core
PAGE_MS, FILE_MS, STREAM_MS = 30.0, 3.0, 10.0  # the page is 0.2 MB made anew; a page has 100 files
BEGIN_MS = 80.0  # a link is unpacked pixel by pixel
POLL_MS = 1.0
CALL_MS = 30.0  # of an endpoint: its work is done by turns
SOCKET_MS = 50.0  # a new player's picture is encoded
DOWNLOAD_MS = 300.0  # a film is encoded

# What is played
PASSES, TEMPERATURE = 8, 2.0  # a frame of more passes would cost the other players their pace
STEPS = 40_000  # of all lines of one player, 0.9 kB each
KEPT_MOMENTS, LINES_SHOWN = 24, 12  # a strip of pictures that fits a page
ROLLOUT_STEPS = 900  # of one /rollout or /steps: a minute at 15 steps a second
ROLLOUTS_WAITING = 8  # of one client: ten minutes of work
FILM_FRAMES = 4500  # of one download: five minutes at 15 frames a second; of a longer playthrough its end
FILM_BYTES = 60_000_000  # of these frames as they are played: 4,882 of 64x64 pixels, fewer of larger worlds
DOWNLOADS = 4  # made at once
GIF_SECONDS = 10  # up to the moment shown: a GIF of more is too large to send to anybody

# Who plays
WAITING = 50  # players in the queue: more would wait for hours
WAITING_A_CLIENT = 4  # of them from one address: a family behind one
SHARE_SECONDS = 60.0  # that a client without a seat waits at most for one of a client with several
INVITED, INVITED_SECONDS = 64, 60.0  # games begun whose page has not connected, and how long they are kept
REQUESTS_WAITING = 64  # calls of endpoints in Gradio's queue
WORLDS_LOADED = 3  # beside the world that the demo was started with
WORLD_BYTES = 400_000_000  # one world that a visitor names on the Hub
BROUGHT_BYTES = 2_000_000_000  # all such worlds on the disk: those that are loaded, and one on its way

# What waits to go out
CREDIT = 2  # frames sent and not drawn yet: one is drawn while the next travels, and nothing piles up
MESSAGES_UNSENT = 200  # a page that lets more pile up is gone
BEAT_SECONDS = 0.7  # between two signs of life to a page that stands still

# When a seat is freed: seconds without
STARVING_SECONDS = 10.0  # a frame drawn by the page
AWAY_SECONDS, AWAY_WAITED_SECONDS = 120.0, 5.0  # a connection, while nobody waits and while others do: a reload
IDLE_SECONDS, IDLE_ALONE_SECONDS = 60.0, 900.0  # a key or a button, while others wait and while nobody does
PLACE_SECONDS, PLACE_IDLE_SECONDS = 20.0, 300.0  # a connection, and any sign of life, of a page in the queue
PROGRAM_IDLE_SECONDS = 60.0  # a step of a game that a program plays
POLL_SECONDS = 4.0  # a question from a page that has no WebSocket

# What is kept of a game whose seat was freed
PARKED_SECONDS, PARKED_BYTES = 600.0, 64 * 2**20


def frames_that_fit(frame_size: tuple[int, int]) -> int:
    """How many frames (H, W) of a world are held at once for a file."""
    height, width = frame_size
    return max(2, FILM_BYTES // (3 * height * width))
