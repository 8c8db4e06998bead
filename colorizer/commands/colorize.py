"""Colour photographs: files, folders, globs; each at its own size, depth and lightness, with all that its file carries.

    python colorize.py photo.jpg --model=runs/photos-gan              writes photo-color.jpg beside it
    python colorize.py album/ scan.tif --output=coloured/ --recursive
    python colorize.py old.png --vividness=0.8 --compare

One bad file never stops the others: it is named with its reason, leaves no output, and the exit code is 1. What is there already
is skipped, so the same command goes on where it stopped. Each output says in its XMP that a machine coloured it (--nolabel: not).
"""

import collections
import concurrent.futures
import dataclasses
import glob
import json
import os
import pathlib
import sys
import time
import typing

import tqdm
from absl import flags

from colorizer import ColorizerError, commands

FLAGS = flags.FlagValues()
_HERE = dict(flag_values=FLAGS)

flags.DEFINE_bool("help", False, "Print this and exit.", short_name="h", **_HERE)
flags.DEFINE_string("model", None, "A run folder (its best.keras), a .keras or a .tflite file. Required: no weights ship yet.", **_HERE)
flags.DEFINE_string("output", None, "A folder, made where absent: a file keeps its name there, a folder's contents lie as they lay."
                    " Unset: NAME-color.EXT beside the input.", **_HERE)  # fmt: skip
flags.DEFINE_bool("recursive", False, "Colour what lies in folders of folders, too.", **_HERE)
flags.DEFINE_enum("format", "same", ("same", "png", "jpg", "webp", "tiff"), "Of the outputs. same: the input's; PNG for those that cannot"
                  " be written (BMP, PPM, JPEG 2000).", **_HERE)  # fmt: skip
flags.DEFINE_integer("quality", 95, "Of JPEG and WebP, 1 to 100.", lower_bound=1, upper_bound=100, **_HERE)
flags.DEFINE_bool("overwrite", False, "Write again what is there already. Inputs are never written.", **_HERE)
flags.DEFINE_integer("render_size", None, "Short side that the network sees, pixels. Unset: what it was trained at. Larger: finer, and"
                     " slower; far beyond the training size: worse.", lower_bound=16, upper_bound=2048, **_HERE)  # fmt: skip
flags.DEFINE_float("vividness", None, "0 (most accurate) to 1 (as colourful as nature). Unset: the model's own.", lower_bound=0,
                   upper_bound=1, **_HERE)  # fmt: skip
flags.DEFINE_enum("upsample", "guided", ("guided", "bicubic"), "How the colours come to the picture's size: along the edges of its"
                  " lightness, or blindly.", **_HERE)  # fmt: skip
flags.DEFINE_bool("compare", False, "Before | after in one picture.", **_HERE)
flags.DEFINE_bool("label", True, "Note in the output's XMP that its colours are a machine's, program, weights and vividness.", **_HERE)
flags.DEFINE_integer("max_pixels", 300_000_000, "Pictures of more pixels are refused.", lower_bound=1, **_HERE)
flags.DEFINE_integer("workers", 2, "Files that are read or written while the network works.", lower_bound=1, upper_bound=64, **_HERE)
flags.DEFINE_string("status", None, "A file for a line of JSON for each input: input, output, ok, skipped, error, width, height,"
                    " seconds.", **_HERE)  # fmt: skip


class Job(typing.NamedTuple):
    """An input and where its colours go."""

    source: pathlib.Path
    target: pathlib.Path


def main():
    """Entry point of `colorize`."""
    commands.run(_colorize, __doc__, FLAGS, inputs=True)


def _colorize(inputs):
    if not inputs:
        raise ColorizerError("name pictures or folders to colour")
    if FLAGS.model is None:
        raise ColorizerError("name a --model: a run folder of train.py, or a .keras file (no weights ship yet)")
    from colorizer import inference, photos

    model = os.path.expanduser(FLAGS.model)
    label = {"weights": inference.checksum(model)} if FLAGS.label else None
    jobs = _jobs(inputs)
    if FLAGS.output:
        from colorizer import images

        images.check_writable(os.path.expanduser(FLAGS.output))
    with commands.without_native_notes():
        colorizer = inference.load(model)
    if label:
        label["vividness"] = colorizer.traits.vividness if FLAGS.vividness is None else FLAGS.vividness

    def coloured(photo):
        guided = FLAGS.upsample == "guided"
        frames = [inference.colorized_rgb(colorizer, frame, FLAGS.vividness, FLAGS.render_size, guided) for frame in photo.frames]
        after = dataclasses.replace(photo, frames=frames)
        return photos.side_by_side(photo, after) if FLAGS.compare else after

    counts = collections.Counter()
    with _Status(FLAGS.status) as status, tqdm.tqdm(total=len(jobs), unit="", leave=False, disable=None if len(jobs) > 1 else True) as bar:
        for record in _in_turn(jobs, photos, coloured, label):
            status.add(record)
            counts["skipped" if record["skipped"] else "coloured" if record["ok"] else "failed"] += 1
            if record["error"]:
                bar.write(f"colorize: {record['error']}", file=sys.stderr)
            bar.update()
    print(", ".join(f"{counts[kind]:,} {kind}" for kind in ("coloured", "skipped", "failed")))
    if counts["failed"]:
        sys.exit(1)


