/* Intercepts a process's writing calls to the C library (LD_PRELOAD), for files below one folder.
 *
 * Counts the operations; makes the n-th fail; or writes a record of each to a log, from which `tests.faults.replay`
 * computes the state after a power cut. The process arms it (`shim_arm`), so that one process can fork many runs.
 * Identifies files by /proc/self/fd. Does not intercept reading or writes through mapped memory.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum mode { COUNT, IO_ERROR, DISK_FULL, SHORT_WRITE };

static char folder[PATH_MAX];
static size_t folder_length;
static long counted, fail_at;
static enum mode mode;
static int log_fd = -1;

#define REAL(name) ((__typeof__(&name))real(#name))

static void *real(const char *name) { return dlsym(RTLD_NEXT, name); }

void shim_arm(const char *below, int how, long at, int log) {
    snprintf(folder, sizeof folder, "%s", below);
    folder_length = strlen(folder);
    mode = how;
    fail_at = at;
    log_fd = log;
    counted = 0;
}

long shim_count(void) { return counted; }

static int is_below(const char *path) {
    return folder_length && !strncmp(path, folder, folder_length) && (path[folder_length] == '/' || !path[folder_length]);
}

static int path_of(int fd, char *path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return is_below(path);
}

static void absolute(const char *path, char *out) {
    if (path[0] == '/') snprintf(out, PATH_MAX, "%s", path);
    else if (!getcwd(out, PATH_MAX)) out[0] = 0;
    else { size_t at = strlen(out); snprintf(out + at, PATH_MAX - at, "/%s", path); }
}

/* A record: kind, inode, offset, lengths of name and data, the name, the data. A single write keeps the order. */
static void record(char kind, uint64_t inode, int64_t offset, const char *name, const void *data, uint32_t size) {
    if (log_fd < 0) return;
    struct { char kind; uint8_t _[3]; uint32_t name, data; uint32_t __; uint64_t inode; int64_t offset; } head = {0};
    head.kind = kind, head.inode = inode, head.offset = offset, head.name = strlen(name), head.data = size;
    struct iovec parts[3] = {{&head, sizeof head}, {(void *)name, head.name}, {(void *)data, size}};
    REAL(writev)(log_fd, parts, 3);
}

static uint64_t inode_of(int fd) {
    struct stat status;
    return fstat(fd, &status) ? 0 : status.st_ino;
}

/* Returns whether this operation must fail, and sets errno. May shorten the `size` of a write instead. */
static int fails(int is_write, size_t *size) {
    counted++;
    if (mode == COUNT || counted < fail_at) return 0;
    if (mode == DISK_FULL) {
        if (!is_write) return 0;
        errno = ENOSPC;
        return 1;
    }
    if (mode == SHORT_WRITE && size && *size > 1) {
        if (counted == fail_at) { *size /= 2; return 0; }
        if (counted == fail_at + 1) { errno = ENOSPC; return 1; }
        return 0;
    }
    if (counted > fail_at) return 0;
    errno = mode == IO_ERROR ? EIO : ENOSPC;
    return 1;
}

ssize_t write(int fd, const void *data, size_t size) {
    char path[PATH_MAX];
    if (!folder_length || fd == log_fd || !path_of(fd, path)) return REAL(write)(fd, data, size);
    if (fails(1, &size)) return -1;
    off_t at = fcntl(fd, F_GETFL) & O_APPEND ? lseek(fd, 0, SEEK_END) : lseek(fd, 0, SEEK_CUR);
    ssize_t done = REAL(write)(fd, data, size);
    if (done > 0) record('W', inode_of(fd), at, path, data, done);
    return done;
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    char path[PATH_MAX];
    if (!folder_length || fd == log_fd || !path_of(fd, path)) return REAL(writev)(fd, parts, count);
    ssize_t total = 0;
    for (int i = 0; i < count; i++) {
        if (!parts[i].iov_len) continue;
        ssize_t done = write(fd, parts[i].iov_base, parts[i].iov_len);
        if (done < 0) return total ? total : -1;
        total += done;
        if ((size_t)done < parts[i].iov_len) break;
    }
    return total;
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) {
    char path[PATH_MAX];
    if (!folder_length || !path_of(fd, path)) return REAL(pwrite64)(fd, data, size, at);
    if (fails(1, &size)) return -1;
    ssize_t done = REAL(pwrite64)(fd, data, size, at);
    if (done > 0) record('W', inode_of(fd), at, path, data, done);
    return done;
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t at) { return pwrite64(fd, data, size, at); }

