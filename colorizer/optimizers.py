"""The optimizers of the networks with two answers. Nothing here but Keras."""

import math

import keras
from keras import ops

ADAM_SHARE = 0.5  # of the learning rate, for what Muon does not move (chosen by probes on validation pictures)


class Muon(keras.optimizers.Muon):
    """Muon (Jordan et al. 2024) for the kernels of convolutions, which Keras's own leaves to AdamW; AdamW for all else.

    A step's direction is the momentum's nearest orthogonal matrix, so that every direction in which a layer could learn is
    learned, not only the strongest ones. A kernel [h, w, in, out] counts as the matrix [h w in, out]. Its scale is that of an AdamW
    step (Liu et al. 2025). The networks' inputs and heads are AdamW's: their sides have a meaning each.
    """

    def __init__(self, learning_rate, weight_decay, **kwargs):
        super().__init__(learning_rate, adam_weight_decay=weight_decay, weight_decay=weight_decay, adam_lr_ratio=ADAM_SHARE, **kwargs)

    def _should_use_adamw(self, variable):
        # a kernel of a depthwise convolution is no matrix
        return len(variable.shape) != 4 or variable.shape[-1] == 1 or variable.path.split("/")[-2] in ("stem", "gate", "ab", "logits")

    def _muon_update_step(self, gradient, variable, lr, m):
        self.assign_add(m, gradient + m * (self.momentum - 1))
        matrix = ops.reshape(gradient + self.momentum * m, (-1, variable.shape[-1]))
        scale = self.rms_rate * math.sqrt(max(matrix.shape))
        self.assign_sub(variable, ops.reshape(lr * scale * orthogonal(matrix, self.ns_steps), variable.shape))


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
