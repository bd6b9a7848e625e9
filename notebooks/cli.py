"""The command ``projhead``: figures, claims, single trainings and timings."""

import argparse
import io
import os
import signal
import sys
import tempfile
import threading
import time
import traceback
import warnings
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from notebooks.catalogue import PROFILES, choose, notebook_names, notebook_title
from notebooks.diagnose_cli import add_diagnose_arguments, diagnose_run
from notebooks.pretrain_cli import add_probe_arguments, add_train_arguments, probe_run, train_run

_COLUMNS = {
    "source": 13,
    "predicted": 11,
    "measured": 22,
    "interval": 22,
    "resolution": 10,
    "verdict": 12,
    "expected": 12,
    "control": 12,
}
_SECONDS_BETWEEN_LINES = 30.0


def main(argv=None):
    """Run one command.

    Parameters
    ----------
    argv : sequence of str, optional
        Words after ``projhead``; taken from the command line when left out.

    Returns
    -------
    int
        Exit status: 0 all well, 1 a notebook or a claim failed or a file could not be written, 2 wrong usage, 130
        interrupted or asked to end (SIGTERM), 141 when nobody reads what is printed any more.
    """
    limit_threads()
    _prepare_process()
    try:
        arguments = _parser().parse_args(argv)
        _check_packages()
        status = arguments.command(arguments)
        sys.stdout.flush()
        return status
    except UsageError as error:
        print(f"projhead: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(
            "projhead: interrupted; what is done is stored, the same command goes on from there",
            file=sys.stderr,
        )
        return 130
    except OSError as error:
        sys.stdout = open(os.devnull, "w")  # Python flushes it at its end
        if isinstance(error, BrokenPipeError):  # as in "projhead list | head"
            return 141
        print(f"projhead: {error}", file=sys.stderr)  # a full disk, a file without permission
        return 1


