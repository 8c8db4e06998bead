"""The optimizers of the networks with two answers. Nothing here but Keras."""

import math

import keras
from keras import ops

ADAM_SHARE = 0.5  # of the learning rate, for what Muon does not move
MOMENTUM = 0.95  # Nesterov's


class Muon(keras.optimizers.AdamW):
    """Muon (Jordan et al. 2024) for the kernels of convolutions, which Keras's own leaves to AdamW; AdamW for all else.

    A step's direction is the momentum's nearest orthogonal matrix, so that every direction in which a layer could learn is
    learned, not only the strongest ones. A kernel [h, w, in, out] counts as the matrix [h w in, out]. Its scale is that of an AdamW
    step (Liu et al. 2025). The networks' inputs and heads are AdamW's: their sides have a meaning each.
    """

    def build(self, var_list):
        """Makes the moments of the variables, once."""
        if not self.built:
            super().build(var_list)
            self._matrices = {index for index, variable in enumerate(var_list) if _is_matrix(variable)}

    def update_step(self, gradient, variable, learning_rate):
        """One variable's step; Keras calls it, with the backend's own variable."""
        index = self._get_variable_index(variable)
        if index not in self._matrices:
            return super().update_step(gradient, variable, ADAM_SHARE * learning_rate)
        momentum = self._momentums[index]
        self.assign_add(momentum, gradient + momentum * (MOMENTUM - 1))
        matrix = ops.reshape(gradient + MOMENTUM * momentum, (-1, variable.shape[-1]))
        scale = ops.cast(learning_rate, variable.dtype) * (0.2 * math.sqrt(max(matrix.shape)))
        self.assign_sub(variable, ops.reshape(scale * orthogonal(matrix), variable.shape))


def _is_matrix(variable):
    # a kernel of a depthwise convolution is none
    return len(variable.shape) == 4 and variable.shape[-1] > 1 and variable.path.split("/")[-2] not in ("stem", "gate", "ab", "logits")


def orthogonal(matrix, steps=5):
    """Roughly the orthogonal matrix nearest to `matrix` [n, m]: the same singular vectors, singular values about 0.7 to 1.2.

    The quintic Newton-Schulz iteration of Jordan et al. 2024, x <- (a + b x x' + c (x x')^2) x, whose factors are gathered on the
    smaller side, where x x' is all that they need: half as many operations, or less, for the kernels here.
    """
    a, b, c = 3.4445, -4.7750, 2.0315
    wide = matrix.shape[0] <= matrix.shape[1]
    x = matrix if wide else ops.transpose(matrix)
    x = x / (ops.norm(x) + 1e-7)
    gram = ops.matmul(x, ops.transpose(x))
    identity = ops.eye(x.shape[0], dtype=x.dtype)
    product = identity
    for _ in range(steps):
        factor = a * identity + b * gram + c * ops.matmul(gram, gram)
        product = ops.matmul(factor, product)
        gram = ops.matmul(ops.matmul(factor, gram), factor)
    x = ops.matmul(product, x)
    return x if wide else ops.transpose(x)
