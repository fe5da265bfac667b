"""Plots of a report: density, quantiles, tails and claims, each into an Axes of the caller's or one of its own; and whole figures.

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

    from fanin.report import Report
from fanin.whole_file import refuse_unwritable, write_whole

SUFFIXES = (".png", ".svg", ".pdf")
_METADATA: dict[str, dict[str, Any]] = {".png": {}, ".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
_DPI = 150
_TITLES = ("Density of z", "Quantiles against the predicted law", "Tails")


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
    from fanin.plot.sample import samples

    return _alone(report, ax, _TITLES[0], (9.0, 3.4), lambda panels, axes: panels.draw_density(samples(report), axes))


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
    from fanin.plot.sample import samples

    return _alone(
        report, ax, _TITLES[1], (6.5, 5.5), lambda panels, axes: panels.draw_quantiles(samples(report), report.alpha, axes)
    )


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
    from fanin.plot.sample import samples

    return _alone(report, ax, _TITLES[2], (6.5, 5.5), lambda panels, axes: panels.draw_tails(samples(report), report.alpha, axes))


def claims(report: Report, ax: Axes | None = None) -> Axes:
    """Draw the interval of every claim relative to its tolerance: a row for each quantity, a column for each ensemble.

    Grey is the region in which the claim holds. Claims of independence that are not refuted share a row, which shows the widest of
    their intervals. Arrows stand where an interval goes on beyond its column.

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
    from fanin.plot.claim_rows import draw_claims

    return _alone(report, ax, _claims_title(report), (7.5, 7.0), lambda _, axes: draw_claims(report, axes))


def figure(report: Report) -> Figure:
    """All four plots of a report in one matplotlib Figure.

    Examples
    --------
    >>> import fanin
    >>> len(figure(fanin.verify(fanin.Ensemble((10, 1)), networks=10_000)).axes)
    4
    """
    with _style():
        from matplotlib.figure import Figure

        from fanin.plot import panels
        from fanin.plot.claim_rows import draw_claims, rows_of
        from fanin.plot.sample import samples

        found = samples(report)
        rows = len({row.name for row in rows_of(report)})
        wide, high = 5.1 + 0.5 * max(len(found) - 6, 0), 10.5 if len(found) > 6 else 9.5
        drawn = Figure(figsize=(8.9 + wide, max(high, 2.5 + 0.2 * rows)), dpi=_DPI, layout="constrained")
        halves = drawn.add_gridspec(1, 2, width_ratios=(8.9, wide))
        left, right = drawn.add_subfigure(halves[0]), drawn.add_subfigure(halves[1])
        grid = left.add_gridspec(2, 2, height_ratios=(1.25 if len(found) > 6 else 1.0, 1.25))
        panel = [left.add_subplot(place) for place in (grid[0, :], grid[1, 0], grid[1, 1])] + [right.add_subplot()]
        panels.draw_density(found, panel[0])
        panels.draw_quantiles(found, report.alpha, panel[1])
        panels.draw_tails(found, report.alpha, panel[2])
        draw_claims(report, panel[3])
        for ax, title in zip(panel, (*_TITLES, _claims_title(report)), strict=True):
            ax.set_title(title)
        drawn.suptitle(panels.sampled_line(report), fontsize=13.0)
        drawn.supxlabel(panels.sources(found), fontsize=9.0)
        return drawn


def _claims_title(report: Report) -> str:
    return f"Claims: {sum(v.as_expected for v in report.verdicts)} of {len(report.verdicts)} as expected"


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


def _alone(report: Report, ax: Axes | None, title: str, size: tuple[float, float], draw: Callable[[Any, Axes], None]) -> Axes:
    """Draw one panel, with what a figure of all panels says once; the sources of predictions only below a figure of our own."""
    with _style():
        from matplotlib.figure import Figure

        from fanin.plot import panels
        from fanin.plot.sample import samples

        if ax is None:
            own = Figure(figsize=size, dpi=_DPI, layout="constrained")
            ax = own.subplots()
            own.supxlabel(panels.sources(samples(report), int(12.0 * size[0])), fontsize=9.0)
        draw(panels, ax)
        letters = int(ax.get_window_extent().width / ax.figure.dpi * 12.0)
        ax.set_title(f"{title}\n{panels.sampled_line(report, letters)}", fontsize=10.0, fontweight="normal")
        return ax
