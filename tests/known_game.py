"""A game whose truth is known to the pixel, a world that plays it to perfection, and the same with one fault each.

The camera is locked on the player, as in CoinRun: scenery scrolls by whole pixels, CoinRun's own player stands in the
middle. It walks between two walls and jumps, at each step of a jump at a height that tells which step it is, so that
a picture tells the whole state. The three networks are planted: the tokens of a frame spell its state, the dynamics
knows the rules, the latent action model looks up what was done. All else is the real thing.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from conftest import ACTIONS
from tiny import Table
from torch import Tensor

from genie_core.config import SamplingConfig, WorldConfig, build_networks
from genie_core.data import DatasetWriter, VideoDataset
from genie_core.evaluation.measure import Effort
from genie_core.games.coinrun.detector import COLUMNS, ROWS
from genie_core.layers.quantize import VectorQuantized
from genie_core.layers.st_block import KeyValues, Past
from genie_core.models.dynamics import DynamicsModel
from genie_core.models.latent_action import LatentActionModel
from genie_core.models.tokenizer import DecoderPast, VideoTokenizer
from genie_core.pixels import to_frames, to_model
from genie_core.world import World

REAL = Path(__file__).parent / "data" / "coinrun-easy-test"
SIZE, WIDTH, HEIGHT = 64, 128, 96  # of a picture, and of a level's scenery, which repeats itself
LEVELS = 8
PACE, WALL = 2, 80  # pixels a step, and from the left wall to the right one
ARC = np.array([0, 5, 9, 12, 14, 15, 13, 10, 6])  # pixels above the ground at each step of a jump, no height twice
TOP = int(ARC.argmax())
OLDEST = 511  # steps since the prompt, counted no further
NAMES = [action.name for action in ACTIONS]
ALONG = np.array([("right" in name) - ("left" in name) for name in NAMES])
JUMPS = np.array([name.startswith("jump") for name in NAMES])
BUTTON = {"stay": 4, "left": 1, "right": 7, "jump": 5, "jump_left": 2, "jump_right": 8}  # Procgen's ids
SECTIONS = {
    "tokenizer": {"channels": [8, 8, 8, 8], "decoder_blocks": 1, "code_bits": 4},
    "latent_action": {"patch_size": 16, "width": 8, "layers": 1, "heads": 1},
    "dynamics": {"width": 4, "layers": 1, "heads": 1},
}
CONFIG = WorldConfig(
    *build_networks((SIZE, SIZE), 2, len(ACTIONS), SECTIONS),
    sampling=SamplingConfig(unmask_steps=2),
    actions=ACTIONS,
    game="coinrun",
)
DIGITS, BASE = CONFIG.dynamics.tokens, 2**CONFIG.dynamics.code_bits


class State(NamedTuple):
    """int64 arrays of one shape: steps since the prompt, the level, where along it, and the step of a jump."""

    age: np.ndarray
    level: np.ndarray
    x: np.ndarray
    jump: np.ndarray


class Game:
    """The rules and the looks. Each fault is a subclass that differs in one of the three."""

    def after(self, state: State, action: np.ndarray) -> State:
        """The state one step later under the latent actions."""
        x = self.walk(state, ALONG[action])
        jump = np.where(state.jump > 0, (state.jump + 1) % len(ARC), JUMPS[action])
        return State(np.minimum(state.age + 1, OLDEST), state.level, x, jump)

    def walk(self, state: State, along: np.ndarray) -> np.ndarray:
        return np.clip(state.x + PACE * along, 0, WALL)

    def show(self, state: State) -> np.ndarray:
        """uint8 pictures (..., 64, 64, 3)."""
        frames = scenery(state)
        middle = frames[..., ROWS, COLUMNS, :]
        middle[...] = np.where(player().any(-1, keepdims=True), player(), middle)
        return frames


def scenery(state: State) -> np.ndarray:
    """The pictures without the player."""
    rows = (np.arange(SIZE) - ARC[state.jump][..., None]) % HEIGHT
    columns = (np.arange(SIZE) + state.x[..., None]) % WIDTH
    return levels()[state.level[..., None, None], rows[..., :, None], columns[..., None, :]]


@cache
def levels() -> np.ndarray:
    """Smooth dark noise, each level a little brighter than the one before: uint8 (LEVELS, HEIGHT, WIDTH, 3)."""
    noise = np.random.default_rng(0).normal(size=(LEVELS, HEIGHT, WIDTH, 3))
    for axis in (1, 2):
        for shift in (1, 2):
            noise = noise + np.roll(noise, shift, axis)
    noise /= noise.std()
    return np.clip(30 + 6 * np.arange(LEVELS)[:, None, None, None] + 18 * noise, 0, 255).astype(np.uint8)


@cache
def player() -> np.ndarray:
    """CoinRun's player cut out of a real frame, uint8 (rows, columns, 3), 0 around it."""
    frame = VideoDataset(REAL).clip(3 * 24, 1)[0, ROWS, COLUMNS]
    return np.where(frame.min(-1, keepdims=True) > 60, frame, 0)


