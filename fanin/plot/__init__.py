"""Plots of a report, each into an Axes of the caller's or one of its own, and whole figures.

Of single layers: density, quantiles and tails of z. Of networks: the profile of a quantity over layers. Of both: claims.

Needs matplotlib (the extra `plot`). No use is made of pyplot, and global settings are as they were afterwards. The same report
gives the same bytes of a file with the same version of matplotlib: no dates, fixed identifiers.
"""

from __future__ import annotations

import contextlib
import io
import os
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fanin.engine.errors import SpecificationError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from fanin.plot.sample import Sample
    from fanin.report import Report
from fanin.whole_file import refuse_unwritable, write_whole

SUFFIXES = (".png", ".svg", ".pdf")
_METADATA: dict[str, dict[str, Any]] = {".png": {}, ".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
TITLES = ("Density of z", "Quantiles against the predicted law", "Tails")
_DPI = 150


def density(report: Report, ax: Axes | None = None) -> Axes:
    """Draw the sampled density of z of each ensemble against the predicted one.

    Each ensemble has a small panel in its own units, since scales may differ by orders of magnitude: the children
    (`ax.child_axes`) of the Axes that is returned. Cells end at edges of recorded bins, so that their counts are exact. Where z
    is so large that phi lies within 1 % of an end of its range, the background is grey. A probability P(z = 0) > 0 is an arrow.

    Parameters
    ----------
    report : Report
        What `verify` returned.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default a new figure.

    Raises
    ------
    SpecificationError
        Without matplotlib.

    Examples
    --------
    >>> import fanin
    >>> report = fanin.verify(fanin.Ensemble((10, 1)), networks=10_000)
    >>> len(density(report).child_axes)
    1
    """
    found = _single_layers(report, "density")
    return _alone(report, ax, TITLES[0], (9.0, 3.4), lambda panels, axes: panels.draw_density(found, axes))


def quantiles(report: Report, ax: Axes | None = None) -> Axes:
    """Draw the deviation of standardised z from the normal quantile of its rank, with a simultaneous band.

    Standardised z is Phi^-1(F(z)), F the predicted law: for Gaussian weights and a fixed input z / sqrt(s^2 |x|^2 + sb^2). Under
    a right prediction its sampled quantiles are those of N(0, 1), and the deviations stay around zero.

    With a right prediction all points of all ensembles lie within the band at once with probability 1 - alpha at least, at any
    number of networks: the number of networks below a fixed edge of a bin is binomial, each point has exact limits (Clopper and
    Pearson 1934) with the error alpha over the number of points, and edges are chosen without a look at the data. The vertical
    axis is linear near zero and logarithmic beyond the narrowest part of the band. Ensembles whose law theory does not know are
    left out, and named.

    Parameters
    ----------
    report : Report
        What `verify` returned.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default a new figure.

    Raises
    ------
    SpecificationError
        Without matplotlib.

    Examples
    --------
    >>> import fanin
    >>> report = fanin.verify(fanin.Ensemble((10, 1)), networks=10_000)
    >>> quantiles(report).get_yscale()
    'asinh'
    """
    found = _single_layers(report, "quantiles")
    return _alone(report, ax, TITLES[1], (6.5, 5.5), lambda panels, axes: panels.draw_quantiles(found, report.alpha, axes))


def tails(report: Report, ax: Axes | None = None) -> Axes:
    """Draw P(\\|z\\| > t), sampled (points) and predicted (lines), on logarithmic axes down to one network.

    The bars are Clopper and Pearson's intervals (1934) with the error alpha over the number of all points: with probability
    1 - alpha at least, all of them hold at once. A caret is the upper limit where no network lies beyond.

    Parameters
    ----------
    report : Report
        What `verify` returned.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default a new figure.

    Raises
    ------
    SpecificationError
        Without matplotlib.

    Examples
    --------
    >>> import fanin
    >>> report = fanin.verify(fanin.Ensemble((10, 1)), networks=10_000)
    >>> tails(report).get_yscale()
    'log'
    """
    found = _single_layers(report, "tails")
    return _alone(report, ax, TITLES[2], (6.5, 5.5), lambda panels, axes: panels.draw_tails(found, report.alpha, axes))


def profile(report: Report, quantity: str = "z.variance", ax: Axes | None = None) -> Axes:
    """Draw a quantity of networks from layer to layer, sampled (points) and predicted (lines), for each ensemble.

    The bars are intervals with the error alpha over the number of all points. The axis is logarithmic for variances, mean squares
    and sizes.

    Parameters
    ----------
    report : Report
        What `verify` returned.
    quantity : str
        Such as "phi.saturated", "delta.median" or "correlation"; layers and ensembles that do not record it are left out.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default a new figure.

    Raises
    ------
    SpecificationError
        For a name that is not a quantity of networks, a report without networks, or without matplotlib.

    Examples
    --------
    >>> import fanin
    >>> report = fanin.verify(fanin.Ensemble((10, 5, 5), "he_normal", "relu"), networks=500, method="conditional")
    >>> profile(report).get_yscale()
    'log'
    """
    from fanin.stats.network_names import split_network_name

    split_network_name(quantity)
    if not any(result.is_network for result in report.results.values()):
        raise SpecificationError(f"the report {report.study.name} has no networks; profile draws layers of networks")

    def draw(panels: Any, axes: Axes) -> None:
        from fanin.layer_series import networks_of, series_of
        from fanin.plot.layer_panel import LOGARITHMIC, draw_profile, key

        results = networks_of(report)
        found, labels = series_of(results, [quantity], report.alpha, report.watched), list(results)
        draw_profile(found, axes, quantity, quantity.partition("[")[0] in LOGARITHMIC, labels)
        panels.legend_below(axes, 0.52, **key(axes, labels, report.alpha, found))

    return _alone(report, ax, f"{quantity} by layer", (6.5, 5.0), draw)


def claims(report: Report, ax: Axes | None = None) -> Axes:
    """Draw the verdicts on all claims.

    Of single layers: the interval of every claim relative to its tolerance, a row for each quantity, a column for each ensemble.
    Grey is the region in which the claim holds. Claims of independence that are not refuted share a row, which shows the widest of
    their intervals. Arrows stand where an interval goes on beyond its column. Where there are networks: a mark for each verdict, a
    row for each quantity, a column for each layer.

    Parameters
    ----------
    report : Report
        What `verify` returned.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default a new figure.

    Raises
    ------
    SpecificationError
        Without matplotlib.

    Examples
    --------
    >>> import fanin
    >>> report = fanin.verify(fanin.Ensemble((10, 1)), networks=10_000)
    >>> [tick.get_text() for tick in claims(report).get_yticklabels()][:2]
    ['z.mean', 'z.variance']
    """
    from fanin.plot.figures import claims_title, draw_verdicts

    return _alone(report, ax, claims_title(report), (7.5, 7.0), lambda _, axes: draw_verdicts(report, axes))


def figure(report: Report) -> Figure:
    """All plots of a report in one matplotlib Figure.

    Of single layers density, quantiles, tails and claims; where there are networks, their profiles of up to four quantities, and
    claims.

    Examples
    --------
    >>> import fanin
    >>> len(figure(fanin.verify(fanin.Ensemble((10, 1)), networks=10_000)).axes)
    4
    """
    with _style():
        from fanin.plot.figures import network_figure, neuron_figure

        of_networks = any(result.is_network for result in report.results.values())
        return network_figure(report, _DPI) if of_networks else neuron_figure(report, _DPI)


def save(report: Report, path: str | os.PathLike[str]) -> None:
    """Write the figure of a report to a .png, .svg or .pdf file.

    A file of that name is replaced, once the new one is complete; after a failure it is as it was.

    Raises
    ------
    SpecificationError
        For another suffix, a folder that does not exist, or without matplotlib.
    OSError
        Where the file cannot be written.

    Examples
    --------
    >>> import fanin, tempfile
    >>> report = fanin.verify(fanin.Ensemble((10, 1)), networks=10_000)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(report, f"{folder}/neuron.svg")
    """
    target = check_path(path)
    suffix = target.suffix.lower()
    with _style(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from font")  # a box stands for it
        buffer = io.BytesIO()
        figure(report).savefig(buffer, format=suffix[1:], metadata=_METADATA[suffix])
    write_whole(target, buffer.getvalue(), overwrite=True)


def check_path(path: str | os.PathLike[str]) -> Path:
    """Refuse a file that `save` could not write, before anything is sampled; the path behind links otherwise.

    >>> check_path("neuron.jpg")
    Traceback (most recent call last):
    ...
    fanin.engine.errors.SpecificationError: a plot is written to .png, .svg or .pdf, not to neuron.jpg
    """
    if Path(path).suffix.lower() not in SUFFIXES:
        raise SpecificationError(f"a plot is written to {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}, not to {os.fspath(path)}")
    try:
        target = Path(path).resolve()
        is_folder, has_folder = target.is_dir(), target.parent.is_dir()
    except (OSError, RuntimeError, ValueError) as error:  # loops of links, names too long, null characters
        raise SpecificationError(f"{os.fspath(path)!r} cannot be the file of a plot: {error}") from None
    if is_folder:
        raise SpecificationError(f"{os.fspath(path)} is a folder; give the name of a file for the plot")
    if not has_folder:
        raise SpecificationError(f"the folder {target.parent} of the plot does not exist")
    refuse_unwritable(target)
    with _style():
        return target


@contextlib.contextmanager
def _style() -> Iterator[None]:
    """Our settings over matplotlib's defaults, whatever the user's; the user's stand again afterwards."""
    try:
        import matplotlib
        from matplotlib import style
    except ImportError:
        raise SpecificationError("plots need matplotlib, which is not installed; pip install 'fanin[plot]'") from None
    from fanin.plot.panels import STYLE

    with matplotlib.rc_context():
        style.use(["default", STYLE])
        yield


def _single_layers(report: Report, what: str) -> list[Sample]:
    """The single layers of a report, of which there must be one at least."""
    from fanin.plot.sample import samples

    found = samples(report)
    if not found:
        raise SpecificationError(f"the report {report.study.name} is of networks, and {what} draws single layers; take profile")
    return found


def _alone(report: Report, ax: Axes | None, title: str, size: tuple[float, float], draw: Callable[[Any, Axes], None]) -> Axes:
    """Draw one panel, with what a figure of all panels says once; the sources of predictions only below a figure of our own."""
    with _style():
        from matplotlib.figure import Figure

        from fanin.plot import panels
        from fanin.plot.sample import samples

        if ax is None:
            own = Figure(figsize=size, dpi=_DPI, layout="constrained")
            ax = own.subplots()
            if found := samples(report):
                own.supxlabel(panels.sources(found, int(12.0 * size[0])), fontsize=9.0)
        draw(panels, ax)
        letters = int(ax.get_window_extent().width / ax.figure.dpi * 12.0)
        ax.set_title(f"{title}\n{panels.sampled_line(report, letters)}", fontsize=10.0, fontweight="normal")
        return ax
