"""Colour photographs: files, folders, globs; each at its own size, depth and lightness, with its metadata.

    python colorize.py photo.jpg                                      writes photo-color.jpg beside it
    python colorize.py photo.jpg --model=runs/folder-gan              by a network of your own
    python colorize.py album/ scan.tif --output=coloured/ --recursive
    python colorize.py old.png --vividness=0.8 --compare

One bad file never stops the others: it is named with its reason, leaves no output, and the exit code is 1. What is there already
is skipped, so the same command goes on where it stopped; where it was made of another picture, or another way, that is an error.
Each output says in its XMP that a machine coloured it (--nolabel: not).
"""

import collections
import concurrent.futures
import contextlib
import dataclasses
import glob
import itertools
import json
import math
import os
import pathlib
import sys
import time
import typing
import unicodedata

import tqdm
from absl import flags

from colorizer import ColorizerError, commands

FLAGS = flags.FlagValues()
_HERE = dict(flag_values=FLAGS)

flags.DEFINE_bool("help", False, "Print this and exit.", short_name="h", **_HERE)
flags.DEFINE_string(
    "model",
    "photo",
    "photo: the weights that come with the program; cifar10: those for pictures of 32 pixels. Or a run folder (its best.keras), a"
    " .keras or .tflite file, a SavedModel.",
    **_HERE,
)
flags.DEFINE_string("output", None, "A folder, made where absent: a file keeps its name there, a folder's contents lie as they lay."
                    " Unset: NAME-color.EXT beside the input.", **_HERE)  # fmt: skip
flags.DEFINE_bool("recursive", False, "Colour what lies in folders of folders, too.", **_HERE)
flags.DEFINE_enum("format", "same", ("same", "png", "jpg", "webp", "tiff"), "Of the outputs. same: the input's; PNG for those that cannot"
                  " be written (BMP, PPM, AVIF).", **_HERE)  # fmt: skip
flags.DEFINE_integer("quality", 95, "Of JPEG and WebP, 1 to 100.", lower_bound=1, upper_bound=100, **_HERE)
flags.DEFINE_bool("overwrite", False, "Write again what this program has written, by its label (with --nolabel: whatever is there)."
                  " Inputs are never written.", **_HERE)  # fmt: skip
flags.DEFINE_integer("render_size", None, "Short side that the network sees, pixels, of a megapixel in all at most. Unset: what it was"
                     " trained at. Larger: finer, and slower; far beyond the training size: worse.", lower_bound=16, upper_bound=1024,
                     **_HERE)  # fmt: skip
flags.DEFINE_float("vividness", None, "0 (most accurate) to 1 (as colourful as nature). Unset: the model's own.", lower_bound=0,
                   upper_bound=1, **_HERE)  # fmt: skip
flags.DEFINE_enum("upsample", "guided", ("guided", "bicubic"), "How the colours come to the picture's size: along the edges of its"
                  " lightness, or blindly.", **_HERE)  # fmt: skip
flags.DEFINE_bool("compare", False, "Before | after in one picture.", **_HERE)
flags.DEFINE_bool("label", True, "Note in the output's XMP that its colours are a machine's, and how they were made.", **_HERE)
flags.DEFINE_integer("max_pixels", 300_000_000, "Pictures of more pixels are refused.", lower_bound=1, **_HERE)
flags.DEFINE_integer("batch_size", 8, "Photographs that the network sees at once. Larger: faster for many small ones, and more memory.",
                     lower_bound=1, upper_bound=256, **_HERE)  # fmt: skip
flags.DEFINE_integer("workers", 2, "Files that are read or written while the network works.", lower_bound=1, upper_bound=64, **_HERE)
flags.DEFINE_string("status", None, "A file for a line of JSON for each input: input, output, ok, skipped, error, width, height,"
                    " seconds.", **_HERE)  # fmt: skip


