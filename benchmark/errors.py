"""The errors that people see, one line each, and the exit codes of `bench`."""

EXIT_DIFFERENT = 3  # a difference was found where there should be none, or was asked for
EXIT_BETTER = 4  # `bench compare`: B is better, where 3 is worse
EXIT_STOPPED = 75  # EX_TEMPFAIL: a run that wrote a checkpoint; started again, it continues
EXIT_INTERRUPTED = 130  # the user stopped a sweep


class BenchError(Exception):
    """Something outside the program went wrong (a disk, a server, a data set)."""

    exit_code = 1


class InputError(BenchError):
    """What the user wrote cannot be run; nothing was written."""

    exit_code = 2


class BusyError(BenchError):
    """Another living process is writing here; waiting work can continue afterwards."""

    exit_code = 69  # EX_UNAVAILABLE


def in_words(error: Exception) -> str | None:
    """One line for people about an expected error; None for a fault of the program."""
    if isinstance(error, BenchError):
        return str(error)
    if isinstance(error, MemoryError):
        return "out of memory; what was finished is safe: free some, or give fewer --jobs"
    if isinstance(error, OSError):
        files = " and ".join(str(each) for each in (error.filename, error.filename2) if each)
        at = f"{files}: " if files else ""
        return f"{at}{of_system(error)}; nothing that was finished is lost"
    return None


def of_system(error: BaseException) -> str:
    """The message of the operating system or a library, without the error's number and file."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error).split()) or type(error).__name__
