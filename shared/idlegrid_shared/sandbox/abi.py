"""Numbers of WASI preview 1: errno, file types, flags, rights, sizes of structures in memory.

Source: the specification ``wasi_snapshot_preview1`` (witx), sections errno, filetype, oflags,
fdflags, rights, whence, eventtype.
"""

# errno
SUCCESS = 0
BAD_FD = 8
EXISTS = 20
FAULT = 21
FILE_TOO_BIG = 22
ILLEGAL_BYTES = 25
INVALID = 28
IS_FOLDER = 31
TOO_MANY_OPEN = 33
NAME_TOO_LONG = 37
NO_ENTRY = 44
NO_SYSCALL = 52
NOT_FOLDER = 54
NOT_EMPTY = 55
NOT_SOCKET = 57
NOT_SUPPORTED = 58
NOT_PERMITTED = 63
READ_ONLY = 69
NOT_SEEKABLE = 70
NOT_CAPABLE = 76

# filetype
TYPE_UNKNOWN = 0
TYPE_FOLDER = 3
TYPE_FILE = 4

# oflags
OPEN_CREATE = 1
OPEN_FOLDER = 2
OPEN_EXCLUSIVE = 4
OPEN_TRUNCATE = 8

# fdflags; only append has an effect, the others are accepted: every file is in memory
FLAG_APPEND = 1
FLAGS_ALL = 0b11111

# whence
SEEK_SET = 0
SEEK_CURRENT = 1
SEEK_END = 2

# lookupflags: follow a link at the end of the path; there are none
LOOKUP_ALL = 1

# fstflags
SET_ACCESSED, SET_ACCESSED_NOW, SET_MODIFIED, SET_MODIFIED_NOW = 1, 2, 4, 8

# rights, by their bits in the specification
RIGHT_READ = 1 << 1
RIGHT_WRITE = 1 << 6
RIGHTS_SEEK = 1 << 2 | 1 << 5
#: What one can do with a file: all fd_* but fd_readdir, and poll_fd_readwrite.
RIGHTS_FILE = (1 << 9) - 1 | 1 << 21 | 1 << 22 | 1 << 23 | 1 << 27
#: What one can do with a folder: all path_* but path_filestat_set_size, which no call uses;
#: fd_readdir, fd_filestat_get and fd_filestat_set_times.
RIGHTS_FOLDER = (1 << 19) - (1 << 9) | 1 << 20 | 1 << 21 | 1 << 23 | 0b111 << 24
#: Those that need a file open for writing: fd_datasync, fd_write, fd_allocate, and the size.
RIGHTS_CHANGE = 1 | RIGHT_WRITE | 1 << 8 | 1 << 22

# clocks
CLOCK_REALTIME = 0
CLOCK_IDS = 4
CLOCK_ABSOLUTE = 1

# eventtype
EVENT_CLOCK = 0
EVENT_READ = 1
EVENT_WRITE = 2

# bytes in memory
FDSTAT_BYTES = 24
FILESTAT_BYTES = 64
DIRENT_BYTES = 24
PRESTAT_BYTES = 8
IOVEC_BYTES = 8
SUBSCRIPTION_BYTES = 48
EVENT_BYTES = 32

SIZE_MAX = (1 << 63) - 1
