"""Plots: the artists hold the right numbers, the band has its level and sees a wrong variance, files are whole and repeatable.

Stochastic tests have fixed seeds and fail on a right program with probability at most 1e-6 if the seed were drawn anew. A variance
2 % too large is seen at 1e6 networks.
"""

import dataclasses
import io
import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import matplotlib
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image
from scipy import stats

import fanin
from fanin import plot
from fanin.engine.accumulators import BINS, bin_edges
from fanin.plot.claim_rows import COLUMN, LIMIT, rows_of
from fanin.plot.limits import scores_of, tails_of
from fanin.plot.sample import density_of, recorded, samples
from fanin.stats.verdict import REFUTED, Claim

PANELS = (plot.density, plot.quantiles, plot.tails, plot.claims)
SD = {"standard": np.sqrt(11.0), "scaled": np.sqrt(1.5)}


def ensemble(scheme, **options):
    return fanin.Ensemble((20, 1), scheme, **options)


@pytest.fixture(scope="module")
def report():
    """Three ensembles whose scales differ, one with an atom at zero: z = 0 with probability 0.2**4."""
    wrong = Claim("scaled/1/z.variance/wrong", "scaled", 1, "z.variance", 2.0, 0.01, "wrong", expected=REFUTED)
    atom = fanin.Ensemble((4, 1), "he_normal", inputs="bernoulli:0.8")
    study = fanin.Study(
        "three", "p", {"standard": ensemble("standard"), "scaled": ensemble("scaled"), "atom": atom}, (wrong,), networks=1_000_000
    )
    return fanin.verify(study, alpha=1e-6)


@pytest.fixture(scope="module")
def wide():
    """Networks whose variance is 2 % larger than the ensemble in the report says."""
    said = ensemble("standard")
    result = fanin.simulate(ensemble("normal:1.00995+normal:1.00995"), networks=1_000_000, seed=3)
    study = fanin.Study("wide", "p", {"standard": said}, networks=1_000_000)
    return fanin.Report(study, {"standard": dataclasses.replace(result, ensemble=said)}, [], 1e-6)