# ---- faults


class Frozen(Game):
    """The picture stands still."""

    def after(self, state: State, action: np.ndarray) -> State:
        return state._replace(age=np.minimum(state.age + 1, OLDEST))


class Shuffled(Game):
    """Every action does what another one should."""

    def after(self, state: State, action: np.ndarray) -> State:
        return super().after(state, (action + 1) % len(ACTIONS))


class Deaf(Game):
    """Whatever is asked, the player runs to the right."""

    does = "right"

    def after(self, state: State, action: np.ndarray) -> State:
        return super().after(state, np.full_like(action, NAMES.index(self.does)))


class Bouncing(Deaf):
    """Whatever is asked, the player jumps."""

    does = "jump"


class Lost(Game):
    """The player is gone from the hundredth step on."""

    def show(self, state: State) -> np.ndarray:
        return np.where(state.age[..., None, None, None] < 100, super().show(state), scenery(state))


class Blurred(Game):
    """Pictures are a mean over 3x3 pixels."""

    def show(self, state: State) -> np.ndarray:
        sharp = super().show(state).astype(float)
        return np.mean([np.roll(sharp, (y, x), (-3, -2)) for y in (-1, 0, 1) for x in (-1, 0, 1)], 0).astype(np.uint8)


class Hovering(Game):
    """What has risen stays up."""

    def after(self, state: State, action: np.ndarray) -> State:
        following = super().after(state, action)
        return following._replace(jump=np.where(state.jump == TOP, TOP, following.jump))


class Ghost(Game):
    """The player walks through walls."""

    def walk(self, state: State, along: np.ndarray) -> np.ndarray:
        return (state.x + PACE * along) % WIDTH


class Creeping(Game):
    """A player that is told to stay moves on by a pixel every `every` steps."""

    every = 5

    def walk(self, state: State, along: np.ndarray) -> np.ndarray:
        idle = (along == 0) & (state.age % self.every == 0)
        return np.where(idle, (state.x + 1) % WIDTH, super().walk(state, along))


class Running(Creeping):
    """The same at every step."""

    every = 1


class Plain(Game):
    """Another game: each action moves the player by a distance of its own, from any place, and round the level."""

    steps = np.array([-7, -5, -3, -1, 1, 3, 5, 7])
    order = np.arange(len(NAMES))  # which action's distance each action goes

    def after(self, state: State, action: np.ndarray) -> State:
        x = (state.x + self.steps[self.order[action]]) % (WALL + 1)
        return State(np.minimum(state.age + 1, OLDEST), state.level, x, state.jump)


class PlainDeaf(Plain):
    """All actions go as far as the third."""

    order = np.full(len(NAMES), 2)


class PlainSwapped(Plain):
    """The fourth goes as far as the sixth should, and the other way round."""

    order = np.array([0, 1, 2, 5, 4, 3, 6, 7])


class Exploding(Game):
    """Contrast grows without end."""

    def show(self, state: State) -> np.ndarray:
        return contrast(super().show(state), 1 + state.age / 40)


class Melting(Game):
    """Contrast fades away."""

    def show(self, state: State) -> np.ndarray:
        return contrast(super().show(state), np.maximum(1 - state.age / 300, 0))


def contrast(frames: np.ndarray, factor: np.ndarray) -> np.ndarray:
    mean = frames.mean((-3, -2, -1), keepdims=True)
    return np.clip(mean + (frames - mean) * factor[..., None, None, None], 0, 255).astype(np.uint8)


# ---- the planted networks


