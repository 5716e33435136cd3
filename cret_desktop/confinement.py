"""Permanent confinement of this process: files, the network, other programs. Linux only.

For children that read files from untrusted sources: a flaw in a codec then compromises the process, not the account.
Two kernel mechanisms are used, and each works without the other. *Landlock* limits which files can be opened; *seccomp*
refuses system calls. Neither can be undone, and threads and children inherit both.

This module uses only ctypes and imports nothing of the app, so that a child can confine itself before it imports a
decoder: Landlock does not apply to threads that already run. It never raises if a kernel lacks a mechanism: it returns
a sentence.
"""

from __future__ import annotations

import ctypes
import errno
import logging
import os
import stat
import struct
import sys
from collections.abc import Iterable, Sequence
from functools import cache

log = logging.getLogger(__name__)

_PR_SET_NO_NEW_PRIVS = 38


def no_new_privileges() -> None:
    """Prevent this process and its children from gaining privileges through set-user-id bits. Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def confine(read: Iterable[str | os.PathLike[str]] = (), write: Iterable[str | os.PathLike[str]] = ()) -> str:
    """Confine this process permanently; return '' or one sentence that names what could not be enforced.

    Files: the process can open the program's own (Python, its packages, the system's libraries), and everything at or
    below `read` and `write`. It can create, change and remove files only below the folders of `write`. Places that do
    not exist are skipped. Open descriptors stay usable, and more can be passed to the process.

    Refused: sockets, programs, processes (threads can be started), signals to and inspection of other processes,
    changes of owners, permissions and times, and all that needs administrator rights.

    Call it first of all, in a process with one thread.
    """
    if sys.platform != "linux":
        return "This system is not Linux: what opens media files runs with all rights of this account."
    readable, writable = [os.fspath(path) for path in read], [os.fspath(path) for path in write]
    threads = len(os.listdir("/proc/self/task")) if os.path.isdir("/proc/self/task") else 1
    no_new_privileges()
    lacking = []
    if not _bound_files(readable, writable):
        lacking.append("which files it opens (Landlock)")
    elif threads > 1:
        lacking.append(f"which files {threads - 1} threads open that it had started before")
    if not _bound_calls(changes_files=bool(writable)):
        lacking.append("the network, other programs and other processes (seccomp)")
    if not lacking:
        return ""
    return f"This kernel does not bound for a process that opens media files: {'; '.join(lacking)}."


@cache
def report(sentence: str) -> None:
    """Log the sentence that `confine` returned in a child process. Each is logged once; '' is ignored."""
    if sentence:
        log.warning("%s", sentence)


# --- Landlock: which files ------------------------------------------------------------------------------------------

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on every architecture
_VERSION, _PATH_BENEATH = 1, 1
_WRITE_FILE, _READ_FILE, _READ_DIR, _REMOVE_DIR = 1 << 1, 1 << 2, 1 << 3, 1 << 4
_REMOVE_FILE, _MAKE_DIR, _MAKE_FILE, _REFER, _TRUNCATE = 1 << 5, 1 << 7, 1 << 8, 1 << 13, 1 << 14
_READ = _READ_FILE | _READ_DIR
_CHANGE = _WRITE_FILE | _REMOVE_DIR | _REMOVE_FILE | _MAKE_DIR | _MAKE_FILE | _REFER | _TRUNCATE
_OF_FILES = _READ_FILE | _WRITE_FILE | _TRUNCATE  # rights that a rule for a single file can grant
# ABI version -> number of bits for file rights.
_FILE_BITS = {1: 13, 2: 14, 3: 15, 4: 15}
_NEWEST_FILE_BITS = 16
_NETWORK, _SCOPES = 0b11, 0b11  # no TCP; no abstract sockets of other processes, no signals to them

_SYSTEM_PLACES = (
    *("/usr", "/lib", "/lib32", "/lib64", "/nix/store", "/gnu/store"),
    *("/etc/ld.so.cache", "/etc/localtime", "/dev/null", "/dev/random", "/dev/urandom"),
    *("/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/sys/devices/system"),
)


def _program_places() -> list[str]:
    """Return the places that contain the program's own files."""
    ours = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    python = [sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix, *filter(None, sys.path)]
    libraries = filter(None, os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep))
    return [ours, *python, *libraries, *_SYSTEM_PLACES]


