"""A model as files for others: written aside, compared with the Keras network on real pictures, and only then put in their place."""

import contextlib
import dataclasses
import errno
import io
import json
import os
import pathlib
import shutil
import statistics
import tempfile
import time

import numpy as np
import tensorflow as tf
from PIL import Image
from tensorflow_serving.apis import model_pb2, predict_pb2, prediction_log_pb2

from colorizer import ColorizerError, __version__, color, images, inference, metrics, ondevice, rendering, serving

# largest difference to the Keras network: of any pixel in 8-bit steps, of the mean CIEDE2000, of acc_5 in points
BOUNDS = {
    "savedmodel": (1, None, None),
    "none": (1, None, None),
    "float16": (None, 0.1, None),
    "dynamic": (None, 1.0, 1.0),
    "int8": (None, 1.0, 1.0),
}


def write(network, traits, output, name, formats, quantize, size=0, calibration=(), examples=(), command="", terms="",
          max_pixels=serving.MAX_PIXELS):  # fmt: skip
    """Exports a network and gives the rows of the table: a dict for each file.

    network: in float32. output: folder; the SavedModel goes to output/name/N, N the next free number, .tflite files to
    output/name-KIND.tflite, the table to output/export.json and output/README.md. calibration: of lightness_seen(), for int8.
    examples: Examples, without which nothing is verified. terms: of use, for the files to say. max_pixels: of a picture that a server
    takes. Raises ColorizerError, and leaves nothing behind, where a file differs by more than BOUNDS or cannot be written.
    """
    output = pathlib.Path(output)
    images.check_writable(output)
    readme = output / "README.md"
    if readme.exists() and "\nExported by colorizer " not in readme.read_text(errors="replace"):
        raise ColorizerError(f"{readme}: is none of an export, and would be replaced; name another --output")
    if "savedmodel" in formats:
        images.check_writable(output / name)
    aside = pathlib.Path(tempfile.mkdtemp(prefix=f".{name}.", suffix=".part", dir=output))
    try:
        rows = []
        if "savedmodel" in formats:
            _save_model(network, traits, aside / "savedmodel", examples, terms, max_pixels)
            rows.append(_row("savedmodel", aside / "savedmodel", network, traits, examples))
        if "tflite" in formats:
            static = dataclasses.replace(traits, static_size=size)
            for kind in quantize:
                path = aside / f"{name}-{'float32' if kind == 'none' else kind}.tflite"
                path.write_bytes(ondevice.convert(network, static, kind, calibration, terms))
                try:
                    rows.append(_row(kind, path, network, traits, examples))
                except RuntimeError as error:  # LiteRT's
                    reason = str(error).partition("\n")[0]
                    raise ColorizerError(f"{path.name}: does not run ({reason}); nothing was exported") from error
        for row in reversed(rows):  # the SavedModel last: a server that watches its folder takes it up at once
            if row["form"] == "savedmodel":
                row["file"] = f"{name}/{_put_version(aside / 'savedmodel', output / name)}"
            else:
                os.replace(aside / row["file"], output / row["file"])
        report = {"version": __version__, "command": command, "model": dataclasses.asdict(traits), "pictures": len(examples), "rows": rows}
        images.write_text(output / "export.json", json.dumps(report, indent=1) + "\n")
        images.write_text(readme, _readme(name, report))
        return rows
    except (OSError, tf.errors.OpError) as error:
        reason = getattr(error, "strerror", None) or getattr(error, "message", None) or str(error)
        raise ColorizerError(f"{output}: cannot be written ({reason.partition(chr(10))[0]})") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
        with contextlib.suppress(OSError):
            (output / name).rmdir()  # where nothing has come into it


def lightness_seen(rgb, traits):
    """Lightness [1, h, w, 1] as the network sees a picture."""
    return images.resized(color.lightness_from_rgb(rgb), *traits.shape_for(*rgb.shape[:2]))[None]


def _put_version(saved, folder):
    """Moves a SavedModel to the next free number in a folder, which a server may be watching, and gives the number."""
    version = 1 + max((int(entry) for entry in os.listdir(folder) if entry.isdecimal()), default=0)
    while True:
        try:
            os.rename(saved, folder / str(version))
            return version
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):  # another export took it meanwhile
                raise
            version += 1


# ---- the SavedModel ---------------------------------------------------------------------------------------------------


