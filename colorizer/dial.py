"""A network with two answers, and everything that training it takes: R, the most accurate, and B, as colourful as nature.

R is a regression, and a network that knows its training pictures by heart is too sure of others': it is multiplied by a gain. B is the
mean colour of a distribution over bins of a*b* (Zhang, Isola, Efros 2016), sharpened by a temperature and moved away from the colours
that are common everywhere (logit adjustment: Menon et al. 2021). All of these are fitted after training.
"""

import functools
import itertools
import math

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from colorizer import color, inference, losses, metrics, networks

HISTOGRAM_CELL = 2.0  # a*b* units, of the histogram that bins are made from
BIN_SHARE = 0.4  # bins are spread as the colours' frequency to this power: finer where colours are common, but not by as much
# what refresh() chooses from; softer than 0.4, or with the prior further off, colours are vivid and wrong (docs/experiments.md)
TEMPERATURES = (0.15, 0.25, 0.4)
BETAS = (0.0, 0.3, 0.6)
GAINS = (0.5, 5.0)
REGRESSION_GAINS = np.linspace(0.5, 1.5, 51)
DISTANCE_SCALE = 10.0  # units of a*b* that cost as much as a nat of the bins' cross-entropy


class DialColorizer(keras.Model):
    """A network of two heads, (ab, logits), trained by the distance of its colours and by the cross-entropy of their bins.

    Batches are (scaled lightness [B, H, W, 1], scaled Lab [B, H, W, 3]); the lightness may be that of an aged picture. Call, and
    `generator`: scaled L*, R and B [B, H, W, 5], from averaged weights, as of the last refresh().
    """

    def __init__(self, network, mirrored=False, **kwargs):
        super().__init__(**kwargs)
        self.network = network
        self.strides = networks.strides_of(network)
        self.generator = networks.build_answering(network, mirrored)
        bins = network.output_shape[1][-1]
        # of the training pictures; weights, so that checkpoints have them
        self.palette_ab = self.add_weight(shape=(bins, 2), initializer="zeros", trainable=False, name="palette_ab")
        self.log_prior = self.add_weight(shape=(bins,), initializer="zeros", trainable=False, name="log_prior")

    def compile(self, optimizers, bins_weight=1.0, **kwargs):
        """optimizers: [(optimizer, variables), ...], which divide the trainable variables among them."""
        super().compile(optimizer=None, **kwargs)
        self.shares = lambda: optimizers  # in a function, lest Keras counts the variables twice
        for optimizer, variables in optimizers:
            optimizer.build(variables)
        self.bins_weight = bins_weight
        self.cost_metrics = [keras.metrics.Mean(name=name) for name in ("loss", "distance", "cross_entropy")]
        self.figures = metrics.streaming_metrics()

    @property
    def metrics(self):
        return [*self.cost_metrics, *self.figures]

    @property
    def optimizers(self):
        return [optimizer for optimizer, _ in self.shares()]

    def call(self, scaled_lightness, training=False):
        return self.generator(scaled_lightness, training=training)

    def train_step(self, batch):
        """One update, from what both heads cost."""
        scaled_lightness, scaled_lab = batch
        with tf.GradientTape() as tape:
            scaled_ab, logits = self.network(scaled_lightness, training=True)
            of_ab, of_logits = (ops.average_pool(scaled_lab, stride, stride) for stride in self.strides)
            distance = losses.distance_cost(color.unscale(of_ab)[..., 1:], scaled_ab * color.AB_SCALE)
            cross_entropy = losses.bins_cost(color.unscale(of_logits)[..., 1:], logits, self.palette_ab)
            loss = distance / DISTANCE_SCALE + self.bins_weight * cross_entropy
            scaled_loss = loss / self.distribute_strategy.num_replicas_in_sync
        variables = [variable for _, share in self.shares() for variable in share]
        gradients = iter(tape.gradient(scaled_loss, variables))
        for optimizer, share in self.shares():
            optimizer.apply([next(gradients) for _ in share], share)
        for metric, cost in zip(self.cost_metrics, (loss, distance, cross_entropy)):
            metric.update_state(cost)
        predicted = ops.concatenate([of_ab[..., :1], scaled_ab], axis=-1)
        for metric in self.figures:
            metric.update_state(of_ab, predicted)
        return {metric.name: metric.result() for metric in self.metrics}

    def set_palette(self, labs):
        """Chooses the bins from training pictures: an iterable of lab [..., 3]."""
        palette, prior = palette_of(labs, self.palette_ab.shape[0])
        self.palette_ab.assign(palette)
        self.log_prior.assign(np.log(prior))

    def begin_with(self, trained, labs):
        """Takes weights and palette of another one's generator; the prior is that of its own training pictures.

        Raises ValueError where the networks differ.
        """
        own = {layer.name for layer in self.generator.layers}
        if more := [layer.name for layer in trained.layers if layer.weights and layer.name not in own]:
            raise ValueError(f"it has {', '.join(more)}")
        for layer in self.network.layers:
            layer.set_weights(trained.get_layer(layer.name).get_weights())
        palette = trained.get_layer("palette").get_weights()[0][0, 0] * color.AB_SCALE
        self.palette_ab.assign(palette)
        self.log_prior.assign(np.log(_shares(np.concatenate([lab[..., 1:].reshape(-1, 2) for lab in labs]), palette)))

    def refresh(self, labs, training_lightness=()):
        """Puts the averaged weights into the generator, with R's gain and B's readout fitted to validation pictures [N, H, W, 3].

        training_lightness: batches of scaled lightness [B, H, W, 1], to take the batch norms' statistics from: those of the training are of
        other weights than the averages, and cost a tenth of a unit of MAE while the rate is high (as Izmailov et al. 2018 do). Best are
        batches as in training, aged ones too (docs/experiments.md). Without any they stay.
        """
        now = [np.array(variable) for variable in self.network.trainable_variables]
        for optimizer, share in self.shares():
            optimizer.finalize_variable_values(share)  # the averages, where it keeps them
        averaged = networks.in_dtype(self.network)
        for variable, value in zip(self.network.trainable_variables, now):
            variable.assign(value)
        settle(averaged, training_lightness)
        for layer in averaged.layers:
            self.generator.get_layer(layer.name).set_weights(layer.get_weights())
        regression_gain, temperature, beta, gain = self._fitted(labs)
        ab_head = self.generator.get_layer("ab")
        ab_head.set_weights([regression_gain * weight for weight in ab_head.get_weights()])
        log_prior = np.array(self.log_prior)
        for name, weights in {
            "sharpen": [np.full((1, 1, len(log_prior), 1), 1 / temperature), -beta * log_prior],
            "palette": [np.array(self.palette_ab)[None, None] / color.AB_SCALE],
            "gain": [np.full((1, 1, 2, 1), gain)],
        }.items():
            self.generator.get_layer(name).set_weights(weights)
        return {"regression_gain": regression_gain, "temperature": temperature, "beta": beta, "gain": gain}

    def _fitted(self, labs):
        """(R's gain of the lowest MAE; temperature, beta, gain at which B is as colourful as the truth, and of those the nearest to
        it by CIEDE2000)."""
        heads = inference.compiled(keras.Model(self.generator.input, [self.generator.output, self.generator.get_layer("sharpen").input]))
        scaled_lightness = color.scale(labs[..., :1]).astype("float32")
        answers = [map(np.array, heads(scaled_lightness[i : i + 16])) for i in range(0, len(labs), 16)]
        scaled_answers, logits = (np.concatenate(parts) for parts in zip(*answers))
        regression, ab = color.AB_SCALE * scaled_answers[..., 1:3], labs[..., 1:].astype("float32")
        regression_gain = min(REGRESSION_GAINS, key=lambda gain: np.abs(gain * regression - ab).mean())
        reduced = np.asarray(ops.convert_to_numpy(ops.average_pool(labs, self.strides[1], self.strides[1])))
        rgb = color.rgb_from_lab(reduced)
        truth, wanted = color.lab_from_rgb(rgb), metrics.colorfulness(rgb).mean()

        def delivered(ab):
            return color.rgb_from_lab(np.concatenate([reduced[..., :1], ab], axis=-1))

        found = []
        for temperature, beta in itertools.product(TEMPERATURES, BETAS):
            z = logits / temperature - beta * np.array(self.log_prior)
            shares = np.exp(z - z.max(axis=-1, keepdims=True))
            ab = shares @ np.array(self.palette_ab) / shares.sum(axis=-1, keepdims=True)
            low, high = GAINS
            while high / low > 1.01:
                gain = math.sqrt(low * high)
                low, high = (gain, high) if metrics.colorfulness(delivered(gain * ab)).mean() < wanted else (low, gain)
            found.append((color.ciede2000(truth, color.lab_from_rgb(delivered(gain * ab))).mean(), temperature, beta, gain))
        return round(float(regression_gain), 2), *min(found)[1:]


