"""The regression of a network with two answers alone, as a model whose dial scales the saturation: what the vivid answer must beat.

    python benchmarks/regression.py photo regression.keras --gain=2.2
    python evaluate.py --model=photo --model=regression.keras --vividness=0 --vividness=0.5 --vividness=1 ...

At vividness 1 its a* and b* are those of vividness 0 times --gain.
"""

import argparse
import dataclasses
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # as the programs set it

import keras

from colorizer import inference


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="the name of weights that ship, a run folder or a .keras file")
    parser.add_argument("output", help="the .keras file to write")
    parser.add_argument("--gain", type=float, required=True)
    arguments = parser.parse_args()
    network = inference.network_of(arguments.model)
    if network.output_shape[-1] != 5:
        parser.error(f"{arguments.model}: not a network with two answers")
    # L* and R of [L*, R, B]
    alone = keras.layers.Conv2D(3, 1, use_bias=False, name="regression", trainable=False)
    regression = keras.Model(network.input, alone(network.output))
    alone.set_weights([keras.ops.convert_to_numpy(keras.ops.eye(5, 3))[None, None]])
    traits = dataclasses.replace(inference.check(arguments.model, to_train=True), gain=arguments.gain, vividness=0.0)
    inference.save(arguments.output, regression, traits)


if __name__ == "__main__":
    main()
