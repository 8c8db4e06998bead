"""What the programs share: flags of their own, `--help`, and one line for each error that a person can mend."""

import contextlib
import os
import signal
import sys

from absl import flags

from colorizer import ColorizerError


def run(main, manual, values, inputs=False):
    """Parses the flags of `values` and calls main(); exits 0, or 1 after an error of the user's, or 130 after an interrupt.

    `manual` is what --help prints above the flags. inputs: the program takes arguments that are no flags, and main gets them.
    absl's own app.run exits 1 after --help and hides other modules' flags.
    """
    program = os.path.basename(sys.argv[0])
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a polite kill cleans up as Ctrl-C does
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # names of files need not be text
    try:
        try:
            rest = values(sys.argv)
        except ValueError as error:  # of --nolabel=true
            raise flags.Error(str(error)) from error
        given = [name for name in values if values[name].present]
        if empty := [name for name in given if values[name].value == "" and values[name].default != ""]:  # an unset variable of the shell
            raise ColorizerError(f"--{empty[0]}=: give it a value, or leave it out")
        if values.help:
            print(f"{manual.strip()}\n\nFlags:\n{values.get_help(prefix='  ')}")
            sys.exit(0)
        if len(rest) > 1 and not inputs:
            raise ColorizerError(f"unexpected argument: {rest[1]}")
        # TensorFlow's own notes on oneDNN, missing GPUs and graph rewrites; what fails still raises
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        # TensorFlow leaves it off on processors without AVX-512, where it is half as fast again (docs/benchmarks.md)
        os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
        main(rest[1:]) if inputs else main()
    except flags.Error as error:
        sys.exit(f"{program}: {error} ({program} --help lists the flags)".replace("FATAL Flags parsing error: ", ""))
    except (ColorizerError, OSError) as error:
        sys.exit(f"{program}: {error}")
    except ModuleNotFoundError as error:  # the install for colorize alone has no TensorFlow
        sys.exit(f"{program}: {error.name} is not installed, and this needs it: pip install .")
    except KeyboardInterrupt:
        print(f"{program}: interrupted", file=sys.stderr)
        sys.exit(130)


@contextlib.contextmanager
def without_native_notes():
    """Around what imports TensorFlow or converts with it: C++ libraries write notes to stderr before, and past, any log level.

    Exceptions are Python's, and pass.
    """
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
