"""What the programs share: flags of their own, `--help`, and one line for each error that a person can mend."""

import logging
import os
import sys

from absl import flags

from colorizer import ColorizerError


def run(main, program, manual, values, argv=None):
    """Parses the flags of `values` and calls main(); exits 0, or 1 after an error of the user's, or 130 after an interrupt.

    `manual` is what --help prints above the flags. absl's own app.run exits 1 after --help and hides other modules' flags.
    """
    argv = sys.argv if argv is None else argv
    try:
        rest = values(argv)
        if values.help:
            print(f"{manual.strip()}\n\nFlags:\n{values.get_help(prefix='  ')}")
            sys.exit(0)
        if len(rest) > 1:
            raise ColorizerError(f"unexpected argument: {rest[1]}")
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        main()
    except flags.Error as error:
        sys.exit(f"{program}: {error} ({program} --help lists the flags)".replace("FATAL Flags parsing error: ", ""))
    except ColorizerError as error:
        sys.exit(f"{program}: {error}")
    except KeyboardInterrupt:
        print(f"{program}: interrupted", file=sys.stderr)
        sys.exit(130)
    finally:
        logging.shutdown()
