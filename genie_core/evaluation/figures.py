"""The figures of an evaluation by their place in its JSON file: what each is called, and which way it gets better."""

from __future__ import annotations

from typing import Any, NamedTuple

GENIE_REDUX = ("GenieRedux, trained agent", "GenieRedux, random agent")  # Kazemi et al. 2024, arXiv:2409.06445


class Figure(NamedTuple):
    """`better` is "higher", "lower", "one" (the nearer to 1) or "none"; `published` follows GENIE_REDUX."""

    label: str
    better: str
    digits: int = 2
    published: tuple[str, str] = ("–", "–")


FIGURES: dict[str, Figure] = {
    "tokenizer.psnr": Figure("tokenizer PSNR, dB", "higher", 2, ("40.62", "38.25")),
    "tokenizer.ssim": Figure("tokenizer SSIM", "higher", 3, ("0.97", "0.96")),
    "tokenizer.psnr_player": Figure("tokenizer PSNR around the player, dB", "higher"),
    "rollout.psnr": Figure("10 frames from one, PSNR, dB", "higher", 2, ("31.97", "25.51")),
    "rollout.ssim": Figure("10 frames from one, SSIM", "higher", 3, ("0.90", "0.77")),
    "rollout.psnr_changed_pixels": Figure("10 frames from one, PSNR of changed pixels, dB", "higher"),
    "rollout.psnr_player": Figure("10 frames from one, PSNR around the player, dB", "higher"),
    "rollout.player_found": Figure("10 frames from one, share of frames with the player", "higher", 3),
    "rollout.sharpness": Figure("gradient energy at frame 10, of the real frame's", "one"),
    "rollout.repeat_prompt.psnr": Figure("the picture shown again, PSNR, dB", "none"),
    "rollout.repeat_prompt.psnr_changed_pixels": Figure("the picture shown again, PSNR of changed pixels, dB", "none"),
    "rollout.four_frames.psnr": Figure("10 frames from four, PSNR, dB", "higher"),
    "rollout.four_frames.ssim": Figure("10 frames from four, SSIM", "higher", 3),
    "rollout.four_frames.psnr_changed_pixels": Figure("10 frames from four, PSNR of changed pixels, dB", "higher"),
    "teacher_forced.psnr": Figure("next frame from true ones, PSNR, dB", "higher"),
    "teacher_forced.ssim": Figure("next frame from true ones, SSIM", "higher", 3),
    "teacher_forced.psnr_changed_pixels": Figure("next frame from true ones, PSNR of changed pixels, dB", "higher"),
    "teacher_forced.repeat_last.psnr": Figure("the last frame shown again, PSNR, dB", "none"),
    "fvd": Figure("FVD, 16 frames", "lower", 1),
    "fvd.between_real": Figure("FVD between real clips and others", "none", 1),
    "fvd.kernel_distance": Figure("KVD, 16 frames", "lower", 2),
    "efficientnet_lite0": Figure("Fréchet distance of single frames by EfficientNet-Lite0", "lower", 1),
    "efficientnet_lite0.kernel_distance": Figure("kernel distance of single frames by EfficientNet-Lite0", "lower", 3),
    "delta_psnr.value": Figure("ΔPSNR at frame 4, dB", "higher", 2, ("1.89, true actions", "–")),
    "delta_psnr.random_rollouts.player_found": Figure(
        "its random rollouts: share of frames with the player", "higher", 3
    ),
    "delta_psnr.random_rollouts.sharpness": Figure("its random rollouts: gradient energy at frame 16", "one"),
    "latent_action.code_gain_db": Figure("what the code is worth to the next frame, dB", "higher"),
    "latent_action.scene_cut_gain_db": Figure("the same across a cut to another level, dB", "lower"),
    "control.opposite_actions": Figure("left and right go opposite ways, share of scenes without a wall", "higher", 3),
    "control.transfer.along_x": Figure("actions of one clip move another the same way, along x", "higher", 3),
    "control.transfer.along_y": Figure("actions of one clip move another the same way, along y", "higher", 3),
    "control.rises": Figure("jump*5,stay*20 from the ground rises, share of scenes", "higher", 3),
    "control.lands": Figure("it rises and lands within 2 px, share of scenes", "higher", 3),
    "control.walls": Figure("a wall stops the player, share of scenes", "higher", 3),
    "drift.player_alive_200": Figure("player there after 200 random steps, share of rollouts", "higher", 3),
    "drift.player_alive_500": Figure("player there after 500 random steps", "higher", 3),
    "drift.alive_and_answers_200": Figure("there and answering left and right after 200", "higher", 3),
    "drift.alive_and_answers_500": Figure("there and answering left and right after 500", "higher", 3),
    "drift.idle.player_alive_200": Figure("player there after 200 idle steps", "higher", 3),
    "drift.idle.player_alive_500": Figure("player there after 500 idle steps", "higher", 3),
    "drift.held.player_alive_200": Figure("player there after 200 steps of one key", "higher", 3),
    "drift.held.player_alive_500": Figure("player there after 500 steps of one key", "higher", 3),
    "drift.frozen": Figure("frozen at the end of random play", "lower", 3),
    "drift.melted": Figure("melted at the end of random play", "lower", 3),
    "drift.exploded": Figure("exploded at the end of random play", "lower", 3),
    "drift.idle_motion_px": Figure("idle player's motion once landed, px to step 200", "lower"),
    "drift.idle_changed_area": Figure("share of the picture that changes meanwhile", "lower", 3),
}


# Those that the README shows of the shipped world.
SHOWN = (
    "tokenizer.psnr",
    "tokenizer.ssim",
    "rollout.psnr",
    "rollout.ssim",
    "rollout.psnr_changed_pixels",
    "rollout.repeat_prompt.psnr_changed_pixels",
    "rollout.four_frames.psnr",
    "teacher_forced.psnr",
    "delta_psnr.value",
    "control.opposite_actions",
    "control.transfer.along_x",
    "control.rises",
    "control.lands",
    "control.walls",
    "drift.alive_and_answers_200",
    "drift.alive_and_answers_500",
    "drift.idle_motion_px",
)


def at(report: dict[str, Any], name: str) -> Any:
    """What stands at the dotted place `name` of an evaluation, None if nothing does."""
    value: Any = report
    for key in name.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value


def nested(flat: dict[str, Any]) -> dict[str, Any]:
    """Dotted names to objects within objects."""
    tree: dict[str, Any] = {}
    for name, value in flat.items():
        *parents, last = name.split(".")
        branch = tree
        for key in parents:
            branch = branch.setdefault(key, {})
        branch[last] = value
    return tree


def told(mean: dict[str, Any] | None, digits: int) -> str:
    """A mean of an evaluation in words: `23.22 ± 0.70`, or a dash where there is none."""
    value = None if mean is None else mean.get("mean", mean.get("value"))
    if value is None or mean is None:
        return "–"
    ci95 = mean.get("ci95")
    return f"{value:.{digits}f}" + (f" ± {ci95:.{digits}f}" if ci95 is not None else "")