def _bound_files(readable: Sequence[str], writable: Sequence[str]) -> bool:
    version = _call(_CREATE_RULESET, 0, 0, _VERSION)
    if version < 1:
        return False
    handled = (1 << _FILE_BITS.get(version, _NEWEST_FILE_BITS)) - 1
    fields = [handled, _NETWORK if version >= 4 else 0, _SCOPES if version >= 6 else 0]
    known = fields[: 1 if version < 4 else 2 if version < 6 else 3]
    attributes = ctypes.create_string_buffer(struct.pack(f"={len(known)}Q", *known))
    ruleset = _call(_CREATE_RULESET, ctypes.addressof(attributes), 8 * len(known), 0)
    if ruleset < 0:
        return False
    try:
        for path in [*_program_places(), *readable]:
            _allow(ruleset, path, _READ & handled)
        for path in writable:
            _allow(ruleset, path, (_READ | _CHANGE) & handled)
        return _call(_RESTRICT_SELF, ruleset, 0) == 0
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: str, rights: int) -> None:
    """Add a rule. A path that does not exist or is out of this account's reach gets none, which loses nothing."""
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not stat.S_ISDIR(os.fstat(place).st_mode):
            rights &= _OF_FILES
        rule = ctypes.create_string_buffer(struct.pack("=Qi", rights, place))
        _call(_ADD_RULE, ruleset, _PATH_BENEATH, ctypes.addressof(rule), 0)
    finally:
        os.close(place)


# --- seccomp: which system calls ------------------------------------------------------------------------------------

# Name -> number on x86_64 and on aarch64; -1 if that architecture has no such call.
_REFUSED_ALWAYS = {
    # other programs and processes
    "execve": (59, 221), "execveat": (322, 281), "fork": (57, -1), "vfork": (58, -1),
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "process_madvise": (440, 440), "process_mrelease": (448, 448), "tkill": (200, 130),
    "pidfd_open": (434, 434), "pidfd_getfd": (438, 438), "pidfd_send_signal": (424, 424),
    "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240), "kcmp": (312, 272),
    "perf_event_open": (298, 241), "migrate_pages": (256, 238), "move_pages": (279, 239),
    # the network, and inter-process communication without files
    "socket": (41, 198), "connect": (42, 203), "bind": (49, 200), "listen": (50, 201),
    "shmget": (29, 194), "msgget": (68, 186), "semget": (64, 190), "mq_open": (240, 180), "mq_unlink": (241, 181),
    "keyctl": (250, 219), "add_key": (248, 217), "request_key": (249, 218),
    # calls for administrators, and calls that have been used to attack the kernel
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    "bpf": (321, 280), "userfaultfd": (323, 282), "unshare": (272, 97), "setns": (308, 268),
    "mount": (165, 40), "umount2": (166, 39), "move_mount": (429, 429), "open_tree": (428, 428),
    "fsopen": (430, 430), "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433),
    "mount_setattr": (442, 442), "pivot_root": (155, 41), "chroot": (161, 51), "personality": (135, 92),
    "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106),
    "kexec_load": (246, 104), "kexec_file_load": (320, 294), "reboot": (169, 142), "syslog": (103, 116),
    "swapon": (167, 224), "swapoff": (168, 225), "acct": (163, 89), "quotactl": (179, 60), "quotactl_fd": (443, 443),
    "settimeofday": (164, 170), "clock_settime": (227, 112), "clock_adjtime": (305, 266), "adjtimex": (159, 171),
    "sethostname": (170, 161), "setdomainname": (171, 162), "ioperm": (173, -1), "iopl": (172, -1),
    "modify_ldt": (154, -1), "name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265),
    "fanotify_init": (300, 262), "fanotify_mark": (301, 263), "vhangup": (153, 58),
    # operations that Landlock does not limit: owners, permissions, times and attributes of files, and devices
    "mknod": (133, -1), "mknodat": (259, 33), "chmod": (90, -1), "fchmod": (91, 52), "fchmodat": (268, 53),
    "chown": (92, -1), "lchown": (94, -1), "fchown": (93, 55), "fchownat": (260, 54), "utime": (132, -1),
    "utimes": (235, -1), "futimesat": (261, -1), "utimensat": (280, 88), "setxattr": (188, 5), "lsetxattr": (189, 6),
    "fsetxattr": (190, 7), "removexattr": (197, 14), "lremovexattr": (198, 15), "fremovexattr": (199, 16),
}  # fmt: skip
_REFUSED_CHANGES = {
    "creat": (85, -1), "mkdir": (83, -1), "mkdirat": (258, 34), "rmdir": (84, -1), "unlink": (87, -1),
    "unlinkat": (263, 35), "rename": (82, -1), "renameat": (264, 38), "renameat2": (316, 276), "link": (86, -1),
    "linkat": (265, 37), "symlink": (88, -1), "symlinkat": (266, 36), "truncate": (76, 45), "ftruncate": (77, 46),
}  # fmt: skip
_LOOKED_INTO = {
    "clone": (56, 220), "clone3": (435, 435), "kill": (62, 129), "tgkill": (234, 131), "prlimit64": (302, 261),
    "ioctl": (16, 29), "open": (2, -1), "openat": (257, 56), "openat2": (437, 437),
}  # fmt: skip
_NEWEST_CALL = 450  # the newest that is judged above; a later one gets ENOSYS, as on a kernel that lacks it
_X32 = 0x40000000  # from here on, calls of the x32 ABI, which this program does not use
_PROCESSORS = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}  # column above, and AUDIT_ARCH value
_OPENS_TO_CHANGE = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_CLONE_THREAD = 0x10000
# Used by Python and C on any file: terminal check, window size, bytes waiting, non-blocking mode, close-on-exec.
_HARMLESS_CONTROLS = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06  # BPF opcodes
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_NUMBER, _PROCESSOR, _ARGUMENTS = 0, 4, 16  # offsets in `struct seccomp_data`
_PR_SET_SECCOMP_MODE_FILTER, _ALL_THREADS = 1, 1
_SECCOMP = {"x86_64": 317, "aarch64": 277}