def _save_model(network, traits, folder, examples, terms, max_pixels):
    module = serving.Served(network, traits, max_pixels)
    signatures = module.signatures()
    tf.saved_model.save(module, folder, signatures=signatures)
    extra = folder / "assets.extra"
    extra.mkdir()
    (extra / inference.TRAITS_FILE).write_text(json.dumps({**traits.described(terms), "max_pixels": max_pixels}, indent=1))
    side = traits.render_size
    picture = images.from_array(examples[0].rgb) if examples else images.from_array(np.full((side, side, 3), 128, "uint8"))
    rgb = np.asarray(picture.resize((side, side)))
    inputs = {
        "image": rgb[None], "image_bytes": np.array([images.encoded(rgb, "JPEG")[0]], object), "vividness": np.array([1], "float32"),
        "lightness": color.lightness_from_rgb(rgb)[None],
    }  # fmt: skip
    # a server runs these before it takes requests, so that none waits for the graph's first call
    with tf.io.TFRecordWriter(str(extra / "tf_serving_warmup_requests")) as file:
        for signature, function in signatures.items():
            request = predict_pb2.PredictRequest(model_spec=model_pb2.ModelSpec(name="colorizer", signature_name=signature))
            for spec in function.structured_input_signature[0]:
                request.inputs[spec.name].CopyFrom(tf.make_tensor_proto(inputs[spec.name]))
            log = prediction_log_pb2.PredictionLog(predict_log=prediction_log_pb2.PredictLog(request=request))
            file.write(log.SerializeToString())


# ---- verification -----------------------------------------------------------------------------------------------------


def _row(form, path, network, traits, examples):
    """The figures of a file beside the Keras network's. Raises ColorizerError beyond BOUNDS.

    Every way of using it: the network alone within our own full-size colouring, and its signatures, of which those of a SavedModel
    take any picture, those of a .tflite file one of the network's size.
    """
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    row = {"form": form, "file": path.name, "bytes": sum(file.stat().st_size for file in files)}
    if not examples:
        return row
    given, signatures = inference.load(path), _signatures(path)
    reference = dataclasses.replace(inference.of_network(inference.compiled(network), traits), traits=given.traits)
    largest, means, differences, accuracies = [], [], [], []
    for example in examples:
        small = images.from_array(example.rgb).resize(given.traits.shape_for(*example.rgb.shape[:2])[::-1])
        its_own = example.rgb if form == "savedmodel" else np.asarray(small)
        answers = [
            (example.rgb, vividness, lambda rgb, vividness: inference.colorized_rgb(given, [rgb], vividness)[0])
            for vividness in (None, 1.0)
        ]
        answers += [(its_own, vividness, answer) for answer, vividness in signatures]
        for rgb, vividness, answer in answers:
            wanted, found = inference.colorized_rgb(reference, [rgb], vividness)[0], answer(rgb, vividness)
            truth, *labs = (color.lab_from_rgb(each) for each in (rgb, wanted, found))
            apart = np.abs(np.subtract(wanted, found, dtype="int16"))
            largest.append(apart.max())
            means.append(apart.mean())
            difference = color.ciede2000(*labs)
            differences.append((difference.mean(), difference.max()))
            accuracies.append([metrics.accuracy(truth[None], lab[None], 5).mean() for lab in labs])
    network_accuracy, accuracy = np.mean(accuracies, axis=0)
    row |= {
        "largest_step": int(max(largest)), "mean_step": float(np.mean(means)),
        "ciede2000": float(np.mean([mean for mean, _ in differences])), "largest_ciede2000": float(max(most for _, most in differences)),
        "acc_5": float(accuracy), "acc_5_of_network": float(network_accuracy),
        **{f"ms_{threads}_threads": _latency(path, threads) for threads in (1, 2)},
    }  # fmt: skip
    for key, found, most in zip(
        ("pixels differ by 8-bit steps up to", "mean CIEDE2000", "points of acc_5"),
        (row["largest_step"], row["ciede2000"], abs(accuracy - network_accuracy)),
        BOUNDS[form],
    ):
        if most is not None and not found <= most:
            raise ColorizerError(f"{row['file']} is not the network: {key} {found:.3g}, at most {most:g} allowed; nothing was exported")
    return row