class PlantedTokenizer(VideoTokenizer):
    """Real pictures of the game to the digits of their state, and back without loss. Others are taken for the first."""

    def __init__(self, game: Game) -> None:
        super().__init__(CONFIG.tokenizer)
        self.game = game

    def encode(self, pixels: Tensor) -> Tensor:
        return spell(look_up(to_frames(pixels).numpy()))

    def decode(self, tokens: Tensor) -> Tensor:
        return to_model(torch.from_numpy(self.game.show(read(tokens))))

    def decode_next(self, tokens: Tensor, past: DecoderPast | None) -> tuple[Tensor, DecoderPast]:
        c = CONFIG.tokenizer
        blank = (torch.zeros(len(tokens), width, 2, *c.grid) for width in (c.code_bits, c.channels[-1]))
        return self.decode(tokens), DecoderPast(*blank)

    def encode_frames(self, pixels: Tensor) -> Tensor:
        return self.encode(pixels.transpose(1, 2)).flatten(2)

    def decode_frame(self, tokens: Tensor, past: DecoderPast | None) -> tuple[Tensor, DecoderPast]:
        pixels, following = self.decode_next(tokens.view(-1, 1, *CONFIG.dynamics.grid), past)
        return pixels[:, :, 0], following


class PlantedDynamics(DynamicsModel):
    """Sure of the state after the last one, whose tokens it keeps as keys, for passes that do not bring them."""

    def __init__(self, game: Game) -> None:
        super().__init__(CONFIG.dynamics)
        self.game = game

    def forward(self, clean: Tensor, drafts: Tensor, actions: Tensor, seen: None = None) -> Table:  # type: ignore[override]
        following = spell(self.game.after(read(clean[:, :-1]), actions.numpy()))
        return sure_of(torch.cat([clean[:, :1], following], 1))

    def play(  # type: ignore[override]
        self,
        tokens: Tensor,
        actions_into: Tensor,
        pasts: list[Past],
        lasts: list[KeyValues] | None,
        seen: None = None,
    ) -> tuple[Table, list[KeyValues]]:
        if lasts is None:
            kept = tokens[:, 0, :, None].float().expand(-1, -1, CONFIG.dynamics.width)
            lasts = [KeyValues(kept, kept)] * CONFIG.dynamics.layers
        grids = lasts[0].keys[..., 0].long().view(len(tokens), *CONFIG.dynamics.grid)
        into = actions_into[:, -1].clamp(max=len(NAMES) - 1)  # no action leads to a first frame, whose tokens are known
        following = spell(self.game.after(read(grids), into.numpy()))
        return sure_of(following.flatten(1)), lasts


class PlantedLatentActions(LatentActionModel):
    """Knows the rules: what was done between two pictures, and the picture after one and an action."""

    def __init__(self) -> None:
        super().__init__(CONFIG.latent_action)
        self.quantizer.codebook.copy_(torch.eye(len(ACTIONS)))

    def observe(self, pixels: Tensor) -> Tensor:
        states = look_up(to_frames(pixels).numpy())
        return torch.from_numpy(self.told(*(State(*(part[:, side] for part in states)) for side in SIDES)))[..., None]

    def infer_observed(self, observed: Tensor) -> VectorQuantized:
        indices = observed[..., 0]
        none = torch.zeros(())
        return VectorQuantized(self.quantizer.lookup(indices), indices, none, none, none, none)

    def predict(self, pixels: Tensor, codes: Tensor) -> Tensor:
        frames = self.imagined(look_up(to_frames(pixels).numpy()), codes.argmax(-1).numpy())
        return to_model(torch.from_numpy(Game().show(frames)))

    def told(self, before: State, after: State) -> np.ndarray:
        """The actions that lead from one to the other, `stay` where none does."""
        imagined = [self.imagined(before, np.full_like(before.x, action)) for action in SIMPLEST_FIRST]
        leads = [np.equal(state[1:], after[1:]).all(0) for state in imagined]
        leads[-1] = np.ones_like(leads[-1])
        return np.array(SIMPLEST_FIRST)[np.argmax(leads, 0)]

    def imagined(self, before: State, actions: np.ndarray) -> State:
        return Game().after(before, actions)


class LeakyLatentActions(PlantedLatentActions):
    """Its codes say in which level the next picture is, whatever was done."""

    def told(self, before: State, after: State) -> np.ndarray:
        return after.level

    def imagined(self, before: State, actions: np.ndarray) -> State:
        return before._replace(level=actions)


class PlainLatentActions(PlantedLatentActions):
    """Knows the rules of the plain game."""

    def told(self, before: State, after: State) -> np.ndarray:
        around = WALL + 1
        return np.argmax((after.x - before.x)[..., None] % around == Plain.steps % around, -1)

    def imagined(self, before: State, actions: np.ndarray) -> State:
        return Plain().after(before, actions)


class WrongLatentActions(PlantedLatentActions):
    """Its codes are told apart, but each is taken for another."""

    def told(self, before: State, after: State) -> np.ndarray:
        return (super().told(before, after) + 1) % len(ACTIONS)