IN_FLIGHT_PIXELS = 2**27  # of the files that are read, coloured and written at one time, where there is more than one


class Job(typing.NamedTuple):
    """An input and where its colours go, or why they cannot."""

    source: pathlib.Path
    target: pathlib.Path | None
    error: str | None = None


class Begun(typing.NamedTuple):
    """A Job whose file was read and coloured and is being written, or what it failed of; of one that was done before, neither."""

    job: Job
    size: tuple | None = None  # (height, width), pixels
    seconds: float = 0.0  # until the writing
    writing: concurrent.futures.Future | None = None
    error: str | None = None


def main():
    """Entry point of `colorize`."""
    commands.run(_colorize, __doc__, FLAGS, inputs=True)


def _colorize(inputs):
    if not any(inputs):
        raise ColorizerError("name pictures or folders to colour")
    if FLAGS.vividness is not None and math.isnan(FLAGS.vividness):
        raise ColorizerError("--vividness=nan: a number from 0 to 1")
    from colorizer import images, inference, photos

    model = os.path.expanduser(FLAGS.model)
    label = {"weights": inference.checksum(model)} if FLAGS.label else None
    jobs = _jobs(inputs)
    if FLAGS.output:
        images.check_writable(os.path.expanduser(FLAGS.output))
    with commands.without_native_notes():
        colorizer = inference.load(model)
    if FLAGS.render_size and colorizer.traits.static_size:
        raise ColorizerError(f"--render_size={FLAGS.render_size}: {model} takes {colorizer.traits.static_size} pixels and nothing else")
    if label:
        label["vividness"] = colorizer.traits.vividness if FLAGS.vividness is None else FLAGS.vividness
        label["compare"] = FLAGS.compare
        label["render_size"] = FLAGS.render_size or colorizer.traits.render_size
        label["upsample"] = FLAGS.upsample
    with _status_of({job.source for job in jobs} | {job.target for job in jobs}) as status:

        def coloured(befores):
            frames = [frame for photo in befores for frame in photo.frames]
            frames = iter(inference.colorized_rgb(colorizer, frames, FLAGS.vividness, FLAGS.render_size, FLAGS.upsample == "guided"))
            afters = [dataclasses.replace(photo, frames=list(itertools.islice(frames, len(photo.frames)))) for photo in befores]
            return [photos.side_by_side(*pair) for pair in zip(befores, afters)] if FLAGS.compare else afters

        counts = collections.Counter()
        with tqdm.tqdm(total=len(jobs), unit="", leave=False, disable=None if len(jobs) > 1 else True) as bar:
            for record in _in_turn(jobs, photos, coloured, label):
                counts["skipped" if record["skipped"] else "coloured" if record["ok"] else "failed"] += 1
                if record["error"]:
                    bar.write(f"colorize: {record['error']}", file=sys.stderr)
                status.put(record)
                bar.update()
    print(", ".join(f"{counts[kind]:,} {kind}" for kind in ("coloured", "skipped", "failed")))
    if counts["failed"] or status.error:
        sys.exit(f"colorize: {status.error}" if status.error else 1)


