/* Writes to files whose name begins with a prefix fail from a chosen one on: write, pwrite, fsync, fdatasync, ftruncate, and open
   with O_CREAT. Loaded by LD_PRELOAD. `fail_from` says which; `failing_disk_seen` counts them. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static char prefix[4096];
static long first, seen;
static int number, forever, ready;

void fail_from(const char *path, long from, int error, int on) {
  snprintf(prefix, sizeof prefix, "%s", path);
  first = from;
  number = error;
  forever = on;
  seen = 0;
  ready = 1;
}

long failing_disk_seen(void) { return seen; }

__attribute__((constructor)) static void begin(void) {
  const char *path = getenv("FAILING_DISK"), *from = getenv("FAILING_DISK_FROM"), *error = getenv("FAILING_DISK_ERROR");
  if (path && from && error) fail_from(path, atol(from), atoi(error), getenv("FAILING_DISK_FOREVER") != NULL);
}

__attribute__((destructor)) static void end(void) {
  const char *path = getenv("FAILING_DISK_SEEN");
  if (!path || !ready) return;
  char text[32];
  const int length = snprintf(text, sizeof text, "%ld\n", seen);
  const long file = syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND, 0600);
  if (file >= 0) {
    syscall(SYS_write, file, text, length);
    syscall(SYS_close, file);
  }
}

static int fails(const char *path) {
  if (!ready || strncmp(path, prefix, strlen(prefix))) return 0;
  ++seen;
  if (seen != first && !(forever && seen > first)) return 0;
  errno = number;
  return 1;
}

static int file_fails(int file) {
  if (!ready) return 0;
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  const int before = errno;
  const ssize_t length = readlink(link, path, sizeof path - 1);
  errno = before;
  if (length < 0) return 0;
  path[length] = 0;
  return fails(path);
}

#define REAL(name, ...) \
  static __typeof__(name) *real; \
  if (!real) real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name); \
  return real(__VA_ARGS__)

ssize_t write(int file, const void *data, size_t size) {
  if (file_fails(file)) return -1;
  REAL(write, file, data, size);
}

ssize_t pwrite(int file, const void *data, size_t size, off_t at) {
  if (file_fails(file)) return -1;
  REAL(pwrite, file, data, size, at);
}

ssize_t pwrite64(int file, const void *data, size_t size, off64_t at) {
  if (file_fails(file)) return -1;
  REAL(pwrite64, file, data, size, at);
}

int fsync(int file) {
  if (file_fails(file)) return -1;
  REAL(fsync, file);
}

int fdatasync(int file) {
  if (file_fails(file)) return -1;
  REAL(fdatasync, file);
}

int ftruncate(int file, off_t size) {
  if (file_fails(file)) return -1;
  REAL(ftruncate, file, size);
}

int ftruncate64(int file, off64_t size) {
  if (file_fails(file)) return -1;
  REAL(ftruncate64, file, size);
}

#define OPEN(name) \
  int name(const char *path, int flags, ...) { \
    va_list rest; \
    va_start(rest, flags); \
    const int mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, int) : 0; \
    va_end(rest); \
    if (flags & O_CREAT && fails(path)) return -1; \
    REAL(name, path, flags, mode); \
  }

OPEN(open)
OPEN(open64)