_Step = tuple[int, int, int, int]  # code, jump if true, jump if false, value


def _bound_calls(changes_files: bool) -> bool:
    machine = _machine()
    if machine not in _PROCESSORS or sys.byteorder != "little":
        return False
    steps = _filter(machine, os.getpid(), changes_files)
    program = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in steps))
    header = ctypes.create_string_buffer(struct.pack("@HP", len(steps), ctypes.addressof(program)))
    return _call(_SECCOMP[machine], _PR_SET_SECCOMP_MODE_FILTER, _ALL_THREADS, ctypes.addressof(header)) == 0


def _machine() -> str:
    """Return the architecture whose system call numbers this process uses; '' for a 32-bit process."""
    return os.uname().machine if struct.calcsize("P") == 8 else ""


def _filter(machine: str, own: int, changes_files: bool) -> list[_Step]:
    column, processor = _PROCESSORS[machine]
    unknown, refused, denied = (_ERRNO | number for number in (errno.ENOSYS, errno.EPERM, errno.EACCES))
    steps: list[_Step] = [
        (_LOAD, 0, 0, _PROCESSOR),
        (_EQUAL, 1, 0, processor),
        (_RETURN, 0, 0, unknown),
        (_LOAD, 0, 0, _NUMBER),
        (_AT_LEAST, 0, 1, _NEWEST_CALL + 1),  # includes _X32
        (_RETURN, 0, 0, unknown),
    ]

    def when(name: str, *then: _Step) -> None:
        number = {**_REFUSED_ALWAYS, **_REFUSED_CHANGES, **_LOOKED_INTO}[name][column]
        if number >= 0:
            steps.extend([(_EQUAL, 0, len(then), number), *then])

    def argument(position: int) -> _Step:
        return _LOAD, 0, 0, _ARGUMENTS + 8 * position  # lower half: no argument that is judged here is longer

    def only(position: int, values: Sequence[int], otherwise: int) -> list[_Step]:
        tests = [(_EQUAL, len(values) - index, 0, value) for index, value in enumerate(values)]
        return [argument(position), *tests, (_RETURN, 0, 0, otherwise), (_RETURN, 0, 0, _ALLOW)]

    for name in _REFUSED_ALWAYS:
        when(name, (_RETURN, 0, 0, refused))
    # Threads only. clone3 keeps its flags out of a filter's sight; on ENOSYS, libraries fall back to clone.
    when("clone", argument(0), (_ANY_BIT, 1, 0, _CLONE_THREAD), (_RETURN, 0, 0, refused), (_RETURN, 0, 0, _ALLOW))
    when("clone3", (_RETURN, 0, 0, unknown))
    when("kill", *only(0, [own], refused))
    when("tgkill", *only(0, [own], refused))
    when("prlimit64", *only(0, [0, own], refused))
    when("ioctl", *only(1, _HARMLESS_CONTROLS, _ERRNO | errno.ENOTTY))
    when("openat2", (_RETURN, 0, 0, unknown))
    if not changes_files:
        for name in _REFUSED_CHANGES:
            when(name, (_RETURN, 0, 0, refused))
        for name, position in (("open", 1), ("openat", 2)):
            changes = (_ANY_BIT, 0, 1, _OPENS_TO_CHANGE)
            when(name, argument(position), changes, (_RETURN, 0, 0, denied), (_RETURN, 0, 0, _ALLOW))
    return [*steps, (_RETURN, 0, 0, _ALLOW)]


def _call(number: int, *arguments: int) -> int:
    call = ctypes.CDLL(None, use_errno=True).syscall
    call.restype = ctypes.c_long
    return int(call(*(ctypes.c_long(value) for value in (number, *arguments))))
