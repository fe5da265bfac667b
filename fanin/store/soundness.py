"""Whether the numbers of a summary can be those of networks at all: what a result file is held to when it is read.

Guarantee: sums within the range of what they sum, and in keeping with the inequalities of Cauchy and Schwarz and of Jensen; no
network is finite again after a layer in which it was not. This takes some milliseconds for a row, so that it is done where a store
is checked or a run is taken from it, and not each time that a row is added up.
"""

from __future__ import annotations

from fanin.engine.accumulators import Accumulators
from fanin.engine.layer_summary import LayerSummary
from fanin.engine.spec import Ensemble
from fanin.result import Layer
from fanin.result_file.network_layer import check_order, read_network_layer, write_network_layer
from fanin.result_file.neuron_layer import read_neuron_layer, write_neuron_layer
from fanin.result_file.plain_values import Reader, Writer


def expect_sound(layers: dict[int, Layer], ensemble: Ensemble) -> None:
    """Refuse a summary, by layer, whose numbers contradict each other.

    Raises
    ------
    SpecificationError
        With a sentence that names the number.
    """
    for number, layer in layers.items():
        writer, path = Writer(), f"layer {number}"
        if isinstance(layer, Accumulators):
            plain = write_neuron_layer(layer, writer)
            read_neuron_layer(plain, ensemble, layer.networks, path, Reader(writer.arrays))
        else:
            plain = write_network_layer(layer, writer)
            read_network_layer(plain, ensemble, number, layer.networks, path, Reader(writer.arrays))
    check_order([layer for layer in layers.values() if isinstance(layer, LayerSummary)], "the layers")
