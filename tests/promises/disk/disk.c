/* Between a process and its disk (LD_PRELOAD): writes down what reaches the files of one folder, and lets it fail.
 *
 * DISK_FOLDER  the folder; nothing else is touched
 * DISK_LOG     where each change goes, in the order in which it was made (see `struct record`); none when not set
 * DISK_FAULTS  a file of five ints in native order, mapped: the errno with which writes, reads, syncs, opens and
 *              removals in the folder fail from now on; 0: they work
 * DISK_KILL    kill the process after so many changes of names (a removal, a link, a renaming)
 *
 * Reads through mmap are not seen: SQLite maps only its -shm file, which a power cut may take.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

enum { WRITES, READS, SYNCS, OPENS, REMOVALS, KINDS };
enum { FILES = 4096 };

/* Followed by `name` bytes of name and, for 'W', `length` bytes of data. */
struct record {
    char what; /* C create, W write, T truncate, S sync (of a file or of the folder), U unlink */
    char pad[3];
    uint32_t name;
    uint64_t offset;
    uint64_t length;
    double at; /* seconds of the monotonic clock, when it was done */
};

static pthread_mutex_t order = PTHREAD_MUTEX_INITIALIZER;
static char *names[FILES]; /* by file descriptor; NULL: not ours */
static const char *folder;
static size_t folder_length;
static int log_file = -1;
static const volatile int *faults;
static long steps = -1;

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("DISK_LOG");
    folder = getenv("DISK_FOLDER");
    folder_length = folder ? strlen(folder) : 0;
    if (path)
        log_file = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (getenv("DISK_KILL"))
        steps = atol(getenv("DISK_KILL"));
    path = getenv("DISK_FAULTS");
    if (path) {
        int file = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
        void *mapped = mmap(NULL, KINDS * sizeof(int), PROT_READ, MAP_SHARED, file, 0);
        faults = mapped == MAP_FAILED ? NULL : mapped;
        syscall(SYS_close, file);
    }
}

static int ours(const char *path)
{
    return folder && path && !strncmp(path, folder, folder_length) && (!path[folder_length] || path[folder_length] == '/');
}

static const char *name_of(int file)
{
    return file >= 0 && file < FILES ? names[file] : NULL;
}

static int fails(int kind)
{
    if (!faults || !faults[kind])
        return 0;
    errno = faults[kind];
    return 1;
}

static void all(const void *data, size_t length)
{
    const char *next = data;
    while (length) {
        ssize_t done = syscall(SYS_write, log_file, next, length);
        if (done <= 0)
            abort();
        next += done;
        length -= (size_t)done;
    }
}

static void note(char what, const char *name, uint64_t offset, uint64_t length, const void *data)
{
    struct record record = {what, {0}, (uint32_t)strlen(name), offset, length, 0};
    struct timespec now;
    int before = errno;
    clock_gettime(CLOCK_MONOTONIC, &now);
    record.at = (double)now.tv_sec + (double)now.tv_nsec / 1e9;
    if (log_file >= 0) {
        all(&record, sizeof record);
        all(name, record.name);
        if (data)
            all(data, length);
    }
    errno = before;
}

static void step(void)
{
    if (steps >= 0 && !--steps)
        syscall(SYS_kill, syscall(SYS_getpid), SIGKILL);
}

#define REAL(type, name, ...) ((type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name))

static int opened(const char *symbol, const char *path, int flags, mode_t mode)
{
    struct stat found;
    int (*real)(const char *, int, ...) = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, symbol);
    int created, file;
    if (!ours(path))
        return real(path, flags, mode);
    pthread_mutex_lock(&order);
    if (fails(OPENS) && (flags & O_CREAT || flags & O_ACCMODE)) {
        pthread_mutex_unlock(&order);
        return -1;
    }
    created = flags & O_CREAT && stat(path, &found);
    file = real(path, flags, mode);
    if (file >= 0 && file < FILES) {
        free(names[file]);
        names[file] = strdup(path);
        if (created)
            note('C', path, 0, 0, NULL);
        if (flags & O_TRUNC)
            note('T', path, 0, 0, NULL);
    }
    pthread_mutex_unlock(&order);
    return file;
}

