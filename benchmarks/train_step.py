"""How fast is a training step of the paper's GAN on this machine, in Keras/TensorFlow and in PyTorch?

    python benchmarks/train_step.py                                       the paper's step at 32 px, batch 128
    python benchmarks/train_step.py --image_size=256 --batch_size=16      at 256 px

Both do one forward pass of the generator, Adam on the discriminator (true images, then generated ones), and Adam on the
generator through the updated discriminator; the same layers, the same number of parameters (checked), one fixed random batch.
Ours counts its running metrics as well, as in training. Data loading is left out: input_pipeline.py measures that.

Each row is measured in a process of its own, in turns over several rounds, so that a drift of the machine's speed meets all rows
alike. Timings mean something on an otherwise idle machine only; beside other work PyTorch loses most, as its threads wait for each
other in every operation. Nothing is written.

Achieved GFLOP/s are 2 x the convolutions' multiply-accumulates (taps that fall on the padding included; all else is left out)
over the median seconds a step. With G and D the multiply-accumulates of one image forward, and G1 and D1 those of the first layer:

    generator                  3 G - G1        forward, gradient of the weights, gradient of the inputs (not of the image)
    discriminator's update     2 (3 D - D1)    the same, for a true and a generated image
    generator's cost           2 D             forward, gradient of the inputs

The peak is that of a float32 product of two 2048 x 2048 matrices in TensorFlow, the best of the run. mixed_bfloat16 is held
against the float32 peak too.
"""

import argparse
import importlib.metadata
import importlib.util
import json
import math
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import time

import numpy as np

from colorizer import config as configuration

# TensorFlow and PyTorch are imported where they are used: never both in one process, and neither for --help

ROWS = {
    "tensorflow-float32": "Keras, float32 (ours)",
    "tensorflow-mixed_bfloat16": "Keras, mixed_bfloat16 (ours)",
    "pytorch-float32": "PyTorch, float32",
    "pytorch-mixed_bfloat16": "PyTorch, bfloat16 autocast",
}
PEAK = "matmul-peak"
MATMUL_SIDE = 2048
MATMUL_REPEATS = 20
WARM_UP_STEPS = 2  # the first one traces the step
DISCRIMINATOR_WIDTHS = (64, 128, 256, 512)


def main():
    args = _arguments()
    if args.only:
        print(json.dumps(measure(args.only, args)))
        return
    print(machine_facts(("tensorflow", "keras", "torch")))
    print(f"{args.image_size} px, batch {args.batch_size}; rounds: {args.rounds}, timed steps a round: {args.steps}\n", flush=True)
    measurements, peak_gflops = measure_in_turns(args)
    require_equal_networks(measurements)
    print(report(args, measurements, peak_gflops))


def _arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--image_size", type=int, default=32, help="side of the images in pixels, a multiple of 16 (32)")
    parser.add_argument("--batch_size", type=int, default=128, help="images a step (128)")
    parser.add_argument("--steps", type=int, default=4, help="timed steps of a row in a round (4)")
    parser.add_argument("--rounds", type=int, default=3, help="turns of every row (3)")
    parser.add_argument("--only", choices=[*ROWS, PEAK], help="measure this alone and print JSON: what the script asks of itself")
    parser.add_argument("--widths", type=lambda text: [int(width) for width in text.split(",")], help=argparse.SUPPRESS)
    args = parser.parse_args()
    if min(args.image_size, args.batch_size, args.steps, args.rounds) < 1:
        parser.error("sizes, steps and rounds must be at least 1")
    if args.image_size % 16:
        parser.error("--image_size must be a multiple of 16")
    if args.only and args.only.startswith("pytorch") and not args.widths:
        parser.error("--only=pytorch-... needs --widths, the generator's, as the Keras rows print them")
    return args


# ---- the rounds -------------------------------------------------------------------------------------------------------


def measure_in_turns(args):
    """({row: its measurement, the steps of all rounds together}, the best GFLOP/s of the matrix product)."""
    names = [name for name in ROWS if not name.startswith("pytorch") or importlib.util.find_spec("torch")]
    measurements, peak_gflops = {}, 0.0
    for _ in range(args.rounds):
        peak_gflops = max(peak_gflops, _in_own_process(PEAK, args, None)["gflops"])
        for name in names:
            widths = next((measurement["widths"] for measurement in measurements.values()), None)
            measured = _in_own_process(name, args, widths)
            earlier = measurements.get(name, {"seconds_per_step": []})
            measured["seconds_per_step"] = earlier["seconds_per_step"] + measured["seconds_per_step"]
            measurements[name] = measured
    return measurements, peak_gflops


