"""Figures whose words come from the names of files."""

import io

import pytest
from matplotlib.figure import Figure

from demagnify.core.figures import savefig

NAME = r"$x^{2$_\frac{.png"


@pytest.mark.parametrize("kind", ["png", "svg"])
def test_a_dollar_in_a_name_is_no_formula(kind):
    figure = Figure()
    axes = figure.add_subplot(title=NAME, xlabel=NAME)
    axes.barh([NAME, r"$\alpha$"], [1, 2], label=NAME)
    axes.legend(title=NAME)
    figure.suptitle(NAME)
    buffer = io.BytesIO()
    savefig(figure, buffer, format=kind)
    assert len(buffer.getvalue()) > 1000