#define MODE(flags)                                                                                                    \
    mode_t mode = 0;                                                                                                   \
    if ((flags) & O_CREAT) {                                                                                           \
        va_list rest;                                                                                                  \
        va_start(rest, flags);                                                                                         \
        mode = va_arg(rest, mode_t);                                                                                   \
        va_end(rest);                                                                                                  \
    }

int open(const char *path, int flags, ...)
{
    MODE(flags)
    return opened("open", path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    MODE(flags)
    return opened("open64", path, flags, mode);
}

int close(int file)
{
    if (name_of(file)) {
        pthread_mutex_lock(&order);
        free(names[file]);
        names[file] = NULL;
        pthread_mutex_unlock(&order);
    }
    return REAL(int, close, int)(file);
}

static ssize_t written(int file, const void *data, size_t length, off_t offset, int moves)
{
    ssize_t done = -1;
    pthread_mutex_lock(&order);
    if (!fails(WRITES)) {
        if (moves)
            offset = lseek(file, 0, SEEK_CUR);
        done = moves ? syscall(SYS_write, file, data, length) : syscall(SYS_pwrite64, file, data, length, offset);
        if (done > 0)
            note('W', names[file], (uint64_t)offset, (uint64_t)done, data);
    }
    pthread_mutex_unlock(&order);
    return done;
}

ssize_t write(int file, const void *data, size_t length)
{
    return name_of(file) ? written(file, data, length, 0, 1) : syscall(SYS_write, file, data, length);
}

ssize_t pwrite(int file, const void *data, size_t length, off_t offset)
{
    return name_of(file) ? written(file, data, length, offset, 0) : syscall(SYS_pwrite64, file, data, length, offset);
}

ssize_t pwrite64(int file, const void *data, size_t length, off64_t offset)
{
    return pwrite(file, data, length, offset);
}

ssize_t pread(int file, void *data, size_t length, off_t offset)
{
    return name_of(file) && fails(READS) ? -1 : syscall(SYS_pread64, file, data, length, offset);
}

ssize_t pread64(int file, void *data, size_t length, off64_t offset)
{
    return pread(file, data, length, offset);
}

int ftruncate(int file, off_t length)
{
    int done = -1;
    if (!name_of(file))
        return (int)syscall(SYS_ftruncate, file, length);
    pthread_mutex_lock(&order);
    if (!fails(WRITES) && !(done = (int)syscall(SYS_ftruncate, file, length)))
        note('T', names[file], (uint64_t)length, 0, NULL);
    pthread_mutex_unlock(&order);
    return done;
}

int ftruncate64(int file, off64_t length)
{
    return ftruncate(file, length);
}

static int synced(int file, long call)
{
    int done = -1;
    if (!name_of(file))
        return (int)syscall(call, file);
    pthread_mutex_lock(&order);
    if (!fails(SYNCS) && !(done = (int)syscall(call, file)))
        note('S', names[file], 0, 0, NULL);
    pthread_mutex_unlock(&order);
    return done;
}

int fsync(int file)
{
    return synced(file, SYS_fsync);
}

int fdatasync(int file)
{
    return synced(file, SYS_fdatasync);
}

int unlink(const char *path)
{
    int done = -1;
    if (!ours(path))
        return (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
    pthread_mutex_lock(&order);
    if (!fails(REMOVALS) && !(done = (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0)))
        note('U', path, 0, 0, NULL);
    step();
    pthread_mutex_unlock(&order);
    return done;
}

/* For DISK_KILL only: what is written down knows files by their first names. */

int rename(const char *from, const char *to)
{
    int done = (int)syscall(SYS_renameat, AT_FDCWD, from, AT_FDCWD, to);
    if (ours(to))
        step();
    return done;
}

int linkat(int from_folder, const char *from, int to_folder, const char *to, int flags)
{
    int done = (int)syscall(SYS_linkat, from_folder, from, to_folder, to, flags);
    if (ours(to))
        step();
    return done;
}

int link(const char *from, const char *to)
{
    return linkat(AT_FDCWD, from, AT_FDCWD, to, 0);
}
