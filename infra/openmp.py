"""Make LightGBM importable on a machine without the system package libgomp1.

LightGBM's wheel needs `libgomp.so.1` and does not bring it; scikit-learn's wheel brings GNU
OpenMP under a name of its own. Where the system has none, a copy of scikit-learn's with its
soname set back is laid into the environment and loaded at interpreter start, so that the
dynamic linker finds LightGBM's need met. Run by `make setup`; does nothing elsewhere.
"""

import ctypes
import sysconfig
from pathlib import Path

SONAME = b"libgomp.so.1"
SITE = Path(sysconfig.get_path("purelib"))


def system_has_openmp() -> bool:
    """Say whether the dynamic linker finds OpenMP by itself."""
    try:
        ctypes.CDLL(SONAME.decode())
    except OSError:
        return False
    return True


def renamed(library: Path) -> bytes:
    """Return the library with its soname, the file's own name, set to `SONAME`.

    The name is one string of the library's string table and the new one is shorter, so
    nothing moves.

    Raises:
        ValueError: the library does not carry its file name as its soname, once.
    """
    old, content = library.name.encode() + b"\0", library.read_bytes()
    if content.count(old) != 1:
        raise ValueError(f"{library} does not hold its soname {old!r} exactly once.")
    return content.replace(old, (SONAME + b"\0").ljust(len(old), b"\0"))


def provide(target: Path = SITE) -> Path:
    """Lay the renamed library and its loader into `target`; return the library's path."""
    (library,) = SITE.glob("scikit_learn.libs/libgomp-*.so*")
    copy = target / "workcast_openmp" / SONAME.decode()
    copy.parent.mkdir(exist_ok=True)
    copy.write_bytes(renamed(library))
    line = f"import ctypes; ctypes.CDLL({str(copy)!r}, mode=ctypes.RTLD_GLOBAL)\n"
    (target / "workcast_openmp.pth").write_text(line)
    return copy


if __name__ == "__main__" and not system_has_openmp():
    provide()
