"""How fast is one picture, in which form of the same network, beside other libraries?

    pip install '.[bench]'
    python benchmarks/inference.py --size=32 --size=128 --size=256

The paper's generator of each size with random weights, the network alone. Each row is measured in a process of its own, the rows in
turn, --rounds times: milliseconds of one picture (median of all), pictures a second in batches of 8 where a form takes batches,
memory at its peak, and the file's size. x: how much longer than our fastest form a row takes.
"""

import argparse
import importlib.util
import json
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

ROWS = {
    "keras-call": "Keras, network(x)", "keras-predict": "Keras, predict(x)", "compiled": "tf.function, as evaluate.py runs it",
    "savedmodel": "SavedModel",
    "none-1": ".tflite float32, 1 thread", "none-2": ".tflite float32, 2 threads",
    "float16-1": ".tflite float16, 1 thread", "float16-2": ".tflite float16, 2 threads",
    "dynamic-1": ".tflite dynamic, 1 thread", "dynamic-2": ".tflite dynamic, 2 threads",
    "int8-1": ".tflite int8, 1 thread", "int8-2": ".tflite int8, 2 threads",
    "onnx-1": "ONNX Runtime, 1 thread", "onnx-2": "ONNX Runtime, 2 threads",
    "torch-1": "PyTorch, 1 thread", "torch-2": "PyTorch, 2 threads",
}  # fmt: skip
OURS = [name for name in ROWS if not name.startswith(("onnx", "torch", "dynamic", "int8"))]


def build(size, folder):
    """The network in every form, below `folder`."""
    import tensorflow as tf

    from colorizer import inference, networks, ondevice, serving

    widths = networks.unit_widths(size)
    network = networks.build_generator(widths)
    traits = inference.Traits(render_size=size, stride=networks.stride_of(widths))
    inference.save(folder / "network.keras", network, traits)
    module = serving.Served(network, traits)
    tf.saved_model.save(module, folder / "saved", signatures=module.signatures())
    rng = np.random.default_rng(0)
    calibration = [rng.uniform(0, 100, (1, size, size, 1)).astype("float32") for _ in range(4)]
    for kind in ("none", "float16", "dynamic", "int8"):
        (folder / f"{kind}.tflite").write_bytes(ondevice.convert(network, traits, kind, calibration))
    if importlib.util.find_spec("torch"):
        import torch
        from train_step import torch_generator

        peer = torch_generator(widths, 0.5, 2).eval()
        torch.save((widths, peer.state_dict()), folder / "peer.pt")
        if importlib.util.find_spec("onnxruntime"):
            torch.onnx.export(peer, (torch.zeros(1, 1, size, size),), folder / "peer.onnx", dynamo=False, input_names=["x"],
                              dynamic_axes={"x": {0: "batch"}})  # fmt: skip


def runner(name, size, folder):
    """(function of scaled lightness [B, S, S, 1], whether it takes batches, the file)."""
    form, _, threads = name.partition("-")
    if form in ("torch", "onnx"):
        return _peer(form, int(threads), size, folder)
    from colorizer import inference

    if form in ("none", "float16", "dynamic", "int8"):
        run = inference.interpreter(folder / f"{form}.tflite", int(threads)).get_signature_runner("predict_lab")
        return lambda x: run(lightness=x, vividness=np.float32(0)), False, folder / f"{form}.tflite"
    if form == "savedmodel":
        import tensorflow as tf

        loaded = tf.saved_model.load(folder / "saved")
        zero = tf.constant([0.0])
        return lambda x: loaded.lab_at_render_size(tf.constant(x), zero).numpy(), True, folder / "saved"
    network = inference.network_of(folder / "network.keras")
    compiled = inference.compiled(network)
    functions = {
        "keras-call": lambda x: network(x, training=False).numpy(),
        "keras-predict": lambda x: network.predict(x, verbose=0),
        "compiled": lambda x: compiled(x).numpy(),
    }
    return functions[name], True, folder / "network.keras"


def _peer(form, threads, size, folder):
    if form == "onnx":
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        session = onnxruntime.InferenceSession(folder / "peer.onnx", options)
        return lambda x: session.run(None, {"x": x.transpose(0, 3, 1, 2)}), True, folder / "peer.onnx"
    import torch
    from train_step import torch_generator

    torch.set_num_threads(threads)
    widths, weights = torch.load(folder / "peer.pt")
    network = torch_generator(widths, 0.5, 2).eval()
    network.load_state_dict(weights)
    network = network.to(memory_format=torch.channels_last)

    def run(x):
        with torch.inference_mode():
            return network(torch.from_numpy(x).permute(0, 3, 1, 2)).numpy()

    return run, True, folder / "peer.pt"


def measure(name, size, folder, seconds=2):
    run, batches, path = runner(name, size, folder)

    def times(batch_size):
        x = np.random.default_rng(0).uniform(-1, 1, (batch_size, size, size, 1)).astype("float32")
        for _ in range(3):
            run(x)
        found, end = [], time.perf_counter() + seconds
        while not found or time.perf_counter() < end:
            began = time.perf_counter()
            run(x)
            found.append(time.perf_counter() - began)
        return found

    one = times(1)
    eight = 8 / statistics.median(times(8)) if batches else 1 / statistics.median(one)
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return {
        "ms": [1000 * value for value in one], "a_second": eight, "megabytes": sum(file.stat().st_size for file in files) / 1e6,
        "peak": peak_megabytes(),
    }  # fmt: skip


def peak_megabytes():
    """Of this process alone; getrusage would count what its parent held when it forked."""
    return int(re.search(r"VmHWM:\s*(\d+)", pathlib.Path("/proc/self/status").read_text())[1]) / 2**10


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, action="append", help="side of the picture, pixels; repeatable; unset: 32, 128, 256")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        name, folder = arguments.measure
        print(json.dumps(measure(name, arguments.size[0], pathlib.Path(folder))))
        return
    for size in arguments.size or [32, 128, 256]:
        with tempfile.TemporaryDirectory() as folder:
            build(size, pathlib.Path(folder))
            there = [name for name in ROWS if not name.startswith("onnx") or (pathlib.Path(folder) / "peer.onnx").exists()]
            there = [name for name in there if not name.startswith("torch") or (pathlib.Path(folder) / "peer.pt").exists()]
            found = {name: [] for name in there}
            for _ in range(arguments.rounds):
                for name in there:
                    command = [sys.executable, __file__, f"--size={size}", "--measure", name, folder]
                    done = subprocess.run(command, capture_output=True, text=True, check=False)
                    if done.returncode:
                        sys.exit(f"{name}: {done.stderr}")
                    found[name].append(json.loads(done.stdout.splitlines()[-1]))
        ms = {name: statistics.median(sum((each["ms"] for each in rounds), [])) for name, rounds in found.items()}
        fastest = min(ms[name] for name in OURS)
        print(f"\n| {size} px | ms | x | pictures/s | peak MB | file MB |\n|---|---|---|---|---|---|")
        for name, rounds in found.items():
            best = max(each["a_second"] for each in rounds)
            peak, megabytes = max(each["peak"] for each in rounds), rounds[0]["megabytes"]
            print(f"| {ROWS[name]} | {ms[name]:.1f} | {ms[name] / fastest:.2f} | {best:.1f} | {peak:.0f} | {megabytes:.0f} |")


if __name__ == "__main__":
    main()
