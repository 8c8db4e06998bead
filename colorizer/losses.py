"""The paper's costs, and those of the networks with two answers: functions of tensors, nothing here but Keras.

`logits` are the discriminator's answers before the sigmoid, so -log D = softplus(-logit) and -log(1 - D) = softplus(logit):
finite for every logit. Costs are means over everything, which includes the patches. Equation numbers are the paper's.
"""

from keras import ops


def l1_cost(scaled_lab, predicted_scaled_lab):
    """The l1 term of Eq. 7: mean absolute difference over images, pixels and channels."""
    return ops.mean(ops.abs(predicted_scaled_lab - scaled_lab))


def l2_cost(scaled_lab, predicted_scaled_lab):
    """Eq. 9, the baseline: mean squared difference over pixels and channels, one value an image.

    Keras takes the mean over the images, and divides by the number of replicas only where there is that axis.
    """
    return ops.mean(ops.square(predicted_scaled_lab - scaled_lab), axis=(1, 2, 3))


def non_saturating_cost(fake_logits):
    """Eq. 5: -E[log D(G)]. Its gradient is largest while the discriminator is ahead."""
    return ops.mean(ops.softplus(-fake_logits))


def saturating_cost(fake_logits):
    """Eq. 1: E[log(1 - D(G))]. Its gradient vanishes while the discriminator is ahead (Fig. 1)."""
    return -ops.mean(ops.softplus(fake_logits))


def distance_cost(ab, predicted_ab):
    """Mean Euclidean distance of colours [..., 2] in CIE units, smooth where it is 0 (Charbonnier et al. 1994, epsilon 1 unit)."""
    return ops.mean(ops.sqrt(ops.sum(ops.square(predicted_ab - ab), axis=-1) + 1))


def bins_cost(ab, logits, palette_ab):
    """Mean cross-entropy, a scalar, of the bin whose colour in `palette_ab` [Q, 2] is nearest to `ab` [..., 2], against logits [..., Q]."""
    # the square of ab itself is the same for all bins
    nearest = ops.argmin(ops.sum(ops.square(palette_ab), axis=-1) - 2 * ops.matmul(ab, ops.transpose(palette_ab)), axis=-1)
    return ops.mean(ops.sparse_categorical_crossentropy(nearest, logits, from_logits=True))


ADVERSARIAL_COSTS = {"non_saturating": non_saturating_cost, "saturating": saturating_cost}


def discriminator_cost(real_logits, fake_logits, real_label=0.9):
    """Eq. 8, negated: cross-entropy of true images against `real_label` plus that of generated ones against 0.

    One-sided label smoothing (3.3; Salimans et al. 2016): `real_label` 0.9 instead of 1.
    """
    real = ops.mean(ops.softplus(real_logits) - real_label * real_logits)
    return real + ops.mean(ops.softplus(fake_logits))