def _in_own_process(name, args, widths):
    command = [sys.executable, __file__, f"--only={name}"]
    command += [f"--{flag}={getattr(args, flag)}" for flag in ("image_size", "batch_size", "steps")]
    command += [f"--widths={','.join(map(str, widths))}"] if widths else []
    environment = {"TF_CPP_MIN_LOG_LEVEL": "2", "TF_ENABLE_ONEDNN_OPTS": "1", **os.environ}  # as the programs set it
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        sys.exit(f"{done.stderr}\n{' '.join(command)} exited with {done.returncode}")
    return json.loads(done.stdout.splitlines()[-1])


def measure(name, args):
    """What one process measures: {"gflops"} of the peak, or {"seconds_per_step", "widths", "parameters", ...} of a row."""
    if name == PEAK:
        return {"gflops": matmul_gflops()}
    sizes = {"image_size": args.image_size, "batch_size": args.batch_size, "precision": name.split("-")[1]}
    # the recipe for "sample" is the one that admits any image size; networks and costs are the paper's in all of them
    config = configuration.resolve("paper", "sample", "gan", sizes)
    step, facts = torch_step(config, args.widths) if name.startswith("pytorch") else keras_step(config)
    return {"seconds_per_step": seconds_per_step(step, args.steps), **facts}


def seconds_per_step(step, steps, warm_up_steps=WARM_UP_STEPS):
    """Seconds of each of `steps` calls, after some that are not timed."""
    for _ in range(warm_up_steps):
        step()
    seconds = []
    for _ in range(steps):
        start = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - start)
    return seconds


def matmul_gflops():
    """GFLOP/s of the fastest of several float32 matrix products."""
    import tensorflow as tf

    left, right = (tf.random.stateless_uniform([MATMUL_SIDE, MATMUL_SIDE], [0, number]) for number in range(2))

    @tf.function
    def product():
        return tf.matmul(left, right)[0, 0]

    # float(): a GPU answers before it is done
    seconds = min(seconds_per_step(lambda: float(product()), MATMUL_REPEATS))
    return 2 * MATMUL_SIDE**3 / seconds / 1e9


def random_batch(config):
    """(scaled lightness [B, H, W, 1], scaled Lab [B, H, W, 3]), uniform in -1..1."""
    shape = (config.batch_size, config.image_size, config.image_size, 3)
    scaled_lab = np.random.default_rng(config.seed).uniform(-1, 1, shape).astype("float32")
    return scaled_lab[..., :1], scaled_lab


# ---- ours -------------------------------------------------------------------------------------------------------------


def keras_step(config):
    """(a function that does one training step on a fixed batch, facts of the model)."""
    import keras
    import tensorflow as tf

    from colorizer import networks, training

    policy = keras.config.dtype_policy()
    try:
        training.on_this_machine(config)
        model = training.build_model(config)
    finally:
        keras.config.set_dtype_policy(policy)  # layers keep the one that they were built with
    batches = iter(tf.data.Dataset.from_tensors(random_batch(config)).repeat())
    model.make_train_function()
    facts = {
        "device": "GPU" if tf.config.list_physical_devices("GPU") else "CPU",
        "widths": networks.unit_widths(config.image_size),
        "multiply_accumulates": multiply_accumulates_of_step(model, config.image_size),
        "parameters": {
            network.name: [sum(math.prod(weight.shape) for weight in network.trainable_weights), network.count_params()]
            for network in (model.generator, model.discriminator)
        },
    }
    return lambda: float(model.train_function(batches)["g_loss"]), facts


def multiply_accumulates_of_step(model, image_size):
    """Of one image in one training step; the formula is at the top of this file."""
    generator, discriminator = (multiply_accumulates(network, image_size) for network in (model.generator, model.discriminator))
    return 3 * sum(generator) - generator[0] + 8 * sum(discriminator) - 2 * discriminator[0]


