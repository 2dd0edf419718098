"""Files that may stand beside documents and speak of them: what stands there must be read, or the run must end."""

import errno
import os
import stat
from pathlib import Path


def is_there(path: Path) -> bool:
    """Whether a file stands in a place.

    Raises:
        OSError: something stands there that is no file (a link that leads nowhere, a folder, a pipe), or nobody can
            tell.
    """
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        if os.path.lexists(path):
            raise FileNotFoundError(errno.ENOENT, "the link leads to a file that does not exist") from None
        return False
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "it is no regular file (a folder, pipe, socket or device)")
    return True