SIDES = slice(None, -1), slice(1, None)
SIMPLEST_FIRST = [NAMES.index(name) for name in (*BUTTON, "stay")]  # ends with what is said where none leads there


def look_up(frames: np.ndarray) -> State:
    """Which states pictures (..., 64, 64, 3) show, as prompts: of age 0."""
    flat = frames.reshape(-1, SIZE, SIZE, 3)
    found = np.array([known_pictures().get(picture.tobytes(), (0, 0, 0)) for picture in flat[:, ::3, ::3]])
    level, x, jump = found.T.reshape(3, *frames.shape[:-3])
    return State(np.zeros_like(level), level, x, jump)


@cache
def known_pictures() -> dict[bytes, tuple[int, int, int]]:
    """Every ninth pixel of all pictures of the game, to level, x and jump."""
    places = [(level, x, jump) for level in range(LEVELS) for x in range(WALL + 1) for jump in range(len(ARC))]
    level, x, jump = np.array(places).T
    pictures = Game().show(State(np.zeros_like(level), level, x, jump))
    return {picture.tobytes(): place for picture, place in zip(pictures[:, ::3, ::3], places, strict=True)}


def spell(state: State) -> Tensor:
    """States (...) to tokens (..., h, w): the digits of one number."""
    number = ((state.age * LEVELS + state.level) * WIDTH + state.x) * len(ARC) + state.jump
    digits = number[..., None] // BASE ** np.arange(DIGITS - 1) % BASE
    digits = np.concatenate([digits, np.zeros_like(digits[..., :1])], -1)
    return torch.from_numpy(digits.reshape(*number.shape, *CONFIG.dynamics.grid))


def read(tokens: Tensor) -> State:
    """Inverse of `spell`."""
    digits = tokens.flatten(-2).numpy()[..., :-1]
    number = (digits * BASE ** np.arange(DIGITS - 1)).sum(-1)
    number, jump = np.divmod(number, len(ARC))
    number, x = np.divmod(number, WIDTH)
    age, level = np.divmod(number, LEVELS)
    return State(age, level, x, jump)


def sure_of(tokens: Tensor) -> Table:
    """A prediction of tokens (..., h, w) that leaves no doubt."""
    factors, vocabulary = CONFIG.dynamics.token_factors, CONFIG.dynamics.factor_vocabulary
    parts = tokens[..., None] // vocabulary ** torch.arange(factors - 1, -1, -1) % vocabulary
    return Table(30.0 * F.one_hot(parts, vocabulary))


def make_world(game: Game | None = None, latent_action: PlantedLatentActions | None = None) -> World:
    """A world that plays `game`, by default without any fault."""
    world = World(CONFIG)
    world.name = type(game or latent_action or Game()).__name__.lower()
    world.tokenizer, world.dynamics = PlantedTokenizer(game or Game()), PlantedDynamics(game or Game())
    world.latent_action = latent_action or PlantedLatentActions()
    for network in world.networks().values():
        network.eval().requires_grad_(False)
    return world


# ---- a data set of the game, and how much is measured on it

EFFORT = Effort(clips=12, longest=16, scenes=4, rollouts=2, steps=200)


def record(out: Path, seed: int = 0) -> VideoDataset:
    """Long episodes far from the walls, and for each level short ones that stand still or push against a wall."""
    rng = np.random.default_rng(seed)
    with DatasetWriter(out, source={"game": "coinrun", "levels": [0, LEVELS]}, frame_size=(SIZE, SIZE)) as writer:
        for level in range(LEVELS):
            writer.add_episode(*played(level, WALL // 2, wandering(rng)), level)
            for name, x in (("stay", WALL // 2), ("left", 0), ("right", WALL)):
                writer.add_episode(*played(level, x, [name] * 8), level)
    return VideoDataset(out)


def wandering(rng: np.random.Generator) -> list[str]:
    """Names of 40 actions held for a while each, as often to the right as to the left; a jump is pressed once."""
    runs = [[name] * 3 for name in ("left", "right", "stay") for _ in range(3)]
    jumps = [[name] + ["stay"] * (len(ARC) - 1) for name in ("jump",)]
    pieces = runs + jumps
    return [name for piece in rng.permutation(len(pieces)) for name in pieces[piece]]


def played(level: int, x: int, names: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """The pictures of an episode and the buttons pressed between them."""
    state = State(*np.array([0, level, x, 0]))
    states = [state]
    for name in names:
        state = Game().after(state, np.array(NAMES.index(name)))
        states.append(state)
    frames = Game().show(State(*map(np.array, zip(*states, strict=True))))
    return frames, np.array([BUTTON[name] for name in names])