def _signatures(path):
    """[(function of (uint8 [H, W, 3], vividness) -> the same in colour, the vividness to ask for, None: the file's own)] of a file."""
    if path.is_file():
        run = inference.interpreter(path).get_signature_runner("colorize")
        return [(lambda rgb, _: run(image=rgb[None])["image"][0], None)]
    signatures = tf.saved_model.load(path).signatures

    def ask(name, key, value, vividness):
        function = signatures[name if vividness is None else f"{name}_vivid"]
        more = {} if vividness is None else {"vividness": tf.constant([vividness], tf.float32)}
        (answer,) = function(**{key: value}, **more).values()
        return answer.numpy()[0]

    def of_tensors(rgb, vividness):
        return ask("colorize", "image", tf.constant(rgb[None]), vividness)

    def of_bytes(rgb, vividness):
        png = ask("colorize_bytes", "image_bytes", tf.constant([images.encoded(rgb, "PNG")[0]]), vividness)
        return np.asarray(Image.open(io.BytesIO(png)))

    def of_lightness(rgb, vividness):
        lightness = color.lightness_from_rgb(rgb)
        lab = ask("predict_lab", "lightness", tf.constant(lightness[None]), vividness)
        return color.rgb_from_lab(rendering.with_lightness(lab, lightness))

    return [(function, vividness) for function in (of_tensors, of_bytes, of_lightness) for vividness in (None, 1.0)]


def _latency(path, threads, runs=10):
    """Milliseconds of predict_lab for one picture of the render size, the median; of a SavedModel in a session, as servers run it."""
    traits = inference.check(path)
    lightness = np.full((1, *traits.shape_for(traits.render_size, traits.render_size), 1), 50, "float32")
    if path.is_file():
        run = inference.interpreter(path, threads).get_signature_runner("predict_lab")
        return _median_milliseconds(lambda: run(lightness=lightness, vividness=np.float32(traits.vividness)), runs)
    pools = tf.compat.v1.ConfigProto(intra_op_parallelism_threads=threads, inter_op_parallelism_threads=1, use_per_session_threads=True)
    with tf.compat.v1.Session(graph=tf.Graph(), config=pools) as session:
        signature = tf.compat.v1.saved_model.load(session, ["serve"], str(path)).signature_def["predict_lab"]
        (given,), (answer,) = (list(tensors.values()) for tensors in (signature.inputs, signature.outputs))
        return _median_milliseconds(lambda: session.run(answer.name, {given.name: lightness}), runs)


def _median_milliseconds(work, runs):
    seconds = []
    for _ in range(runs + 2):  # two to warm up
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return 1000 * statistics.median(seconds[2:])


# ---- the table --------------------------------------------------------------------------------------------------------

_COLUMNS = {
    "file": ("file", "{}"), "bytes": ("MB", "{:.1f}"), "largest_step": ("largest step", "{}"), "mean_step": ("mean step", "{:.4f}"),
    "ciede2000": ("CIEDE2000", "{:.4f}"), "largest_ciede2000": ("largest", "{:.2f}"), "acc_5": ("acc 5%", "{:.2f}"),
    "acc_5_of_network": ("network's", "{:.2f}"),
    "ms_1_threads": ("ms, 1 thread", "{:.1f}"), "ms_2_threads": ("ms, 2 threads", "{:.1f}"),
}  # fmt: skip


def table(rows, separator="  "):
    """Lines of text, a row for each file; what was not measured is left blank."""
    cells = [[title for title, _ in _COLUMNS.values()]]
    for row in rows:
        shown = {**row, "bytes": row["bytes"] / 1e6}
        cells.append(["" if shown.get(key) is None else form.format(shown[key]) for key, (_, form) in _COLUMNS.items()])
    widths = [max(map(len, column)) for column in zip(*cells)]
    return [
        separator.join(cell.ljust(width) if first == 0 else cell.rjust(width) for first, (cell, width) in enumerate(zip(line, widths)))
        for line in cells
    ]


def _readme(name, report):
    lines = table(report["rows"], " | ")
    dashes = " | ".join("-" * len(cell) for cell in lines[0].split(" | "))
    return f"""# {name}

Exported by colorizer {report["version"]}: `{report["command"]}`.
Differences to the Keras network on {report["pictures"]} pictures, in 8-bit steps of sRGB and as mean CIEDE2000; milliseconds of
predict_lab for one picture of {report["model"]["render_size"]} px.

| {lines[0]} |
| {dashes} |
""" + "".join(f"| {line} |\n" for line in lines[1:])