def _in_turn(jobs, photos, coloured, label):
    """A record for each job, in order. Files are read ahead and written behind by other threads while the network works."""

    def read(job):
        return photos.read(job.source, FLAGS.max_pixels)

    def write(job, photo):
        photos.write(job.target, photo, FLAGS.quality, label)

    with concurrent.futures.ThreadPoolExecutor(FLAGS.workers) as pool:
        coming, going, waiting = collections.deque(), collections.deque(), collections.deque(jobs)
        while waiting or coming or going:
            while waiting and len(coming) < FLAGS.workers:
                job = waiting.popleft()
                there = os.path.lexists(job.target) and not FLAGS.overwrite
                coming.append((job, None if there else pool.submit(read, job)))
            if coming:
                job, reading = coming.popleft()
                going.append((job, time.monotonic(), *_begun(job, reading, coloured, write, pool)))
            if going and (len(going) > FLAGS.workers or not coming):
                yield _ended(*going.popleft())


def _begun(job, reading, coloured, write, pool):
    """(size, writing, error) of a job whose file has been read: colours it and has it written."""
    if reading is None:
        return None, None, None
    try:
        photo = reading.result()
        return photo.frames[0].shape[:2], pool.submit(write, job, coloured(photo)), None
    except (ColorizerError, OSError, MemoryError) as error:
        return None, None, error if str(error) else f"{job.source}: out of memory"


def _ended(job, began, size, writing, error):
    """The record of a job, after its file has been written."""
    skipped = writing is None and error is None
    if writing is not None:
        try:
            writing.result()
        except (ColorizerError, OSError, MemoryError) as failure:
            error = failure
    height, width = size or (None, None)
    return {
        "input": os.fspath(job.source), "output": None if error else os.fspath(job.target), "ok": error is None, "skipped": skipped,
        "error": str(error) if error else None, "width": width, "height": height, "seconds": round(time.monotonic() - began, 3),
    }  # fmt: skip


# ---- which files ------------------------------------------------------------------------------------------------------


def _jobs(inputs):
    """The Jobs of the arguments, each input once, in order. Raises ColorizerError for what is not there, or would collide."""
    jobs, targets, sources = [], {}, set()
    for argument in inputs:
        for source, below in _found(argument):
            real = os.path.realpath(source)
            if real in sources:
                continue
            sources.add(real)
            target = _target(source, below)
            if target in targets:
                raise ColorizerError(f"{source} and {targets[target]} would both be written to {target}: colour them one after the other")
            targets[target] = source
            jobs.append(Job(source, target))
    for job in jobs:
        if os.path.realpath(job.target) in sources:
            raise ColorizerError(f"{job.target}: an input, which would be written over: name another --output")
    return jobs


def _found(argument):
    """[(file, its path below the folder that was named)] of an argument: a file, a folder or a glob."""
    from colorizer import images

    path = pathlib.Path(os.path.expanduser(argument))
    if path.is_dir():
        files = [file for file in images.find(path) if FLAGS.recursive or file.parent == path]
        # outputs of an earlier run that lie beside their inputs
        files = [file for file in files if not (file.stem.endswith("-color") and _original(file, files))]
        if not files:
            raise ColorizerError(f"{path}: no pictures" + ("" if FLAGS.recursive else " (--recursive looks into its folders)"))
        return [(file, file.relative_to(path)) for file in files]
    if not os.path.lexists(path):
        files = sorted(glob.glob(os.fspath(path), recursive=True))
        if not files:
            raise ColorizerError(f"{argument}: no such file")
        return [(pathlib.Path(file), pathlib.Path(pathlib.Path(file).name)) for file in files if os.path.isfile(file)]
    return [(path, pathlib.Path(path.name))]


def _original(file, files):
    stem = file.stem.removesuffix("-color")
    return any(other.stem == stem and other.parent == file.parent for other in files)


def _target(source, below):
    from colorizer import photos

    suffix = photos.suffix_of(source, FLAGS.format)
    if FLAGS.output is None:
        return source.with_name(f"{source.stem}-color{suffix}")
    return pathlib.Path(os.path.expanduser(FLAGS.output)) / below.with_suffix(suffix)


class _Status:
    """The lines of --status, written as they come."""

    def __init__(self, path):
        self.path = path and os.path.expanduser(path)

    def __enter__(self):
        try:
            self.file = open(self.path, "w", encoding="utf-8", errors="replace") if self.path else None
        except OSError as error:
            raise ColorizerError(f"{self.path}: cannot be written ({error.strerror})") from error
        return self

    def add(self, record):
        if self.file:
            print(json.dumps(record), file=self.file, flush=True)

    def __exit__(self, *_):
        if self.file:
            self.file.close()