def _in_turn(jobs, photos, coloured, label):
    """A record for each job, in order. Files are read ahead and written behind by other threads while the network works."""

    def read(job):
        return None if _is_done(job, photos, label) else _timed(lambda: photos.read(job.source, FLAGS.max_pixels))

    def write(job, photo):
        said = label and {**_with_quality(job, photos, label), "source": photos.fingerprint(job.source)}
        return _timed(lambda: photos.write(job.target, photo, FLAGS.quality, said))

    waiting, coming, going = collections.deque(jobs), collections.deque(), collections.deque()
    in_flight = collections.Counter()  # pixels of each job that is under way
    with _workers(FLAGS.workers) as pool:
        while waiting or coming or going:
            while waiting and len(coming) < 2 * FLAGS.batch_size + FLAGS.workers:
                job = waiting[0]
                is_read = not job.error and (FLAGS.overwrite or not _is_there(job.target))
                pixels = photos.pixels(job.source) if is_read else 0
                if in_flight.total() and in_flight.total() + pixels > IN_FLIGHT_PIXELS:
                    break
                in_flight[job] = pixels
                coming.append((waiting.popleft(), None if job.error else pool.submit(read, job)))
            batch = [coming.popleft()] if coming else []
            while coming and len(batch) < FLAGS.batch_size and (coming[0][1] is None or coming[0][1].done()):
                batch.append(coming.popleft())
            going += _begun(batch, coloured, write, pool)
            while going and (not going[0].writing or going[0].writing.done() or len(going) > FLAGS.batch_size or not coming):
                del in_flight[going[0].job]
                yield _ended(going.popleft())
                if waiting and not coming:
                    break  # there is room to read again


@contextlib.contextmanager
def _workers(count):
    """A pool of threads that begins nothing more once the block has ended: after Ctrl-C no file is read for nothing."""
    pool = concurrent.futures.ThreadPoolExecutor(count)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _is_there(target):
    """Whether something was written there; an empty file is what a power cut leaves."""
    return os.path.islink(target) or (os.path.isfile(target) and os.path.getsize(target) > 0)


def _is_done(job, photos, label):
    """Whether the output is there, to be skipped. Raises ColorizerError where it is of another input, was made another way than
    `label` says, or is not for us to write over."""
    if not _is_there(job.target):
        return False
    if not os.path.exists(job.target):
        raise ColorizerError(f"{job.source}: {job.target} is a link that leads nowhere: remove or rename it")
    its_label = photos.label_of(job.target)
    if FLAGS.overwrite:
        if FLAGS.label and not its_label:
            raise ColorizerError(f"{job.source}: {job.target} is there, and no label says that this program wrote it: remove or rename it")
        return False
    if its_label.get("source", "") not in ("", photos.fingerprint(job.source)):
        raise ColorizerError(
            f"{job.source}: {job.target} was made of another picture, or of this one before it changed: --overwrite, or another --output"
        )
    for name, value in _with_quality(job, photos, label or {}).items():
        if its_label.get(name, str(value)) != str(value):
            its, wanted = its_label[name][:12], str(value)[:12]  # a checksum's beginning tells it apart
            raise ColorizerError(f"{job.source}: {job.target} was made with {name} {its}, not {wanted}: --overwrite, or another --output")
    return True


def _with_quality(job, photos, label):
    """The label of an output, with the quality where its format has one."""
    return {**label, "quality": FLAGS.quality} if label and photos.has_quality(job.target) else label


def _timed(run):
    began = time.monotonic()
    return run(), time.monotonic() - began


def _begun(batch, coloured, write, pool):
    """The Begun of [(job, what reading it will give or None)]: colours what was read and has it written."""
    read = {job: reading.result() for job, reading in batch if reading and not reading.exception() and reading.result()}
    photographs = {job: photo for job, (photo, _) in read.items()}
    afters, network_seconds = _timed(lambda: _coloured_apart(photographs, coloured))
    begun = []
    for job, reading in batch:
        if reading is None:
            begun.append(Begun(job, error=job.error))
        elif isinstance(error := reading.exception() or afters.get(job), Exception):
            begun.append(Begun(job, error=_said(job, error)))
        elif job not in read:
            begun.append(Begun(job))
        else:
            seconds = read[job][1] + network_seconds / len(photographs)
            begun.append(Begun(job, photographs[job].frames[0].shape[:2], seconds, pool.submit(write, job, afters[job])))
    return begun


def _coloured_apart(photographs, coloured):
    """{job: its photo in colour, or the exception} of {job: photo}. Together; one by one where that fails."""
    try:
        return dict(zip(photographs, coloured(list(photographs.values()))))
    except Exception as error:  # whatever a file brings about, the others go on
        if len(photographs) == 1:
            return dict.fromkeys(photographs, error)
        return {job: after for one in photographs.items() for job, after in _coloured_apart(dict([one]), coloured).items()}


