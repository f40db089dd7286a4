/* passing.h - sending and receiving descriptors over local sockets. */
#ifndef FDPASS_PASSING_H
#define FDPASS_PASSING_H

#include "bytes.h"

#include <sys/socket.h>

enum { FDS_ROOM = 600 };

/* A connected pair of stream sockets, or the case ends. */
void socket_pair(int pair[2]);
/* The same of another type. */
void socket_pair_of(int type, int pair[2]);

/* One byte, carrying n descriptors in one control message. As sendmsg(). */
ssize_t send_fds(int to, char byte, const int *fds, size_t n);

/* One message; its control buffer has room for that many descriptors (0: no control buffer at all). */
struct taken {
    ssize_t n; /* as recvmsg() */
    char bytes[16];
    int flags;
    size_t count; /* descriptors told */
    int fds[FDS_ROOM];
    bool control; /* there was a control message of rights */
};
struct taken take_fds(int from, size_t room, int flags);

/* One descriptor, or the case ends. */
void send_fd(int to, int fd);
int take_fd(int from);

/* How many descriptors this process has. */
int open_fds(void);

/* True if both are open on the same file. */
bool same_file(int a, int b);

/* A new file in the scratch directory, open for reading and writing, holding the text. */
int new_file(const char *name, const char *text);

/* True if the read end sees the end of file: all write ends, also those in flight, are gone. */
bool pipe_at_end(int reader);

#endif
