"""Errors that a person can act on. The command line prints them as one to three lines and ends with their code."""

import errno

# Errors of the system that only writing meets: they say nothing of a file that was being read.
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)


class CopydeskError(Exception):
    """No release came of it, a check failed, or something could not be found."""

    exit_code = 1


class AllRejectedError(CopydeskError):
    """No release came of it because of what was turned away."""


class UsageError(CopydeskError):
    """The command was called in a way that cannot work: a bad option, a version or folder that exists."""

    exit_code = 2


class ChangedError(CopydeskError):
    """An input changed while it was read."""


class NetworkError(CopydeskError):
    """The Hub, a server or the network failed; trying again may help."""

    exit_code = 4


class LockedError(CopydeskError):
    """Another run holds the lock."""

    exit_code = 3


class RefusedError(CopydeskError):
    """The Hub refused it, or it would have overwritten or given away what it must not."""

    exit_code = 5
