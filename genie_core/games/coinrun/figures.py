"""Figures that only CoinRun has, and what others published of it."""

from __future__ import annotations

from genie_core.figures import FIGURES as GENERAL
from genie_core.figures import Figure

REFERENCES = ("GenieRedux, trained agent", "GenieRedux, random agent")
SOURCES = (
    "Published figures: GenieRedux, Kazemi et al. 2024 (arXiv:2409.06445), tables 1 and 3: the original CoinRun, "
    "other levels and players, for one of the two in hard mode, so landmarks rather than a ranking. Its ΔPSNR is "
    "GenieRedux-G-TA's, which is told the true actions. Genie (arXiv:2402.15391) reports 1.91 on its Platformers "
    "videos."
)
PUBLISHED = {
    "tokenizer.psnr": ("40.62", "38.25"),
    "tokenizer.ssim": ("0.97", "0.96"),
    "rollout.psnr": ("31.97", "25.51"),
    "rollout.ssim": ("0.90", "0.77"),
    "delta_psnr.value": ("1.89, true actions", "–"),
}
FIGURES = {name: GENERAL[name]._replace(published=values) for name, values in PUBLISHED.items()} | {
    "tokenizer.psnr_player": Figure("tokenizer PSNR around the player, dB", "higher"),
    "rollout.psnr_player": Figure("10 frames from one, PSNR around the player, dB", "higher"),
    "rollout.player_found": Figure("10 frames from one, share of frames with the player", "higher", 3),
    "delta_psnr.random_rollouts.player_found": Figure(
        "its random rollouts: share of frames with the player", "higher", 3
    ),
    "latent_action.scene_cut_gain_db": GENERAL["latent_action.scene_cut_gain_db"]._replace(
        label="the same across a cut to another level, dB"
    ),
    "control.opposite_actions": GENERAL["control.opposite_actions"]._replace(
        label="left and right go opposite ways, share of scenes without a wall"
    ),
    "control.transfer.along_x": Figure(
        "actions of one clip move another the same way, along x", "higher", 3, shown=True
    ),
    "control.transfer.along_y": Figure("actions of one clip move another the same way, along y", "higher", 3),
    "control.rises": Figure("jump*5,stay*20 from the ground rises, share of scenes", "higher", 3, shown=True),
    "control.lands": Figure(
        "a jump from the ground rises and lands within 2 px, share of scenes", "higher", 3, "lands", shown=True
    ),
    "control.walls": Figure("a wall stops the player, share of scenes", "higher", 3, "walls", shown=True),
    "drift.player_alive_200": Figure("player there after 200 random steps, share of rollouts", "higher", 3),
    "drift.player_alive_500": Figure("player there after 500 random steps", "higher", 3),
    "drift.alive_and_answers_200": Figure(
        "player there and obeying left and right after 200 random steps",
        "higher",
        3,
        "alive_and_answers_200",
        shown=True,
    ),
    "drift.alive_and_answers_500": Figure(
        "player there and obeying left and right after 500 random steps",
        "higher",
        3,
        "alive_and_answers_500",
        shown=True,
    ),
    "drift.idle.player_alive_200": Figure("player there after 200 idle steps", "higher", 3),
    "drift.idle.player_alive_500": Figure("player there after 500 idle steps", "higher", 3),
    "drift.held.player_alive_200": Figure("player there after 200 steps of one key", "higher", 3),
    "drift.held.player_alive_500": Figure("player there after 500 steps of one key", "higher", 3),
    "drift.idle_motion_px": Figure("idle player's motion once landed, px to step 200", "lower", shown=True),
    "drift.idle_changed_area": Figure("share of the picture that changes meanwhile", "lower", 3),
}
