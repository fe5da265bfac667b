"""HTML of notebooks: well formed, self-contained, escaped, with every claim and its verdict."""

import dataclasses
import re
from html.parser import HTMLParser

import numpy as np
import pytest

import fanin
from fanin.stats.verdict import Claim

VOID = {"br", "meta", "link", "img", "input", "hr"}


class Page(HTMLParser):
    """Tags with their attributes, and the text; fails where a tag is closed that is not open."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.text = [], [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        assert tag not in VOID
        self.tags.append((tag, dict(attrs)))
        self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.text.append(data)

    def count(self, tag):
        return sum(name == tag for name, _ in self.tags)


@pytest.fixture(scope="module")
def report():
    ensembles = {"standard": fanin.Ensemble((20, 1)), "scaled": fanin.Ensemble((20, 1), "scaled")}
    expected = Claim("standard/1/z.mean/a", "standard", 1, "z.mean", 50.0, 0.5, "expected to fail", expected="refuted")
    wrong = Claim("standard/1/z.mean/b", "standard", 1, "z.mean", 60.0, 0.5, "<script>alert('&\"')</script>")
    study = fanin.Study("<b>study</b>", "5 < 6 & 7 > 6", ensembles, (expected, wrong))
    return fanin.verify(study, networks=50_000, seed=2)


def test_report(report):
    page = Page(report._repr_html_())
    text = " ".join(page.text)
    assert page.count("svg") == 1
    assert page.count("table") == 2
    shown = sum(not v.claim.quantity.startswith("independence.") or v.verdict == "refuted" for v in report.verdicts)
    assert shown < page.count("tr") - 2 <= shown + 4
    for expected in (
        "<b>study</b>",
        "5 < 6 & 7 > 6",
        report.digest,
        "50,000 networks per ensemble",
        "start saturated",
        "z.kurtosis",
    ):
        assert expected in text
    for v in report.verdicts:
        if not v.claim.quantity.startswith("independence."):
            assert v.claim.quantity in text
    assert "✗ refuted (expected)" in text
    assert "✗ refuted" in text.replace("✗ refuted (expected)", "")
    assert re.search("undecided *, needs .* networks", text)
    styles = [attrs.get("class") for tag, attrs in page.tags if tag == "span"]
    assert styles.count("refuted otherwise") == 1
    assert {"confirmed", "undecided"} <= set(styles)


@pytest.mark.parametrize("what", ["report", "result"])
def test_self_contained_and_escaped(report, what):
    html = report._repr_html_() if what == "report" else report.results["scaled"]._repr_html_()
    page = Page(html)
    assert not {tag for tag, _ in page.tags} & {"script", "link", "iframe", "img", "object", "embed", "base", "form"}
    for _, attributes in page.tags:
        assert not {name for name in attributes if name.startswith("on") or name in ("href", "src", "xlink:href")}
    assert not re.search(r"url\(|@import|https?:", html)


def test_result(report):
    result = report.results["standard"]
    text = " ".join(Page(result._repr_html_()).text)
    for expected in (result.digest, "50,000 networks", "z.variance", "slope.median", "scheme='standard'"):
        assert expected in text


def test_the_outline_has_the_shape_of_the_density(report):
    """The paths end where they begin, stay in their rows, and the wider law has the lower share inside the linear range."""
    paths = [attrs["d"] for tag, attrs in Page(report._repr_html_()).tags if tag == "path" and attrs["d"].endswith("Z")]
    assert len(paths) == 2
    widths = []
    for row, path in enumerate(paths):
        levels = np.array([float(v) for v in re.findall(r"V([-0-9.e]+)", path)])
        assert levels.max() == 46 * (row + 1)
        assert levels.min() == pytest.approx(46 * row + 8, abs=0.11)
        widths.append((levels < 46 * (row + 1) - 19).sum())
    assert widths[0] > 2 * widths[1]


@pytest.mark.parametrize("scheme", ["constant:1e38", "normal:3e38", "normal:1e-30"])
def test_odd_results_have_a_page(scheme):
    result = fanin.simulate(fanin.Ensemble((4, 1), scheme), networks=3000)
    page = Page(result._repr_html_())
    assert "nan" not in " ".join(str(attrs) for _, attrs in page.tags).lower()
    report = fanin.Report(fanin.Study("s", "p", {"x": result.ensemble}), {"x": result}, [], 0.01)
    assert "0 of 0 claims" in " ".join(Page(report._repr_html_()).text)
    factor = dataclasses.replace(report, tolerance=3.0)
    assert "Tolerances times 3." in factor._repr_html_()
