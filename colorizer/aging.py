"""Training pictures as old photographs show them: the lightness that the network gets, not the colours that it should find.

Each picture of a batch draws its own age from `key`, so the same key gives the same pictures.
"""

import os
import zlib

import tensorflow as tf

from colorizer import color


def aged(rgb, key, share):
    """uint8 sRGB [B, H, W, 3] -> uint8 sRGB [B, H, W, 3], a `share` of the pictures grey and aged, the others as they are.

    In this order, each for its own part of the aged ones: film that sees red, green and blue by other weights (blue-sensitive
    plates among them), gamma, fading towards grey, blur, grain, JPEG.
    """
    count = tf.shape(rgb)[0]

    def uniform(number, low, high, channels=1):
        return tf.random.stateless_uniform([count, 1, 1, channels], tf.random.experimental.stateless_fold_in(key, number), low, high)

    def some(number, chance):
        return tf.cast(uniform(number, 0, 1) < chance, tf.float32)

    # Dirichlet(1, 1, 1): every mix of the three is as likely
    film = -tf.math.log(uniform(0, 1e-6, 1, 3))
    film = film / tf.reduce_sum(film, axis=-1, keepdims=True)
    grey = tf.reduce_sum(tf.cast(rgb, tf.float32) / 255 * film, axis=-1, keepdims=True)
    grey = tf.pow(tf.maximum(grey, 1e-4), tf.exp(uniform(1, -0.4, 0.4)))
    black, white = uniform(2, 0, 0.2) * some(3, 0.5), 1 - uniform(4, 0, 0.2) * some(5, 0.5)
    grey = black + (white - black) * grey
    blurred = tf.nn.avg_pool2d(tf.nn.avg_pool2d(grey, 3, 1, "SAME"), 3, 1, "SAME")
    grey += uniform(6, 0, 1) * some(7, 0.5) * (blurred - grey)
    grain = tf.random.stateless_normal(tf.shape(grey), tf.random.experimental.stateless_fold_in(key, 8))
    grey += uniform(9, 0, 0.06) * some(10, 0.5) * grain
    levels = tf.cast(tf.clip_by_value(tf.round(grey * 255), 0, 255), tf.uint8)
    quality = tf.cast(uniform(11, 30, 95), tf.int32)[:, 0, 0, 0]
    levels = tf.map_fn(lambda each: tf.cond(each[1] < 62, lambda: tf.image.adjust_jpeg_quality(each[0], each[1]), lambda: each[0]),
                       (levels, quality), fn_output_signature=tf.uint8)  # fmt: skip
    return tf.where(some(12, share) > 0, tf.repeat(levels, 3, axis=-1), rgb)


def lightness_of(example):
    """L* [H, W, 1] of an images.Example as an old photograph, always the same one of the same name."""
    key = tf.constant([zlib.crc32(os.fsencode(example.name)), 0], tf.int64)
    return color.lightness_from_rgb(aged(example.rgb[None], key, 1.0).numpy()[0])
