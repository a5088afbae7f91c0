/*
 * Stands between the program and its files and writes down, in order, every call that changes a file or
 * folder below POWERCUT_ROOT, every sync, and how each ended. From these notes the crash suite builds what a
 * disk would hold after a power cut at that point. Preloaded; calls go straight to the kernel.
 *
 * A note of the call is written before it is made and a note of its result after it, under one lock: so the
 * notes of two calls never mix, and at a kill at most one call has no result. Notes lie outside the root and
 * are written without a sync: the suite kills a process, not the machine. What changes a file in a way that
 * is not written down (a shared mapping, a copy inside the kernel) is noted as a violation and fails the test.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind {
    CREATE = 'C', WRITE = 'W', SIZE = 'T', SYNC = 'F', SYNC_ALL = 'G', RENAME = 'N', UNLINK = 'U',
    MAKE_FOLDER = 'M', VIOLATION = 'V', RESULT = 'R'
};

/* The head of a note; behind it stand path, other path and data. All numbers as this machine has them. */
struct note {
    uint8_t kind, unused[3];
    uint16_t path_bytes, other_bytes;
    uint64_t file;      /* inode */
    uint64_t offset;    /* of a write */
    int64_t length;     /* size, or what the call returned */
    uint64_t data_bytes;
};

static char root[PATH_MAX];
static size_t root_bytes;
static int notes = -1;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

__attribute__((constructor)) static void begin(void) {
    const char *below = getenv("POWERCUT_ROOT"), *file = getenv("POWERCUT_NOTES");
    if (!below || !file || strlen(below) >= sizeof root) return;
    long low = syscall(SYS_openat, AT_FDCWD, file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (low < 0) abort();
    /* High up, where nobody counts on the lowest free number. */
    notes = fcntl((int)low, F_DUPFD_CLOEXEC, 900);
    if (notes < 0) abort();
    syscall(SYS_close, (int)low);
    strcpy(root, below);
    root_bytes = strlen(root);
}

/* The path below the root, or null. */
static const char *below_root(const char *path) {
    if (!root_bytes || strncmp(path, root, root_bytes) != 0) return NULL;
    if (path[root_bytes] == 0) return path + root_bytes;
    return path[root_bytes] == '/' ? path + root_bytes + 1 : NULL;
}

static int path_of(int file, char *out) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    long bytes = syscall(SYS_readlinkat, AT_FDCWD, link, out, PATH_MAX - 1);
    if (bytes < 0) return 0;
    out[bytes] = 0;
    return 1;
}

/* Completes `path` against `folder`; the part below the root, or null. */
static const char *complete(int folder, const char *path, char *out) {
    if (!root_bytes || !path) return NULL;
    if (path[0] == '/') {
        if (strlen(path) >= PATH_MAX) return NULL;
        strcpy(out, path);
    } else {
        if (folder == AT_FDCWD ? syscall(SYS_getcwd, out, PATH_MAX) < 0 : !path_of(folder, out)) return NULL;
        size_t bytes = strlen(out);
        if (bytes + strlen(path) + 2 > PATH_MAX) return NULL;
        out[bytes] = '/';
        strcpy(out + bytes + 1, path);
    }
    size_t bytes = strlen(out);
    while (bytes > 1 && out[bytes - 1] == '/') out[--bytes] = 0;
    return below_root(out);
}

/* Whether the file lies below the root (an unlinked one says so too), and what it is. */
static int is_ours(int file, struct stat *is) {
    char path[PATH_MAX];
    if (!root_bytes || file < 0 || file == notes) return 0;
    return path_of(file, path) && below_root(path) && fstat(file, is) == 0;
}

static void put(struct note note, const char *path, const char *other, const struct iovec *data, int pieces) {
    struct iovec all[IOV_MAX];
    note.path_bytes = (uint16_t)(path ? strlen(path) : 0);
    note.other_bytes = (uint16_t)(other ? strlen(other) : 0);
    note.data_bytes = 0;
    int count = 3;
    for (int piece = 0; piece < pieces && count < IOV_MAX; piece++) {
        note.data_bytes += data[piece].iov_len;
        all[count++] = data[piece];
    }
    all[0] = (struct iovec){&note, sizeof note};
    all[1] = (struct iovec){(void *)(path ? path : ""), note.path_bytes};
    all[2] = (struct iovec){(void *)(other ? other : ""), note.other_bytes};
    ssize_t wanted = (ssize_t)(sizeof note + note.path_bytes + note.other_bytes + note.data_bytes);
    if (syscall(SYS_writev, notes, all, count) != wanted) abort();
}

static void enter(enum kind kind, uint64_t file, int64_t length, const char *path, const char *other) {
    pthread_mutex_lock(&lock);
    put((struct note){.kind = (uint8_t)kind, .file = file, .length = length}, path, other, NULL, 0);
}

/* Notes the result and gives it on, errno with it. */
static long leave(long result, uint64_t file) {
    int saved = errno;
    put((struct note){.kind = RESULT, .file = file, .length = result}, NULL, NULL, NULL, 0);
    pthread_mutex_unlock(&lock);
    errno = saved;
    return result;
}

