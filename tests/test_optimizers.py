"""Muon for convolutions: against numpy's singular vectors, and Keras's own on matrices."""

import inspect

import keras
import numpy as np
import pytest
import tensorflow as tf

from colorizer import networks
from colorizer.optimizers import ADAM_SHARE, Muon, orthogonal


def matrix_of(rng, rows, columns, decades):
    """Random, its singular values spread over so many decades."""
    left, _ = np.linalg.qr(rng.normal(size=(rows, min(rows, columns))))
    right, _ = np.linalg.qr(rng.normal(size=(columns, min(rows, columns))))
    return ((left * np.logspace(0, -decades, min(rows, columns))) @ right.T).astype("float32")


@pytest.mark.parametrize("rows, columns", [(108, 12), (12, 40), (16, 16)])
def test_a_matrix_keeps_its_singular_vectors_and_loses_its_scale(rng, rows, columns):
    matrix = 37 * matrix_of(rng, rows, columns, decades=1)
    left, _, right = np.linalg.svd(matrix, full_matrices=False)
    seen = left.T @ np.array(orthogonal(tf.constant(matrix))) @ right.T
    assert np.abs(seen - np.diag(np.diag(seen))).max() < 1e-3
    assert 0.6 < np.diag(seen).min() and np.diag(seen).max() < 1.25


@pytest.mark.parametrize("decades", [1, 4])
def test_the_iteration_is_keras_own(rng, decades):
    matrix = tf.constant(matrix_of(rng, 96, 24, decades))
    np.testing.assert_allclose(orthogonal(matrix), keras.optimizers.Muon().zeropower_via_newtonschulz5(matrix, 5), atol=2e-3)


@pytest.mark.parametrize("build, adams", [
    (networks.build_residual, {"stem", "gate", "ab", "logits"}),
    (networks.build_lite0, {"stem", "ab", "logits", "attend", *(f"block{number}_depthwise" for number in range(16))}),
])  # fmt: skip
def test_muon_moves_every_convolution_but_the_stem_the_gate_and_the_heads(build, adams):
    variables = [variable for variable in build().trainable_variables if variable.path.endswith("kernel")]
    optimizer = Muon(0.1)
    optimizer.build(variables)
    left = {variables[index].path.split("/")[0] for index in range(len(variables)) if index not in optimizer._matrices}
    assert left == adams


def stepped(optimizer, variable, gradients):
    optimizer.build([variable])
    for gradient in gradients:
        optimizer.apply([tf.constant(gradient.reshape(variable.shape))], [variable])
    return np.array(variable)


def variable_of(value, layer):
    with keras.name_scope(layer):
        return keras.Variable(value, name="kernel")


@pytest.mark.skipif("rms_rate" not in inspect.signature(keras.optimizers.Muon).parameters, reason="an older Keras scales otherwise")
def test_a_kernel_moves_as_its_matrix_does(rng):
    kernel, gradients = rng.normal(size=(3, 3, 4, 8)).astype("float32"), rng.normal(size=(3, 3, 3, 4, 8)).astype("float32")
    ours = stepped(Muon(1e-2, weight_decay=0.1), variable_of(kernel, "unit"), gradients)
    keras_own = keras.optimizers.Muon(1e-2, weight_decay=0.1)
    theirs = stepped(keras_own, variable_of(kernel.reshape(36, 8), "unit"), gradients.reshape(3, 36, 8))
    assert np.abs(ours - kernel).mean() > 1e-3
    np.testing.assert_allclose(ours.reshape(36, 8), theirs, atol=1e-5)


@pytest.mark.parametrize("layer, shape", [("unit", (8,)), ("stem", (4, 4, 1, 8)), ("ab", (1, 1, 8, 2)), ("depthwise", (3, 3, 8, 1))])
def test_all_else_moves_as_by_adamw(rng, layer, shape):
    value, gradients = rng.normal(size=shape).astype("float32"), rng.normal(size=(3, *shape)).astype("float32")
    ours = stepped(Muon(1e-2, weight_decay=0.0), variable_of(value, layer), gradients)
    theirs = stepped(keras.optimizers.AdamW(1e-2 * ADAM_SHARE, weight_decay=0.0), variable_of(value, layer), gradients)
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
