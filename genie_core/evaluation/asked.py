"""Does asking for an action get it? Each is held from held-out clips; then the world's own latent action model is asked
what was done, and the pictures are asked how different the actions' effects are. No labels and no game are needed.
"""

from __future__ import annotations

import numpy as np
from tqdm import tqdm

from genie_core.data.scenes import Clips, spread
from genie_core.evaluation.effects import effect_of, measure_effects
from genie_core.figures import Samples, curve
from genie_core.games import Subject

FOUND = "control.found_again"


def measure_asked(subject: Subject, clips: Clips, past: int, scenes: int, quiet: bool = False) -> Samples:
    """`control.found_again` and `control.effects`, from the first `past` frames of up to `scenes` clips.

    Every action is held from the same clips for half a second of play, as for its name. A shorter hold
    would miss effects that build up; the curve by step says whether a longer one would change the figure. The clip
    comes with its own inferred actions, for a single picture tells neither network what is going on already.
    """
    prompts = clips.frames[spread(len(clips), scenes), :past]
    inside = subject.infer(prompts)
    found, effects = [], []
    for action in tqdm(subject.actions, desc="asked actions", unit=" actions", disable=quiet):
        held = np.full((len(prompts), subject.hold), action.id)
        frames = subject.play(prompts, np.concatenate([inside, held], axis=1))
        found.append(subject.infer(frames)[:, past - 1 :])
        effects.append(effect_of(frames[:, past - 1 :]))
    samples = found_again(np.stack(found, axis=1))
    samples.update(measure_effects(np.stack(effects, axis=1)))
    return samples


def found_again(found: np.ndarray) -> Samples:
    """Of actions inferred where each was asked for, int (prompts, actions, steps): one share a prompt.

    Row i of `confusion` says which actions were found, in shares, where action i was asked for.
    """
    count = found.shape[1]
    hit = found == np.arange(count)[:, None]
    confusion = (found[..., None] == np.arange(count)).mean((0, 2))
    return Samples(
        {f"{FOUND}.value": hit.mean((1, 2))},
        {f"{FOUND}.by_code": curve(hit.mean(2)), f"{FOUND}.by_step": curve(hit.mean(1))},
        {f"{FOUND}.chance": 1 / count, f"{FOUND}.confusion": confusion.round(4).tolist()},
    )