static void violation(const char *what) {
    enter(VIOLATION, 0, 0, what, NULL);
    leave(0, 0);
}

/* Opening: making a file and cutting one off are changes. */

static int opened(int folder, const char *path, int flags, mode_t mode) {
    char whole[PATH_MAX];
    const char *name = flags & (O_CREAT | O_TRUNC) || (flags & O_TMPFILE) == O_TMPFILE
        ? complete(folder, path, whole) : NULL;
    if (!name) return (int)syscall(SYS_openat, folder, path, flags, mode);
    struct stat is;
    int nameless = (flags & O_TMPFILE) == O_TMPFILE;
    /* Nobody else may make the file in between. */
    pthread_mutex_lock(&lock);
    int there = !nameless && stat(whole, &is) == 0;
    struct note note = {.kind = there ? SIZE : CREATE, .file = there ? is.st_ino : 0};
    int changes = !there || flags & O_TRUNC;
    if (changes) put(note, nameless ? "" : name, NULL, NULL, 0);
    long file = syscall(SYS_openat, folder, path, flags, mode);
    int saved = errno;
    if (changes) {
        uint64_t number = file >= 0 && fstat((int)file, &is) == 0 ? is.st_ino : 0;
        put((struct note){.kind = RESULT, .file = number, .length = file}, NULL, NULL, NULL, 0);
    }
    pthread_mutex_unlock(&lock);
    errno = saved;
    return (int)file;
}

#define MODE(flags, mode)                                                                  \
    mode_t mode = 0;                                                                       \
    if (flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE) {                             \
        va_list more;                                                                      \
        va_start(more, flags);                                                             \
        mode = va_arg(more, mode_t);                                                       \
        va_end(more);                                                                      \
    }

int open(const char *path, int flags, ...) { MODE(flags, mode) return opened(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE(flags, mode) return opened(AT_FDCWD, path, flags, mode); }
int openat(int folder, const char *path, int flags, ...) { MODE(flags, mode) return opened(folder, path, flags, mode); }
int openat64(int folder, const char *path, int flags, ...) { MODE(flags, mode) return opened(folder, path, flags, mode); }
int creat(const char *path, mode_t mode) { return opened(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode); }
int creat64(const char *path, mode_t mode) { return creat(path, mode); }

/* Writing. An offset below zero: where the file stands, or its end where it only grows. */

static ssize_t written(int file, const struct iovec *data, int pieces, off_t offset) {
    struct stat is;
    if (!is_ours(file, &is) || !S_ISREG(is.st_mode)) {
        return offset < 0 ? syscall(SYS_writev, file, data, pieces)
                          : syscall(SYS_pwritev, file, data, pieces, (long)offset, 0L);
    }
    pthread_mutex_lock(&lock);
    uint64_t at = (uint64_t)offset;
    if (fcntl(file, F_GETFL) & O_APPEND) {
        at = fstat(file, &is) == 0 ? (uint64_t)is.st_size : 0;
    } else if (offset < 0) {
        at = (uint64_t)syscall(SYS_lseek, file, 0L, SEEK_CUR);
    }
    put((struct note){.kind = WRITE, .file = is.st_ino, .offset = at}, NULL, NULL, data, pieces);
    return leave(offset < 0 ? syscall(SYS_writev, file, data, pieces)
                            : syscall(SYS_pwritev, file, data, pieces, (long)offset, 0L), is.st_ino);
}

ssize_t write(int file, const void *data, size_t bytes) {
    return written(file, &(struct iovec){(void *)data, bytes}, 1, -1);
}
ssize_t writev(int file, const struct iovec *data, int pieces) { return written(file, data, pieces, -1); }
ssize_t pwrite(int file, const void *data, size_t bytes, off_t offset) {
    return written(file, &(struct iovec){(void *)data, bytes}, 1, offset);
}
ssize_t pwrite64(int file, const void *data, size_t bytes, off64_t offset) { return pwrite(file, data, bytes, offset); }
ssize_t pwritev(int file, const struct iovec *data, int pieces, off_t offset) {
    return written(file, data, pieces, offset);
}
ssize_t pwritev64(int file, const struct iovec *data, int pieces, off64_t offset) {
    return written(file, data, pieces, offset);
}

int ftruncate(int file, off_t length) {
    struct stat is;
    if (!is_ours(file, &is)) return (int)syscall(SYS_ftruncate, file, length);
    enter(SIZE, is.st_ino, length, NULL, NULL);
    return (int)leave(syscall(SYS_ftruncate, file, length), is.st_ino);
}
int ftruncate64(int file, off64_t length) { return ftruncate(file, length); }

/* Syncing. */

static int synced(int file, long call) {
    struct stat is;
    if (!is_ours(file, &is)) return (int)syscall(call, file);
    enter(call == SYS_syncfs ? SYNC_ALL : SYNC, is.st_ino, 0, NULL, NULL);
    return (int)leave(syscall(call, file), is.st_ino);
}
int fsync(int file) { return synced(file, SYS_fsync); }
int fdatasync(int file) { return synced(file, SYS_fdatasync); }
int syncfs(int file) { return synced(file, SYS_syncfs); }

/* Names. */

static int renamed(int folder, const char *path, int other_folder, const char *other, unsigned flags) {
    char whole[PATH_MAX], whole_other[PATH_MAX];
    const char *from = complete(folder, path, whole), *to = complete(other_folder, other, whole_other);
    if (!from && !to) return (int)syscall(SYS_renameat2, folder, path, other_folder, other, flags);
    if (!from || !to || flags & 2 /* exchange */) violation("a rename across the root, or an exchange");
    enter(RENAME, 0, 0, from, to);
    return (int)leave(syscall(SYS_renameat2, folder, path, other_folder, other, flags), 0);
}
int rename(const char *path, const char *other) { return renamed(AT_FDCWD, path, AT_FDCWD, other, 0); }
int renameat(int folder, const char *path, int other_folder, const char *other) {
    return renamed(folder, path, other_folder, other, 0);
}
int renameat2(int folder, const char *path, int other_folder, const char *other, unsigned flags) {
    return renamed(folder, path, other_folder, other, flags);
}

int unlinkat(int folder, const char *path, int flags) {
    char whole[PATH_MAX];
    const char *name = complete(folder, path, whole);
    if (!name) return (int)syscall(SYS_unlinkat, folder, path, flags);
    enter(UNLINK, 0, 0, name, NULL);
    return (int)leave(syscall(SYS_unlinkat, folder, path, flags), 0);
}
int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }
int rmdir(const char *path) { return unlinkat(AT_FDCWD, path, AT_REMOVEDIR); }
int remove(const char *path) {
    int result = unlink(path);
    return result < 0 && errno == EISDIR ? rmdir(path) : result;
}