def _prepare_process():
    """Let SIGTERM interrupt as Ctrl-C does, and settle what would depend on the folder or the locale later."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    chosen = os.environ.get("PROJHEAD_CACHE")
    if chosen and chosen != "off":
        os.environ["PROJHEAD_CACHE"] = str(Path(chosen).absolute())  # notebooks run in a folder of their own
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that cannot show a letter is no error


def _check_packages():
    """Refuse to run where another folder named like one of the packages is found before it."""
    root = Path(__file__).resolve().parent.parent
    for package in ("theory", "neural", "synthetic"):
        spec = find_spec(package)
        places = [Path(place).resolve() for place in spec.submodule_search_locations or ()] if spec else []
        if places != [root / package]:
            found = places[0] if places else "nothing"
            raise UsageError(
                f"Python finds {found} where it looks for the package {package} of projhead, which lies in {root}; "
                "take the other folder out of PYTHONPATH, or run the command from another folder"
            )


def limit_threads():
    """Give every process one thread that sleeps when idle; settings made by the user stay.

    Takes effect on libraries that are imported afterwards, and on all child processes.
    """
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(variable, "1")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


class UsageError(Exception):
    """A request that cannot be met, with one line that says why."""


def _parser():
    parser = argparse.ArgumentParser(
        prog="projhead",
        description="Computes what theory says about projection heads in contrastive learning, and checks it.",
        epilog="'projhead COMMAND --help' explains the options of a command.",
    )
    parser.add_argument("--version", action="version", version=f"projhead {version('projhead')}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name, function, help, description=""):
        command = commands.add_parser(name, help=help, description=description or help)
        command.set_defaults(command=function)
        return command

    figures = add(
        "figures",
        _figures,
        "Run the notebooks and write their figures.",
        "Run the notebooks from top to bottom and write each figure as PNG and SVG, with its numbers as JSON. "
        "What was computed before is taken from the store, so an interrupted run goes on where it stopped.",
    )
    figures.add_argument(
        "--profile", default="quick", help=f"size of the computations: {', '.join(PROFILES)} (default: quick)"
    )
    _add_only(figures, "NAME", "run this notebook only, such as 06")
    _add_jobs_and_seed(figures)
    figures.add_argument(
        "--device", default="cpu", help="where networks are trained: cpu, cuda or auto (default: cpu)"
    )
    figures.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="folder for the figures (default: build/figures/ in the clone)",
    )
    figures.add_argument("--fresh", action="store_true", help="compute again what is stored, and replace it")
    figures.add_argument("--keep", type=Path, metavar="DIR", help="folder for the executed notebooks")
    after = figures.add_mutually_exclusive_group()
    after.add_argument(
        "--check",
        action="store_true",
        help="compare the numbers with those of the committed figures, and fail where they differ",
    )
    after.add_argument("--update", action="store_true", help="replace the committed figures, in figures/")

    claims = add(
        "claims",
        _claims,
        "Measure what the claims state and compare it with theory.",
        "Measure what each claim states and compare it with the prediction. A row is printed as soon as a claim is "
        "measured, and replaces the row of this claim in figures/claims.json and CLAIMS.md; other rows stay.",
    )
    _add_only(claims, "ID", "measure this claim only")
    _add_jobs_and_seed(claims)
    claims.add_argument(
        "--json", type=Path, metavar="FILE", help="write the rows of this run to a file as well"
    )

    train = add("train", _usage_checked(train_run), "Pretrain one network on images.")
    add_train_arguments(train)

    probe = add("probe", _usage_checked(probe_run), "Measure the accuracy that probes reach on every layer.")
    add_probe_arguments(probe)

    diagnose = add(
        "diagnose",
        _usage_checked(diagnose_run),
        "Hold features before and after a projection head against theory.",
        "Read features of two views of the same examples, before and after the head, and say what the views agree on, "
        "how near the head is to what theory predicts, and which layer to read for how many labels.",
    )
    add_diagnose_arguments(diagnose)

    bench = add(
        "bench",
        _bench,
        "Time the functions of theory, the training of many networks at once, and the notebooks.",
    )
    bench.add_argument("--only", choices=("theory", "engine", "notebooks"), help="time this part only")
    bench.add_argument("--quick", action="store_true", help="measure for a shorter time, and keep nothing")
    bench.add_argument(
        "--device", choices=("cpu", "cuda"), default="cpu", help="where networks are trained (default: cpu)"
    )
    bench.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="folder for the timings (default: figures/bench/ in the clone)",
    )

    project_map = add(
        "map", _map, "Write docs/map.md, which shows where each statement is claimed, tested and drawn."
    )
    project_map.add_argument(
        "--check", action="store_true", help="write nothing, and fail when the page is outdated"
    )

    add("list", _list, "Show the profiles, presets, notebooks and claims.")
    return parser


def _add_only(command, metavar, help):
    command.add_argument(
        "--only", action="append", metavar=metavar, help=f"{help}; the option may be given several times"
    )


def _add_jobs_and_seed(command):
    command.add_argument(
        "--jobs", type=int, metavar="N", help="number of worker processes (default: one for each core)"
    )
    command.add_argument(
        "--seed", type=int, default=0, metavar="N", help="root of all random numbers (default: 0)"
    )


def _figures(arguments):
    names = _chosen(arguments.only, notebook_names(), "notebook")
    if arguments.profile not in PROFILES:
        raise UsageError(f"profile {arguments.profile!r} is none of {', '.join(PROFILES)}")
    jobs = _jobs(arguments)
    _check_at_least("seed", arguments.seed, 0)
    _check_device(arguments.device)

    from notebooks.committed import check_figures, update_figures
    from notebooks.figure import default_out
    from notebooks.runner import run_notebooks
    from synthetic.store.files import clone_root

    out, root = (arguments.out or default_out()).resolve(), clone_root()
    committed = root / "figures" / arguments.profile if root else None
    if (arguments.check or arguments.update) and committed is None:
        raise UsageError("committed figures are in a clone; this is an installed package")
    if arguments.check and not committed.is_dir():
        raise UsageError(f"no figures of profile {arguments.profile!r} are committed")
    if (arguments.check or arguments.update) and arguments.seed != 0:
        raise UsageError(f"committed figures are those of seed 0, got --seed {arguments.seed}")
    folder = out / arguments.profile
    if committed == folder:
        raise UsageError("committed figures are changed with --update, and not with --out")
    _check_writable(folder, "; name another folder with --out")
    if arguments.keep:
        _check_writable(arguments.keep, "; name another folder with --keep")
    if arguments.fresh:
        os.environ["PROJHEAD_FRESH"] = "1"
    runs = run_notebooks(
        names, arguments.profile, arguments.seed, jobs, arguments.device, out, arguments.keep
    )
    done, failed = [run.name for run in runs if run.ok], [run.name for run in runs if not run.ok]
    print(f"{len(done)} of {len(runs)} notebooks done, figures in {folder}")
    if failed:
        print(f"failed: {', '.join(failed)}")
    if arguments.update:
        print(f"committed figures replaced: {update_figures(done, folder, committed, arguments.fresh)}")
    same = check_figures(done, folder, committed) if arguments.check else True
    return 1 if failed or not same else 0


def _claims(arguments):
    from joblib import parallel_config

    from neural.progress import LineReporter
    from synthetic.claims import CLAIMS, PAPER_OF, run_claim
    from synthetic.claims.ledger import entries_json, update_ledger

    ids = _chosen(arguments.only, list(CLAIMS), "claim")
    jobs = _jobs(arguments)
    _check_at_least("seed", arguments.seed, 0)
    if arguments.json:
        _check_file(arguments.json)
    ledger = _ledger_paths(arguments.seed)
    papers = {identifier: PAPER_OF[identifier] for identifier in CLAIMS}

    table, entries, failures = _ClaimTable(ids), [], {}
    report = LineReporter("claims", _SECONDS_BETWEEN_LINES, sys.stdout)
    for number, identifier in enumerate(ids, start=1):
        start = time.monotonic()
        try:
            with parallel_config(n_jobs=jobs):  # of the sweeps inside the claim
                entry = run_claim(CLAIMS[identifier], arguments.seed).to_json()
        except BrokenPipeError:
            raise
        except Exception:
            failures[identifier] = traceback.format_exc()
            continue
        entries.append(entry)
        table.show(number, entry, time.monotonic() - start)
        if ledger:
            try:
                update_ledger([entry], papers, *ledger)
            except OSError as error:
                print(f"the ledger is not changed any more: {error}", file=sys.stderr)
                ledger = None
        if number < len(ids):
            report(number / len(ids), f"{number} of {len(ids)}")
    if arguments.json:
        _write(arguments.json, entries_json(entries))
    if ledger and entries:
        print(f"{len(entries)} entries replaced in {' and '.join(map(str, ledger))}")
    return _verdict(entries, failures)


def _ledger_paths(seed):
    """The two files of the ledger, none where they are not to be changed, which is said."""
    from synthetic.store.files import clone_root

    root = clone_root()
    if root is None:
        return None
    if seed != 0:
        print(f"the ledger holds measurements at seed 0 and is not changed by a run at seed {seed}")
        return None
    try:
        for folder in (root, root / "figures"):
            _check_writable(folder)
    except UsageError as error:
        print(f"the ledger is not changed: {error}")
        return None
    return root / "figures" / "claims.json", root / "CLAIMS.md"


class _ClaimTable:
    """Prints the row of a claim as soon as it is there."""

    def __init__(self, ids):
        self.total = len(ids)
        self.widths = {"id": max(map(len, ids), default=2)} | _COLUMNS
        self._print(" " * 9, dict(zip(self.widths, self.widths, strict=True)), "seconds")

    def show(self, number, entry, seconds):
        """Print the row of one entry of the ledger."""
        from synthetic.claims.ledger import table_row

        self._print(f"[{number}/{self.total}]".ljust(9), table_row(entry), f"{seconds:.0f}")

    def _print(self, counter, row, seconds):
        cells = [str(row[column]).ljust(width) for column, width in self.widths.items()]
        print(counter + "  ".join([*cells, seconds]), flush=True)


def _verdict(entries, failures):
    wrong = [entry["id"] for entry in entries if not entry["ok"]]
    for identifier, error in failures.items():
        print(f"{identifier} did not finish:\n{error.rstrip()}")
    print(f"{len(entries) - len(wrong)} of {len(entries) + len(failures)} claims came out as declared")
    if wrong:
        print(f"not as declared, or control not rejected: {', '.join(wrong)}")
    return 1 if wrong or failures else 0


def _bench(arguments):
    _check_device(arguments.device)
    from notebooks.bench.command import run_bench
    from synthetic.store.files import clone_root

    if arguments.out:
        _check_writable(arguments.out.resolve())
    return run_bench(
        (clone_root() or Path.cwd()) / "figures",
        arguments.out,
        arguments.only,
        arguments.quick,
        arguments.device,
    )


def _map(arguments):
    from neural.files import write_atomically
    from notebooks.map import render_map
    from synthetic.store.files import clone_root

    root = clone_root()
    if root is None:
        raise UsageError(
            "the map is made from the tests and notebooks of a clone; this is an installed package"
        )
    page, text = root / "docs" / "map.md", render_map(root)
    if arguments.check:
        fresh = page.exists() and page.read_text(encoding="utf-8") == text
        print("docs/map.md is as the code says" if fresh else "docs/map.md is outdated; run projhead map")
        return 0 if fresh else 1
    write_atomically({page: text.encode()})
    print("written: docs/map.md")
    return 0


def _list(_):
    from neural.training.presets import PRESETS
    from synthetic.claims import CLAIMS

    print(f"profiles: {', '.join(PROFILES)}")
    print(f"presets of projhead train: {', '.join(PRESETS)}\n\nnotebooks")
    for name in notebook_names():
        print(f"  {name}  {notebook_title(name)}")
    print("\nclaims")
    for identifier, claim in CLAIMS.items():
        print(f"  {identifier} ({claim.source}; {claim.expected})  {claim.statement}")
    return 0


def _usage_checked(command):
    """Command whose complaints about its input, and warnings, become one line each."""

    def run(arguments):
        with warnings.catch_warnings():
            warnings.showwarning = lambda message, *_: print(f"projhead: {message}", file=sys.stderr)
            try:
                return command(arguments)
            except (ValueError, OSError, FloatingPointError, ModuleNotFoundError) as error:
                raise UsageError(error) from None

    return run


def _chosen(wanted, available, kind):
    try:
        return choose(wanted or [], available, kind)
    except ValueError as error:
        raise UsageError(error) from None


def _jobs(arguments):
    """Number of worker processes: the option, else as many as this process may use cores."""
    if arguments.jobs is None:
        from neural.devices import available_cores

        return available_cores()
    _check_at_least("jobs", arguments.jobs, 1)
    return arguments.jobs


def _check_at_least(name, value, least):
    if value < least:
        raise UsageError(f"--{name} must be at least {least}, got {value}")


def _check_device(name):
    if name == "cpu":
        return
    from neural.devices import resolve_device

    try:
        resolve_device(name)
    except (ValueError, RuntimeError) as error:
        raise UsageError(error) from None


def _write(path, content):
    from neural.files import write_atomically

    write_atomically({path.resolve(): content})
    print(f"written: {path}")


def _check_file(path):
    """Refuse a path that no file can be written to, before anything is computed."""
    if path.is_dir():
        raise UsageError(f"cannot write to {path}: it is a folder, and a file is asked for")
    _check_writable(path.resolve().parent)


def _check_writable(folder, advice=""):
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UsageError(f"cannot write to {folder}: {error.strerror}{advice}") from None


if __name__ == "__main__":
    sys.exit(main())