def _ended(begun):
    """The record of a job, after its file has been written."""
    job, size, seconds, writing, error = begun
    if writing is not None:
        try:
            _, writing_seconds = writing.result()
            seconds += writing_seconds
        except Exception as failure:
            error = _said(job, failure)
    height, width = size or (None, None)
    return {
        "input": os.fspath(job.source), "output": None if error else os.fspath(job.target), "ok": not error,
        "skipped": writing is None and not error, "error": error, "width": width, "height": height, "seconds": round(seconds, 3),
    }  # fmt: skip


def _said(job, error):
    if isinstance(error, ColorizerError):
        return str(error)
    return f"{job.source}: {type(error).__name__}: {error}".replace("\n", " ").removesuffix(": ")


# ---- which files ------------------------------------------------------------------------------------------------------


def _jobs(inputs):
    """The Jobs of the arguments, each input once, in order; what is not there, or would collide, with its error."""
    found, failed = _inputs(inputs)
    return _planned(found, _earlier_outputs(found)) + failed


def _place(path):
    """What tells inputs apart. A folder and a link to it are two in an output folder, where they have names of their own."""
    return os.path.abspath(path) if FLAGS.output else os.path.realpath(path)


def _inputs(arguments):
    """({place: (source, its path below the folder that was named)}, Jobs of what cannot be read) of the arguments."""
    found, failed = {}, []
    for argument in filter(None, arguments):
        before = len(failed)
        try:
            files = _found(argument, failed)
        except OSError as error:
            failed.append(Job(pathlib.Path(argument), None, f"{argument}: {error.strerror}"))
            continue
        for source, below in files or []:
            found.setdefault(_place(source), (source, below))
        if not files and len(failed) == before:
            nothing = "no pictures" + ("" if FLAGS.recursive else " (--recursive looks into its folders)")
            failed.append(Job(pathlib.Path(argument), None, f"{argument}: {'no such file' if files is None else nothing}"))
    return found, failed


def _earlier_outputs(found):
    """The places of what an earlier run has written among its inputs: no input of this one."""
    from colorizer import photos

    targets = collections.defaultdict(set)
    for source, below in found.values():
        targets[_place(_target(source, below))].add(source)
    stems = {(source.parent, source.stem) for source, _ in found.values()}

    def is_output(place, source):
        written = targets.get(place, set()) - {source}
        in_another_format = FLAGS.output is None and source.stem.endswith("-color")
        in_another_format &= (source.parent, source.stem.removesuffix("-color")) in stems
        # without labels the name alone tells
        return bool(written and not FLAGS.label) or ((written or in_another_format) and photos.is_labelled(source))

    return {place for place, (source, _) in found.items() if is_output(place, source)}


def _planned(found, outputs):
    """The Jobs of what was found and is no output, with an error where one would write over an input or over another one's output."""
    from colorizer import photos

    inputs_at = collections.defaultdict(list)
    for place, (source, _) in found.items():
        # a name alone is not enough to write over
        if place not in outputs or (FLAGS.overwrite and not FLAGS.label and not photos.is_labelled(source)):
            inputs_at[_folded(source)].append(source)
    jobs, taken = [], {}
    for source, below in (its for place, its in found.items() if place not in outputs):
        target, error = _target(source, below), None
        others = taken.setdefault(_folded(target), [])
        before = next((other.source for other in others if _is_one_file(target, other.target)), None)
        if any(_is_one_file(target, place) for place in inputs_at.get(_folded(target), ())):
            error = f"{source}: its output {target} would be written over an input: rename one, or name another --output"
        elif before:
            error = f"{source}: {before} is written to {target} already: rename one, or colour it by itself to another --output"
        jobs.append(Job(source, target, error))
        others.append(jobs[-1])
    return jobs