int mkdirat(int folder, const char *path, mode_t mode) {
    char whole[PATH_MAX];
    const char *name = complete(folder, path, whole);
    if (!name) return (int)syscall(SYS_mkdirat, folder, path, mode);
    enter(MAKE_FOLDER, 0, 0, name, NULL);
    long result = syscall(SYS_mkdirat, folder, path, mode);
    struct stat is = {0};
    int saved = errno;
    if (result == 0 && stat(whole, &is) != 0) abort();
    errno = saved;
    return (int)leave(result, is.st_ino);
}
int mkdir(const char *path, mode_t mode) { return mkdirat(AT_FDCWD, path, mode); }

/* What is not written down is not allowed. */

#define REFUSE(file, what) do { struct stat is; if (is_ours(file, &is)) violation(what); } while (0)

void *mmap(void *at, size_t bytes, int protection, int flags, int file, off_t offset) {
    if (file >= 0 && (protection & PROT_WRITE) && (flags & MAP_SHARED)) REFUSE(file, "a shared mapping to write through");
    return (void *)syscall(SYS_mmap, at, bytes, protection, flags, file, offset);
}
void *mmap64(void *at, size_t bytes, int protection, int flags, int file, off64_t offset) {
    return mmap(at, bytes, protection, flags, file, offset);
}
int fallocate(int file, int mode, off_t offset, off_t bytes) {
    REFUSE(file, "fallocate");
    return (int)syscall(SYS_fallocate, file, mode, offset, bytes);
}
int fallocate64(int file, int mode, off64_t offset, off64_t bytes) { return fallocate(file, mode, offset, bytes); }
int posix_fallocate(int file, off_t offset, off_t bytes) { return fallocate(file, 0, offset, bytes) ? errno : 0; }
int posix_fallocate64(int file, off64_t offset, off64_t bytes) { return posix_fallocate(file, offset, bytes); }
ssize_t copy_file_range(int from, off64_t *at, int to, off64_t *to_at, size_t bytes, unsigned flags) {
    REFUSE(to, "copy_file_range");
    return syscall(SYS_copy_file_range, from, at, to, to_at, bytes, flags);
}
ssize_t sendfile(int to, int from, off_t *at, size_t bytes) {
    REFUSE(to, "sendfile");
    return syscall(SYS_sendfile, to, from, at, bytes);
}
ssize_t sendfile64(int to, int from, off64_t *at, size_t bytes) { return sendfile(to, from, at, bytes); }
int truncate(const char *path, off_t length) {
    char whole[PATH_MAX];
    if (complete(AT_FDCWD, path, whole)) violation("truncate");
    return (int)syscall(SYS_truncate, path, length);
}
int truncate64(const char *path, off64_t length) { return truncate(path, length); }
int linkat(int folder, const char *path, int other_folder, const char *other, int flags) {
    char whole[PATH_MAX];
    if (complete(other_folder, other, whole)) violation("a hard link");
    return (int)syscall(SYS_linkat, folder, path, other_folder, other, flags);
}
int link(const char *path, const char *other) { return linkat(AT_FDCWD, path, AT_FDCWD, other, 0); }
int symlinkat(const char *target, int folder, const char *path) {
    char whole[PATH_MAX];
    if (complete(folder, path, whole)) violation("a symbolic link");
    return (int)syscall(SYS_symlinkat, target, folder, path);
}
int symlink(const char *target, const char *path) { return symlinkat(target, AT_FDCWD, path); }