def below(result, edge):
    """Networks with z below a recorded edge, counted anew from the bins."""
    positive, negative = result.layers[1].bins[: BINS // 2], result.layers[1].bins[BINS // 2 :]
    edges = bin_edges()
    at = int(np.argmin(np.abs(edges - abs(edge))))
    assert edges[at] == pytest.approx(abs(edge), rel=1e-12)
    return int(negative.sum() + positive[:at].sum()) if edge >= 0 else int(negative[at:].sum())


def drawn(report):
    """The figure, drawn once by Agg at a low resolution."""
    figure = plot.figure(report)
    figure.set_dpi(40)
    with plot._style():
        FigureCanvasAgg(figure).draw()
    return figure


def words(ax):
    found = [text.get_text() for text in ax.texts] + [ax.get_title(loc="left")]
    if ax.get_legend():
        found += [text.get_text() for text in ax.get_legend().get_texts()] + [ax.get_legend().get_title().get_text()]
    return "\n".join(found + [words(child) for child in ax.child_axes if hasattr(child, "get_title")])


def test_counts_at_edges_are_those_of_the_networks():
    """500 networks drawn one by one."""
    law = ensemble("scaled")
    sample = samples(fanin.verify(law, networks=500, seed=9))[0]
    z = np.array([float(fanin.replay(law, 9, index).z) for index in range(500)])
    edges = recorded(np.array([-9.0, -1.0, -0.3, 0.0, 0.2, 1.7, 1e30]))
    assert sample.count(edges).tolist() == [int((z < edge).sum()) for edge in edges]
    assert np.abs(np.diff(recorded(np.linspace(1.0, 2.0, 999)))).max() == 2.0**-7


@pytest.mark.parametrize("place", [0, 1, 2])
def test_density_holds_the_counts_and_follows_the_law(report, place):
    """Each cell's count is within six standard deviations of what the law predicts of it."""
    sample = samples(report)[place]
    inner = plot.density(report).child_axes[place]
    heights, edges, _ = inner.patches[0].get_data()
    counts = np.round(heights * np.diff(edges) * 1e6).astype(int)
    zeros = int(sample.result.layers[1].bins[0]) if place == 2 else 0
    assert counts.sum() == below(sample.result, edges[-1]) - below(sample.result, edges[0]) - zeros
    expected = np.diff(sample.law.cdf(edges))
    expected[np.searchsorted(edges, 0.0) - 1] -= sample.law.atom
    assert np.all(np.abs(counts / 1e6 - expected) < 6.0 * np.sqrt(expected / 1e6) + 1e-5)
    assert 30 < counts.size <= 60
    z, predicted = inner.lines[0].get_data()
    assert np.trapezoid(predicted, z) == pytest.approx(expected.sum(), abs=2e-3)
    if place < 2:
        sd = SD[sample.label]
        assert predicted == pytest.approx(stats.norm.pdf(z, scale=sd), rel=2e-3)
        shaded = [patch.get_x() for patch in inner.patches[1:]]
        assert shaded == pytest.approx([edges[0], np.log(99.0)] if edges[-1] > np.log(99.0) else [])


def test_an_atom_is_marked(report):
    density = density_of(samples(report)[2])
    assert density.predicted_atom == pytest.approx(0.2**4, rel=1e-6)
    assert abs(density.atom - 0.2**4) < 6 * np.sqrt(0.2**4 / 1e6)
    text = words(plot.density(report).child_axes[2])
    assert f"sampled {density.atom:.4g}" in text
    assert "predicted 0.0016" in text
    assert "P(z = 0)" not in words(plot.density(report).child_axes[0])


def test_quantiles_are_exact_normal_scores_inside_the_band(report):
    """alpha is 1e-6: a right program leaves the band with that probability. z over its standard deviation stands on the axis."""
    ax = plot.quantiles(report)
    lines = {line.get_label(): line for line in ax.lines[1:]}
    assert set(lines) == {"standard", "scaled", "atom"}
    for label in ("standard", "scaled"):
        x, y = (values[np.isfinite(values)] for values in lines[label].get_data())
        share = np.array([below(report.results[label], edge) for edge in recorded(x * SD[label])]) / 1e6
        assert y == pytest.approx(x - stats.norm.ppf(share), abs=1e-9)
        assert x[0] < -3.7
        assert x[-1] > 3.7
        assert len(x) > 30
    gap = lines["atom"].get_xdata()
    assert np.isnan(gap).sum() == 1
    assert not np.any(np.abs(gap) < stats.norm.ppf(0.5 + 0.2**4 / 2.01))


def test_the_band_is_exact_binomial(report):
    scores = scores_of(samples(report), 0.01)
    points = sum(score.standardised.size for score in scores)
    for score in scores:
        p = stats.norm.cdf(score.standardised)
        fewest, most = (stats.norm.cdf(score.standardised - end) * 1e6 for end in (score.high, score.low))
        assert np.all(fewest > 0.5)
        for count, chance in zip(np.round(fewest), p, strict=True):  # the least count whose lower tail is not too rare
            assert stats.binom.cdf(count, 10**6, chance) >= 0.005 / points > stats.binom.cdf(count - 1, 10**6, chance)
        for count, chance in zip(np.round(most), p, strict=True):
            assert stats.binom.sf(count - 1, 10**6, chance) >= 0.005 / points * 0.999
            assert stats.binom.sf(count, 10**6, chance) <= 0.005 / points


@pytest.mark.parametrize("networks", [300, 30_000])
def test_the_band_covers_at_its_level(report, networks):
    """120 samples from the predicted law at alpha 0.2: more than 0.2 of them outside is refused at 1e-6. Some must leave it."""
    found = samples(report)[1]
    edges = np.concatenate([-bin_edges()[:0:-1], bin_edges()])
    chances = np.diff(stats.norm.cdf(edges, scale=SD["scaled"]))
    rng = np.random.default_rng(20)
    left = 0
    for _ in range(120):
        counts = rng.multinomial(networks, chances / chances.sum())
        bins = np.zeros(BINS, np.int64)
        bins[: counts.size // 2], bins[BINS // 2 : BINS // 2 + counts.size // 2] = (
            counts[counts.size // 2 :],
            counts[counts.size // 2 - 1 :: -1],
        )
        layer = dataclasses.replace(found.result.layers[1], networks=networks, bins=bins)
        result = dataclasses.replace(found.result, networks=networks, layers={1: layer})
        sample = dataclasses.replace(found, result=result, edges=edges, below=np.concatenate([[0], np.cumsum(counts)]))
        left += not scores_of([sample], 0.2)[0].inside
    assert 0 < left <= stats.binom.isf(1e-6, 120, 0.2)


def test_a_variance_wrong_by_two_percent_leaves_the_band(wide, report):
    assert "standard (leaves the band)" in words(plot.quantiles(wide))
    assert "leaves" not in words(plot.quantiles(report))
    x, y = plot.quantiles(wide).lines[1].get_data()
    middle = np.abs(x) < 2.5
    assert y[middle] == pytest.approx(x[middle] * (1.0 - 1.0 / np.sqrt(1.02)), abs=0.012)


def test_tails_hold_the_counts_and_the_law(report, wide):
    """Intervals hold for all points at once with probability 1 - 1e-6; a variance 2 % too large escapes them."""
    for tail in tails_of(samples(report), 1e-6)[:2]:
        label = tail.sample.label
        exact = 2.0 * stats.norm.sf(tail.t, scale=SD[label])
        assert np.all((tail.low <= exact) & (exact <= tail.high))
        counted = [below(report.results[label], -t) + 10**6 - below(report.results[label], t) for t in tail.t]
        assert tail.count.tolist() == counted
        near = tail.predicted > 1e-6
        assert tail.predicted[near] == pytest.approx(2.0 * stats.norm.sf(tail.z[near], scale=SD[label]), rel=1e-5)
        assert 1e-6 <= exact[-1] < 4e-6
        assert exact[0] > 0.2
    tail = tails_of(samples(wide), 1e-6)[0]
    assert np.any(2.0 * stats.norm.sf(tail.t, scale=SD["standard"]) < tail.low)
    ax = plot.tails(report)
    shares = [line.get_ydata() for line in ax.lines if line.get_linestyle() == "None" and len(line.get_ydata())]
    assert shares[0] == pytest.approx(tails_of(samples(report), 1e-6)[0].count / 1e6)
    assert ax.get_ylim()[0] < 1e-6


def test_claims_stand_in_units_of_their_tolerance(report):
    rows = {(row.ensemble, row.name): row for row in rows_of(report)}
    for verdict in report.verdicts:
        claim, interval = verdict.claim, verdict.interval
        if claim.quantity.startswith("independence"):
            row = rows[claim.ensemble, "independence (widest)"]
            assert max(abs(row.low), abs(row.high)) >= abs(interval.high - claim.predicted) / claim.tolerance - 1e-12
        elif claim.id.endswith("wrong"):
            assert rows["scaled", "z.variance (wrong)"].high < -10.0
        else:
            row = rows[claim.ensemble, claim.quantity]
            assert row.low == pytest.approx((interval.low - claim.predicted) / claim.tolerance)
            assert row.high == pytest.approx((interval.high - claim.predicted) / claim.tolerance)
            assert (row.verdict, row.as_expected) == (verdict.verdict, verdict.as_expected)
    ax = plot.claims(report)
    names = [label.get_text() for label in ax.get_yticklabels()]
    at = names.index("z.variance")
    segments = [path.vertices for lines in ax.collections for path in lines.get_paths() if len(path.vertices) == 2]
    row = rows["scaled", "z.variance"]
    ends = COLUMN + np.clip([row.low, row.high], -LIMIT, LIMIT)
    assert any(np.allclose(segment, [[ends[0], at], [ends[1], at]]) for segment in segments)
    wrong = names.index("z.variance (wrong)")
    carets = [line for line in ax.lines if line.get_marker() == 8 and list(line.get_ydata()) == [wrong]]
    assert [list(line.get_xdata()) for line in carets] == [[COLUMN - LIMIT]]
    assert f"{rows['scaled', 'z.variance (wrong)'].estimate:.2g}".replace("-", "−") in words(ax)
    assert "refuted, as expected" in words(ax)
    assert len(names) == len(set(names)) < 30


def test_a_tolerance_of_zero_is_infinitely_far():
    wrong = Claim("a/1/z.mean/exactly", "a", 1, "z.mean", 0.0, 0.0, "nobody")
    report = fanin.verify(fanin.Study("s", "p", {"a": ensemble("scaled")}, (wrong,)), networks=3000)
    row = next(row for row in rows_of(report) if row.name == "z.mean (exactly)")
    assert (row.low, row.high) == (-np.inf, np.inf)
    plot.claims(report)


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel.__name__)
def test_axes_of_the_callers_are_used(report, panel):
    figure = Figure()
    left, right = figure.subplots(1, 2)
    assert panel(report, ax=right) is right
    assert not left.get_title(loc="left")
    assert "three: 1,000,000" in right.get_title(loc="left").replace("\n", " ")
    assert figure.axes == [left, right]
    own = panel(report)
    assert own.figure is not figure
    assert "Predicted" in own.figure.get_supxlabel()


def test_a_figure_says_what_it_shows(report):
    figure = drawn(report)
    assert len(figure.axes) == 4
    assert figure.get_suptitle() == "three: 1,000,000 networks per ensemble, direct sampler, seed 501"
    assert "N(0, s^2|x|^2 + sb^2)" in figure.get_supxlabel()
    shown = "\n".join(words(ax) for ax in figure.axes)
    for text in ("sampled", "predicted", "saturated", "99.9999 % band", "within the tolerance", "standard", "atom", "as expected"):
        assert text in shown
    window = figure.bbox
    for ax in figure.axes:
        for text in [*ax.get_yticklabels(), *ax.get_xticklabels(), ax.title, ax.xaxis.label, ax.yaxis.label]:
            box = text.get_window_extent()
            assert not text.get_text() or (box.x0 >= window.x0 - 1 and box.y0 >= window.y0 - 1)


ODD = ("a $x$ y", "网络", "line\nbreak", "x" * 80, "_u^2 {b} \\", "f", "g", "h", "j $")


@pytest.mark.parametrize(
    ("subject", "networks", "sentences"),
    [
        (ensemble("standard"), 1, ("too few networks for a band", "no tails")),
        (fanin.Ensemble((1000, 1), "normal:3e38"), 30, ("no network gave", "no quantiles", "no tails")),
        (fanin.Ensemble((4, 1), "normal:3e38"), 1000, ("not finite",)),
        (ensemble("constant:1+normal:1", inputs="bernoulli:0.5"), 10_000, ("not predicted", "theory does not know the law")),
        (ensemble("rademacher:1/fan_in", inputs="bernoulli:0.5"), 200_000, ("z takes separate values",)),
        (fanin.Ensemble((2, 1), "he_normal", inputs="bernoulli:0.01"), 100, ("P(z = 0)", "predicted 0.9801")),
        (ensemble("student:1/fan_in,df=3+normal:1"), 100_000, ("student:1/fan_in,df=3",)),
        ({"scaled": ensemble("scaled"), "own": ensemble("rademacher:1/fan_in")}, 1000, ("not predicted: own",)),
        ({label: fanin.Ensemble((10 + 2 * i, 1)) for i, label in enumerate(ODD)}, 2000, ("8 of 9 ensembles", r"a \$x\$ y")),
    ],
    ids=[
        "one network",
        "none finite",
        "some finite",
        "constant",
        "separate values",
        "large atom",
        "heavy tails",
        "one without law",
        "many",
    ],
)
def test_what_is_missing_is_said(subject, networks, sentences, tmp_path, monkeypatch):
    """No exception and no warning (which would be an error here)."""
    ensembles = subject if isinstance(subject, dict) else {str(subject.scheme): subject}
    study = fanin.Study("odd $name$ 标", "p", ensembles)
    if "df=3" in str(subject):  # whose claims take seconds to predict
        result = fanin.simulate(subject, networks=networks)
        report = fanin.Report(study, dict.fromkeys(ensembles, result), [], 0.01)
    else:
        report = fanin.verify(study, networks=networks)
    figures = []
    make = plot.figure
    monkeypatch.setattr(plot, "figure", lambda report: figures.append(make(report)) or figures[0])
    plot.save(report, tmp_path / "x.png")
    shown = "\n".join(words(ax) for ax in figures[0].axes)
    for sentence in sentences:
        assert sentence in shown


@pytest.fixture(scope="module")
def small():
    return fanin.verify(ensemble("scaled"), networks=2000)


@pytest.fixture(scope="module")
def png(small, tmp_path_factory):
    path = tmp_path_factory.mktemp("plot") / "x.png"
    plot.save(small, path)
    return path.read_bytes()


def test_an_interval_without_an_end_goes_to_the_edge():
    """Of 30 networks no fourth moment has an interval: each point has a dotted bar over the whole height; the legend says why."""
    networks = fanin.Ensemble((10, 5, 5, 5), "he_normal", "relu")
    few, many = (fanin.verify(networks, networks=count, method="conditional") for count in (30, 200_000))
    ax = plot.profile(few, "z.kurtosis")
    dotted = [lines for lines in ax.collections if lines.get_paths() and lines.get_linestyle()[0][1] is not None]
    assert [len(lines.get_paths()) for lines in dotted] == [3]
    for path in dotted[0].get_paths():
        assert sorted(path.vertices[:, 1]) == pytest.approx(sorted(ax.get_ylim()))
    assert "too few networks carry it" in words(ax)
    whole = plot.profile(many, "z.variance")
    assert sum(len(lines.get_paths()) for lines in whole.collections) == 3
    assert "too few networks carry it" not in words(whole)


def test_files_are_whole_and_the_same_again(small, png, tmp_path):
    written = {}
    for suffix in (".svg", ".pdf"):
        for name in (f"a{suffix}", f"b{suffix.upper()}"):
            plot.save(small, tmp_path / name)
            written[suffix, name[0]] = (tmp_path / name).read_bytes()
        assert written[suffix, "a"] == written[suffix, "b"]
    with Image.open(io.BytesIO(png)) as image:
        image.load()
        assert image.size == (2100, 1425)
        assert np.unique(np.asarray(image.convert("L"))).size > 50
    root = ElementTree.fromstring(written[".svg", "a"].decode())
    assert root.tag.endswith("svg")
    assert b"<dc:date>" not in written[".svg", "a"]
    assert written[".pdf", "a"].startswith(b"%PDF-")
    assert written[".pdf", "a"].rstrip().endswith(b"%%EOF")
    assert b"CreationDate" not in written[".pdf", "a"]
    assert len(list(tmp_path.iterdir())) == 4


def test_a_file_is_replaced_only_by_a_whole_one(small, tmp_path, monkeypatch):
    path, link = tmp_path / "old.svg", tmp_path / "link.svg"
    path.write_text("old")
    link.symlink_to(path)
    monkeypatch.setattr(plot, "figure", lambda _: Figure())

    def fail(*_):
        raise OSError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(OSError, match="no space left"):
            plot.save(small, path)
    assert path.read_text() == "old"
    assert sorted(tmp_path.iterdir()) == [link, path]
    plot.save(small, link)
    assert link.is_symlink()
    assert path.read_text().startswith("<?xml")


def test_bad_files_are_refused_in_one_sentence(small, tmp_path):
    (tmp_path / "folder.png").mkdir()
    for name, sentence in {
        "x.jpg": ".png, .svg or .pdf, not to",
        "x": ".png, .svg or .pdf, not to",
        "missing/x.png": "missing of the plot does not exist",
        "folder.png": "is a folder",
        "nul\0.png": "cannot be the file of a plot",
        "x" * 5000 + ".png": "cannot be the file of a plot",
    }.items():
        with pytest.raises(fanin.SpecificationError) as refused:
            plot.save(small, f"{tmp_path}/{name}")
        assert sentence in str(refused.value)
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize("call", [*PANELS, plot.figure, lambda _: plot.check_path("x.png")])
def test_without_matplotlib_the_extra_is_named(small, monkeypatch, call):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(fanin.SpecificationError, match=r"pip install 'fanin\[plot\]'"):
        call(small)


def test_settings_of_the_users_stand_and_do_not_matter(small, png, tmp_path):
    with matplotlib.rc_context({"font.size": 30.0, "axes.facecolor": "black", "savefig.dpi": 30.0}):
        before = dict(matplotlib.rcParams)
        plot.save(small, tmp_path / "b.png")
        for panel in PANELS:
            panel(small)
        assert dict(matplotlib.rcParams) == before
    assert (tmp_path / "b.png").read_bytes() == png


def test_pyplot_is_never_imported_and_matplotlib_only_when_drawn(tmp_path):
    program = f"""
import sys, fanin, fanin.plot
assert "matplotlib" not in sys.modules and "scipy" not in sys.modules
report = fanin.verify(fanin.Ensemble((4, 1)), networks=100)
assert "matplotlib" not in sys.modules
fanin.plot.save(report, r"{tmp_path}/x.png")
assert "matplotlib.pyplot" not in sys.modules
"""
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True)
    assert (tmp_path / "x.png").stat().st_size > 10_000