def _folded(path):
    """What paths share that are one file on some file system: links followed, letter case and composed accents made equal."""
    return unicodedata.normalize("NFC", os.path.realpath(path)).casefold()


def _is_one_file(path, other):
    """Whether two paths of the same _folded() are one file here, or would be."""
    from colorizer import images

    if os.path.realpath(path) == os.path.realpath(other):
        return True
    there = os.path.lexists(path), os.path.lexists(other)
    if any(there):
        return all(there) and os.path.samefile(path, other)
    return images.ignores_case(next(folder for folder in pathlib.Path(os.path.realpath(path)).parents if folder.is_dir()))


def _found(argument, failed):
    """[(file, its path below the folder that was named)] of a file, a folder or a glob, or None.

    failed: to it are added the Jobs of folders that cannot be read.
    """
    from colorizer import images

    path = pathlib.Path(os.path.expanduser(argument))
    if path.is_dir():
        output = FLAGS.output and pathlib.Path(os.path.realpath(os.path.expanduser(FLAGS.output)))

        def unreadable(error):
            failed.append(Job(pathlib.Path(error.filename), None, f"{error.filename}: {error.strerror}"))

        files = images.find(path, unreadable, FLAGS.recursive)
        # an output folder within the input's
        if output and output != pathlib.Path(os.path.realpath(path)):
            files = [file for file in files if output not in pathlib.Path(os.path.realpath(file)).parents]
        return [(file, file.relative_to(path)) for file in files]
    if os.path.lexists(path):
        return [(path, pathlib.Path(path.name))]
    hits = sorted(glob.glob(os.fspath(path), recursive=True))
    # as the shell would have it: a folder that matches is one that was named
    return [file for hit in hits for file in _found(hit, failed) or ()] if hits else None


def _target(source, below):
    from colorizer import images, photos

    suffix = photos.suffix_of(source, FLAGS.format)
    # roll.001 and roll.002 differ in what is no suffix of a picture
    name = below.stem if below.suffix.lower() in images.SUFFIXES else below.name
    if FLAGS.output is None:
        return source.with_name(f"{name}-color{suffix}")
    return pathlib.Path(os.path.expanduser(FLAGS.output)) / below.with_name(name + suffix)


class _Status:
    """The file of --status, if there is one. Where it can be written no more the pictures go on, and `error` says so."""

    def __init__(self, file):
        self.file, self.error = file, None

    def put(self, record):
        if self.file is None or self.error:
            return
        try:
            print(json.dumps(record), file=self.file, flush=True)
        except OSError as error:
            self.error = _unwritable(error)


def _unwritable(error):
    return f"--status={FLAGS.status}: cannot be written ({error.strerror})"


@contextlib.contextmanager
def _status_of(pictures):
    """The _Status of the run. Refuses to write over what is no such file."""
    if FLAGS.status is None:
        yield _Status(None)
        return
    path = os.path.expanduser(FLAGS.status)
    if os.path.realpath(path) in {os.path.realpath(picture) for picture in pictures if picture}:
        raise ColorizerError(f"--status={FLAGS.status}: a picture of this run")
    try:
        if os.path.isfile(path) and os.path.getsize(path):
            with open(path, "rb") as file:
                first = file.readline(2**20)
            with contextlib.suppress(ValueError):
                first = json.loads(first)
            if not (isinstance(first, dict) and {"input", "skipped", "seconds"} <= first.keys()):
                raise ColorizerError(f"--status={FLAGS.status}: exists, and is no status of an earlier run")
        file = open(path, "w", encoding="utf-8", errors="replace")  # noqa: SIM115, closed below
    except OSError as error:
        raise ColorizerError(_unwritable(error)) from error
    try:
        yield _Status(file)
    finally:
        with contextlib.suppress(OSError):  # it has been said
            file.close()