def multiply_accumulates(network, image_size):
    """Of one image forward, one number for each convolution in the order of the network."""
    import keras

    convolutions = [layer for layer in network.layers if hasattr(layer, "kernel")]
    probe = keras.Model(network.inputs, [layer.output for layer in convolutions])
    outputs = probe([np.zeros((1, image_size, image_size, picture.shape[-1]), "float32") for picture in network.inputs])
    return [
        # a kernel is applied at every pixel of a convolution's output, or of a transposed convolution's input
        math.prod(output.shape[1:3]) * math.prod(layer.kernel.shape)
        // (math.prod(layer.strides) if isinstance(layer, keras.layers.Conv2DTranspose) else 1)
        for layer, output in zip(convolutions, outputs)
    ]  # fmt: skip


# ---- the same in PyTorch ----------------------------------------------------------------------------------------------


def torch_step(config, widths):
    """(a function that does one training step on a fixed batch, facts of the networks)."""
    import torch
    from torch.nn.functional import softplus

    torch.manual_seed(config.seed)
    device = "cuda" if torch.cuda.is_available() else "cpu"

    def placed(module_or_tensor):
        return module_or_tensor.to(device, memory_format=torch.channels_last)

    generator = placed(torch_generator(widths, config.dropout, config.dropout_units))
    discriminator = placed(torch_discriminator())
    lightness, lab = (placed(torch.from_numpy(part).permute(0, 3, 1, 2)) for part in random_batch(config))
    weights = {network: list(network.parameters()) for network in (generator, discriminator)}
    # fused: PyTorch's fastest Adam; epsilon is Keras's
    adam = {
        network: torch.optim.Adam(weights[network], config.learning_rate, (config.beta1, 0.999), eps=1e-7, fused=True)
        for network in weights
    }

    autocast = torch.autocast(device, torch.bfloat16, enabled=config.precision == "mixed_bfloat16")

    def colour():
        with autocast:
            return generator(lightness).float()

    def judge(scaled_lab):
        with autocast:
            return discriminator(torch.cat([lightness, scaled_lab], dim=1)).float()

    def update(network, cost):
        adam[network].zero_grad()
        cost.backward(inputs=weights[network])  # the other network's gradients are not computed
        adam[network].step()

    def step():
        predicted = colour()
        real_logits, fake_logits = judge(lab), judge(predicted.detach())
        update(discriminator, (softplus(real_logits) - config.real_label * real_logits).mean() + softplus(fake_logits).mean())
        cost = softplus(-judge(predicted)).mean() + config.l1_weight * (predicted - lab).abs().mean()
        update(generator, cost)
        return cost.item()

    parameters = {"generator": torch_parameters(generator), "discriminator": torch_parameters(discriminator)}
    return step, {"device": "GPU" if device == "cuda" else "CPU", "widths": widths, "parameters": parameters}


def torch_generator(widths, dropout, dropout_units):
    """networks.build_generator in PyTorch: scaled lightness [B, 1, H, W] -> scaled Lab [B, 3, H, W]."""
    import torch
    from torch import nn

    class Generator(nn.Module):
        def __init__(self):
            super().__init__()
            self.encode = nn.ModuleList(
                nn.Sequential(*_torch_unit(channels, width, stride=1 if i == 0 else 2, normalized=i > 0))
                for i, (channels, width) in enumerate(zip((1, *widths), widths))
            )
            self.upsample, self.finish = nn.ModuleList(), nn.ModuleList()
            channels = widths[-1]
            for i, width in enumerate(reversed(widths[:-1])):
                self.upsample.append(nn.ConvTranspose2d(channels, width, 4, stride=2, padding=1, bias=False))
                channels = 2 * width  # the skip connection's beside its own
                dropped = [nn.Dropout(dropout)] if i < dropout_units and dropout else []
                self.finish.append(nn.Sequential(_torch_norm(channels), nn.ReLU(inplace=True), *dropped))
            self.lab = nn.Conv2d(channels, 3, 1)

        def forward(self, x):
            skips = []
            for encode in self.encode:
                x = encode(x)
                skips.append(x)
            for upsample, finish, skip in zip(self.upsample, self.finish, reversed(skips[:-1])):
                x = finish(torch.cat([upsample(x), skip], dim=1))
            return torch.tanh(self.lab(x))

    return Generator()


def torch_discriminator(widths=DISCRIMINATOR_WIDTHS):
    """networks.build_discriminator in PyTorch: scaled lightness and Lab [B, 4, H, W] -> logits [B, 1, h, w]."""
    from torch import nn

    units = []
    for i, (channels, width) in enumerate(zip((4, *widths), widths)):
        units += _torch_unit(channels, width, stride=1 if i == len(widths) - 1 else 2, normalized=i > 0)
    return nn.Sequential(*units, *_torch_convolution(widths[-1], 1, stride=1, bias=True))


