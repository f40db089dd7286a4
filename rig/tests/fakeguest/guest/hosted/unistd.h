/* As much of a C library as guest-tests/agent/frame.c needs, for a guest that has none. */
#ifndef HOSTED_H
#define HOSTED_H
#include <stddef.h>

typedef long ssize_t;
typedef struct {
    int one;
} fd_set;

#define EINTR 4
#define EAGAIN 11
#define FD_ZERO(set) ((void)(set))
#define FD_SET(fd, set) ((void)(fd), (void)(set))

extern int errno;
void *memcpy(void *to, const void *from, size_t size);
char *strchr(const char *string, int c);
int select(int count, fd_set *readable, fd_set *writable, fd_set *odd, void *time);
ssize_t write(int fd, const void *data, size_t size);
_Noreturn void _exit(int status);
#endif
