"""Early signs of trouble in what is measured while a stage learns, in words that say what to change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

EARLY = 0.3  # of a stage: before, everything looks like trouble
BLURRED = 0.5
"""Share of the neighbours' differences that reconstructions keep: at half, small things are gone."""
UNUSED = 0.1
"""Codebook usage: below a tenth, a token tells three bits less than it could."""
DEAD = 0.01
"""Share of the steps with a code: nobody would find out what it does. The quantizer revives codes at the same."""
ALL_IN_ONE = 0.8
"""Share of the steps with one code: the others are noise."""
ERRORS = 2.0
"""Standard errors: a ΔPSNR nearer to 0 cannot be told from 0."""


def signs(stage: str, progress: float, values: Mapping[str, float]) -> Iterator[str]:
    """What looks wrong after `progress` of `stage`, from its `values`: `val/sharpness`, `val/code_0`, `delta_psnr` …"""
    if progress < EARLY:
        return
    sharpness, usage = values.get("val/sharpness"), values.get("val/codebook_usage")
    if sharpness is not None and sharpness < BLURRED:
        yield (
            f"{stage}: reconstructions keep {sharpness:.0%} of the detail. Set texture = 1.0 in [train.{stage}], or "
            "raise gradients with reference = true; or give more code_bits or channels in [tokenizer] of another run"
        )
    if usage is not None and usage < UNUSED:
        yield (
            f"{stage}: {usage:.0%} of the codebook is in use. Raise codebook_entropy in [train.{stage}] tenfold, or "
            "take fewer code_bits"
        )
    yield from _signs_of_codes(stage, [values[name] for name in sorted(values) if name.startswith("val/code_")])
    gain, error = values.get("delta_psnr"), values.get("delta_psnr_error", 0.0)
    if gain is not None and gain < ERRORS * error:
        yield (
            f"{stage}: actions make no difference yet (ΔPSNR {gain:.2f} ± {error:.2f} dB). If this stays so, look at "
            "the codes of latent_action: more frames, a recording of more varied play, or --labels; then train on"
        )


def _signs_of_codes(stage: str, shares: list[float]) -> Iterator[str]:
    dead = sum(share < DEAD for share in shares)
    if shares and max(shares) > ALL_IN_ONE:
        yield (
            f"{stage}: one code stands for {max(shares):.0%} of the steps. The video hardly moves, or everything in it "
            "moves alike: leave still stretches out, or set another horizon in [latent_action] of another run"
        )
    elif dead > len(shares) / 2:
        yield (
            f"{stage}: {dead} of {len(shares)} codes are dead. In another run, set num_actions = "
            f"{max(2, len(shares) - dead)}"
        )
