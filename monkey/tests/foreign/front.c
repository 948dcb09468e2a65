/* A library that stands before the C library. */
#include <sys/types.h>

ssize_t recv(int fd, void *buffer, size_t length, int flags) {
    (void)fd, (void)buffer, (void)length, (void)flags;
    return 0;
}