def _torch_unit(channels, width, stride, normalized):
    from torch import nn

    norm = [_torch_norm(width)] if normalized else []
    return [*_torch_convolution(channels, width, stride, bias=not normalized), *norm, nn.LeakyReLU(0.2, inplace=True)]


def _torch_convolution(channels, width, stride, bias):
    """4x4, padded as "same" of Keras does on even sizes: 1 and 1 at stride 2, 1 and 2 at stride 1."""
    from torch import nn

    if stride == 2:
        return [nn.Conv2d(channels, width, 4, stride=2, padding=1, bias=bias)]
    return [nn.ZeroPad2d((1, 2, 1, 2)), nn.Conv2d(channels, width, 4, bias=bias)]


def _torch_norm(channels):
    from torch import nn

    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)  # Keras's defaults


def torch_parameters(network):
    """[trained, all] as Keras counts them: the moving means and variances belong to all."""
    trained = sum(weight.numel() for weight in network.parameters())
    return [trained, trained + sum(buffer.numel() for buffer in network.buffers() if buffer.is_floating_point())]


# ---- the table --------------------------------------------------------------------------------------------------------


def require_equal_networks(measurements):
    """Stops the program where two rows trained networks of different size."""
    parameters = {name: measurement["parameters"] for name, measurement in measurements.items()}
    if any(counts != parameters["tensorflow-float32"] for counts in parameters.values()):
        sys.exit(f"the rows' networks differ in their numbers of parameters [trained, all]: {parameters}")


def report(args, measurements, peak_gflops):
    """The table, and what it was computed from, as text."""
    ours = measurements["tensorflow-float32"]
    gflop_per_step = 2 * ours["multiply_accumulates"] * args.batch_size / 1e9
    header = ["", "device", "images/s", "min", "max", "s/step", "min", "max", "GFLOP/s", "% of peak"]
    rows = [
        [label, *_figures(measurements[name], args.batch_size, gflop_per_step, peak_gflops)]
        if name in measurements
        else [label, "not installed (pip install '.[bench]')"]
        for name, label in ROWS.items()
    ]
    parameters = ", ".join(f"{name} {total:,} ({trained:,} trained)" for name, (trained, total) in ours["parameters"].items())
    return (
        f"{table(header, rows)}\n\nmedians of {args.rounds * args.steps} steps; parameters, equal in all rows: {parameters}\n"
        f"convolutions {gflop_per_step:.1f} GFLOP a step; float32 matrix product {peak_gflops:.0f} GFLOP/s, the peak"
    )


def _figures(measurement, batch_size, gflop_per_step, peak_gflops):
    seconds = measurement["seconds_per_step"]
    median = statistics.median(seconds)
    images_per_second = [batch_size / value for value in (median, max(seconds), min(seconds))]
    gflops = gflop_per_step / median
    return [
        measurement["device"],
        *(f"{value:.1f}" for value in images_per_second),
        *(f"{value:.3f}" for value in (median, min(seconds), max(seconds))),
        f"{gflops:.0f}",
        f"{100 * gflops / peak_gflops:.0f}",
    ]


def table(header, rows):
    """Rows of text with aligned columns, the first to the left; a row of two cells is a name and a remark."""
    whole = [header, *(row for row in rows if len(row) == len(header))]
    widths = [max(len(row[column]) for row in whole) for column in range(len(header))]
    widths[0] = max(len(row[0]) for row in rows)

    def line(row):
        if len(row) < len(header):
            return f"{row[0].ljust(widths[0])}  {row[1]}"
        return "  ".join([row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:]))])

    return "\n".join(line(row) for row in [header, *rows])


def machine_facts(packages):
    """CPU, cores, versions and how busy the machine is, in one line."""
    versions = [f"Python {platform.python_version()}"]
    for package in packages:
        try:
            versions.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            versions.append(f"no {package}")
    load = f"; load average {os.getloadavg()[0]:.1f} at the start" if hasattr(os, "getloadavg") else ""
    return f"{_cpu_model()}, {os.cpu_count()} cores; {', '.join(versions)}{load}"


def _cpu_model():
    facts = pathlib.Path("/proc/cpuinfo")
    lines = facts.read_text().splitlines() if facts.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor())


if __name__ == "__main__":
    main()