def settle(network, lightness_batches):
    """Gives a network's batch norms the mean of their statistics over the batches, if there are any, and no momentum."""
    norms = [layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)]
    for norm in norms:
        norm.momentum = 0.0  # after each batch they have its statistics
    run = tf.function(functools.partial(network, training=True), autograph=False, reduce_retracing=True)
    statistics = []
    for scaled_lightness in lightness_batches:
        run(scaled_lightness)
        statistics.append([np.array(value) for norm in norms for value in norm.non_trainable_variables])
    means = (np.mean(values, axis=0) for values in zip(*statistics))
    for variable, mean in zip((value for norm in norms for value in norm.non_trainable_variables), means):
        variable.assign(mean)


def palette_of(labs, bins):
    """(a*b* [bins, 2], share of all pixels [bins]) of the colours of pictures: weighted k-means of their histogram."""
    edge = 128
    cells = int(2 * edge / HISTOGRAM_CELL)
    counts = np.zeros((cells, cells))
    for lab in labs:
        a, b = (lab[..., c].ravel() for c in (1, 2))
        counts += np.histogram2d(a, b, bins=cells, range=[[-edge, edge]] * 2)[0]
    occupied = np.argwhere(counts > 0)
    colours, counts = (occupied + 0.5) * HISTOGRAM_CELL - edge, counts[counts > 0]
    weights = counts**BIN_SHARE
    rng = np.random.default_rng(0)
    centres = colours[rng.choice(len(colours), bins, replace=len(colours) < bins, p=weights / weights.sum())]
    for _ in range(50):
        nearest = _nearest(colours, centres)
        total = np.bincount(nearest, weights, bins)
        moved = np.stack([np.bincount(nearest, weights * colours[:, c], bins) for c in (0, 1)], axis=-1)
        centres = np.where(total[:, None] > 0, moved / np.maximum(total, 1e-9)[:, None], centres)
    return centres.astype("float32"), _shares(colours, centres, counts)


def _shares(colours, centres, counts=None):
    """How much of all colours [N, 2] is nearest to each centre [Q, 2]: [Q], none of them 0."""
    shares = np.bincount(_nearest(colours, centres), counts, len(centres))
    shares = np.maximum(shares, shares.sum() * 1e-6)
    return (shares / shares.sum()).astype("float32")


def _nearest(colours, centres):
    # the square of the colour itself is the same for all centres
    return np.concatenate(
        [np.argmin((centres**2).sum(axis=-1) - 2 * some @ centres.T, axis=1) for some in np.array_split(colours, 1 + len(colours) // 2**16)]
    )