int ftruncate64(int fd, off64_t size) {
    char path[PATH_MAX];
    if (!folder_length || !path_of(fd, path)) return REAL(ftruncate64)(fd, size);
    if (fails(1, NULL)) return -1;
    int result = REAL(ftruncate64)(fd, size);
    if (!result) record('T', inode_of(fd), size, path, "", 0);
    return result;
}

int ftruncate(int fd, off_t size) { return ftruncate64(fd, size); }

int fsync(int fd) {
    char path[PATH_MAX];
    if (!folder_length || !path_of(fd, path)) return REAL(fsync)(fd);
    if (fails(0, NULL)) return -1;
    record('S', inode_of(fd), 0, path, "", 0);
    return 0; /* the log records what is durable; the disk need not flush */
}

int fdatasync(int fd) { return fsync(fd); }

int rename(const char *old, const char *new) {
    char from[PATH_MAX], to[PATH_MAX];
    absolute(old, from), absolute(new, to);
    if (!is_below(to)) return REAL(rename)(old, new);
    if (fails(0, NULL)) return -1;
    int result = REAL(rename)(old, new);
    if (!result) record('R', 0, 0, from, to, strlen(to));
    return result;
}

int renameat(int from_fd, const char *old, int to_fd, const char *new) {
    if (from_fd == AT_FDCWD && to_fd == AT_FDCWD) return rename(old, new);
    return REAL(renameat)(from_fd, old, to_fd, new);
}

int unlink(const char *name) {
    char path[PATH_MAX];
    absolute(name, path);
    int result = REAL(unlink)(name);
    if (!result && is_below(path)) record('U', 0, 0, path, "", 0);
    return result;
}

/* Opening for writing is an operation; the log records whether the file is new or truncated. */
static int opened(int (*open_it)(const char *, int, ...), const char *name, int flags, mode_t rights) {
    char path[PATH_MAX];
    absolute(name, path);
    int writes = (flags & O_ACCMODE) != O_RDONLY && is_below(path);
    if (!writes) return open_it(name, flags, rights);
    if (fails(flags & O_CREAT, NULL)) return -1;
    int is_new = access(path, F_OK) != 0;
    int fd = open_it(name, flags, rights);
    if (fd >= 0 && is_new) record('C', inode_of(fd), 0, path, "", 0);
    if (fd >= 0 && flags & O_TRUNC) record('T', inode_of(fd), 0, path, "", 0);
    return fd;
}

static mode_t rights_of(int flags, va_list more) { return flags & (O_CREAT | __O_TMPFILE) ? va_arg(more, mode_t) : 0; }

#define OPEN(name)                                                                                                     \
    int name(const char *path, int flags, ...) {                                                                       \
        va_list more;                                                                                                  \
        va_start(more, flags);                                                                                         \
        mode_t rights = rights_of(flags, more);                                                                        \
        va_end(more);                                                                                                  \
        return folder_length ? opened(REAL(name), path, flags, rights) : REAL(name)(path, flags, rights);              \
    }
OPEN(open)
OPEN(open64)

FILE *fopen64(const char *path, const char *how) {
    char whole[PATH_MAX];
    absolute(path, whole);
    if (!folder_length || how[0] == 'r' || !is_below(whole)) return REAL(fopen64)(path, how);
    if (fails(1, NULL)) return NULL;
    int is_new = access(whole, F_OK) != 0;
    FILE *file = REAL(fopen64)(path, how);
    if (file && is_new) record('C', inode_of(fileno(file)), 0, whole, "", 0);
    if (file && how[0] == 'w') record('T', inode_of(fileno(file)), 0, whole, "", 0);
    return file;
}

FILE *fopen(const char *path, const char *how) { return fopen64(path, how); }
