/* local_socket.h - mutants of the probe local_socket. */
#include "mutant.h"

#include <sys/socket.h>
#include <sys/un.h>

static inline int socket_type(int fd)
{
    int type = 0;
    socklen_t size = sizeof type;
    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 ? type : -1;
}

static inline int mutant_socketpair(int domain, int type, int protocol, int pair[2])
{
    int result = socketpair(domain, type, protocol, pair);
    if (MUTANT(pair_is_one_way, "a socket pair carries bytes one way only") && result == 0 && type == SOCK_STREAM)
        shutdown(pair[1], SHUT_WR);
    return result;
}
#define socketpair(...) mutant_socketpair(__VA_ARGS__)

static inline int mutant_bind(int fd, const struct sockaddr *address, socklen_t size)
{
    const char *path = ((const struct sockaddr_un *)(const void *)address)->sun_path;
    if (MUTANT(bind_takes_over_a_name, "bind to a name that is taken replaces the socket there"))
        unlink(path);
    if (MUTANT(bind_long_name_is_cut, "a name that is too long is cut") && size > sizeof(struct sockaddr_un))
        size = sizeof(struct sockaddr_un);
    int result = bind(fd, address, size);
    if (MUTANT(bind_wrong_errno, "bind to a name that is taken says EEXIST") && result != 0 && errno == EADDRINUSE)
        return mutant_fails(EEXIST);
    return result;
}
#define bind(...) mutant_bind(__VA_ARGS__)

static inline int mutant_connect(int fd, const struct sockaddr *address, socklen_t size)
{
    int result = connect(fd, address, size);
    if (MUTANT(connect_enoent_is_refused, "connecting to an unknown name says ECONNREFUSED") && result != 0 && errno == ENOENT)
        return mutant_fails(ECONNREFUSED);
    if (MUTANT(connect_without_listener_waits, "connecting without a listener says EAGAIN") && result != 0 &&
        errno == ECONNREFUSED)
        return mutant_fails(EAGAIN);
    if (MUTANT(connect_any_type, "connecting to a socket of another type says it is done") && result != 0 &&
        errno == EPROTOTYPE)
        return 0;
    if (MUTANT(connect_twice, "a connected socket connects again") && result != 0 && errno == EISCONN)
        return 0;
    return result;
}
#define connect(...) mutant_connect(__VA_ARGS__)

static inline int mutant_accept(int fd, struct sockaddr *address, socklen_t *size)
{
    static int last = -1;
    if (MUTANT(accept_gives_the_last_again, "accept gives the connection before once more") && last >= 0) {
        int now = accept(fd, address, size), again = dup(last);
        close(now);
        return again;
    }
    last = accept(fd, address, size);
    if (MUTANT(accept_wrong_errno, "accept without a client says ENOTCONN") && last < 0 && errno == EAGAIN)
        return mutant_fails(ENOTCONN);
    return last;
}
#define accept(...) mutant_accept(__VA_ARGS__)

static inline int mutant_getsockname(int fd, struct sockaddr *address, socklen_t *size)
{
    int result = getsockname(fd, address, size);
    if (MUTANT(name_is_forgotten, "getsockname tells an empty name") && result == 0)
        ((struct sockaddr_un *)(void *)address)->sun_path[0] = '\0';
    return result;
}
#define getsockname(...) mutant_getsockname(__VA_ARGS__)

static inline ssize_t mutant_send(int fd, const void *bytes, size_t n, int flags)
{
    if (MUTANT(empty_datagram_is_lost, "an empty datagram is lost") && n == 0)
        return 0;
#ifndef __APPLE__
    if (LINUX_MUTANT(flag_is_ignored, "MSG_NOSIGNAL is ignored"))
        flags &= ~MSG_NOSIGNAL;
#endif
    if (MUTANT(datagram_too_large_is_cut, "a datagram too large is cut to one byte and sent") && n > 2048) {
        send(fd, bytes, 1, flags);
        return (ssize_t)n;
    }
    ssize_t done = send(fd, bytes, n, flags);
    if (MUTANT(datagram_is_doubled, "a datagram arrives twice") && done > 0 && socket_type(fd) == SOCK_DGRAM)
        send(fd, bytes, n, flags);
    if (MUTANT(full_receiver_says_sent, "a datagram to a full receiver is lost and called sent") && done < 0 &&
        (errno == EAGAIN || errno == ENOBUFS)) {
        static int lost;
        return ++lost < 5 ? (ssize_t)n : done;
    }
    if (MUTANT(receiver_gone_is_not_told, "a datagram to a receiver that is gone is called sent") && done < 0 &&
        (errno == ECONNREFUSED || errno == ECONNRESET))
        return (ssize_t)n;
    if (MUTANT(send_unconnected_wrong_errno, "a send without an address says EINVAL") && done < 0 &&
        (errno == ENOTCONN || errno == EDESTADDRREQ))
        return mutant_fails(EINVAL);
    return done;
}
#define send(...) mutant_send(__VA_ARGS__)

static inline ssize_t mutant_recv(int fd, void *bytes, size_t n, int flags)
{
    if (MUTANT(recv_joins_datagrams, "a receive takes two datagrams at once") && socket_type(fd) == SOCK_DGRAM && n > 8) {
        ssize_t one = recv(fd, bytes, n, flags);
        if (one <= 0)
            return one;
        ssize_t two = recv(fd, (char *)bytes + one, n - (size_t)one, flags | MSG_DONTWAIT);
        return one + (two > 0 ? two : 0);
    }
    return recv(fd, bytes, n, flags);
}
#define recv(...) mutant_recv(__VA_ARGS__)

static inline ssize_t mutant_recvmsg(int fd, struct msghdr *message, int flags)
{
    ssize_t n = recvmsg(fd, message, flags);
    if (MUTANT(cut_is_not_told, "a datagram that was cut comes without MSG_TRUNC") && n >= 0)
        message->msg_flags &= ~MSG_TRUNC;
    return n;
}
#define recvmsg(...) mutant_recvmsg(__VA_ARGS__)

static inline ssize_t mutant_recvfrom(int fd, void *bytes, size_t n, int flags, struct sockaddr *from, socklen_t *size)
{
    ssize_t got = recvfrom(fd, bytes, n, flags, from, size);
    if (MUTANT(sender_is_not_named, "a datagram comes without its sender's name") && got >= 0) {
        ((struct sockaddr_un *)(void *)from)->sun_path[0] = '\0';
        *size = sizeof(sa_family_t);
    }
    return got;
}
#define recvfrom(...) mutant_recvfrom(__VA_ARGS__)

static inline int mutant_shutdown(int fd, int how)
{
    if (MUTANT(shutdown_ends_both_ways, "shutdown of writing ends reading, too") && how == SHUT_WR)
        how = SHUT_RDWR;
    if (MUTANT(shutdown_does_nothing, "shutdown says it is done, and is not") && socket_type(fd) == SOCK_STREAM)
        return 0;
    return shutdown(fd, how);
}
#define shutdown(...) mutant_shutdown(__VA_ARGS__)

static inline int mutant_setsockopt(int fd, int level, int name, const void *value, socklen_t size)
{
#ifdef __APPLE__
    if (DARWIN_MUTANT(option_is_ignored, "SO_NOSIGPIPE is accepted and ignored") && name == SO_NOSIGPIPE)
        return 0;
#endif
    return setsockopt(fd, level, name, value, size);
}
#define setsockopt(...) mutant_setsockopt(__VA_ARGS__)

static inline ssize_t mutant_read(int fd, void *bytes, size_t n)
{
    ssize_t got = read(fd, bytes, n);
    if (MUTANT(read_swaps_bytes, "a read gives the first two bytes swapped") && got > 1) {
        char *b = bytes, first = b[0];
        b[0] = b[1], b[1] = first;
    }
    if (MUTANT(read_end_is_an_error, "a read at the end says ECONNRESET") && got == 0 && n > 0)
        return mutant_fails(ECONNRESET);
    return got;
}
#define read(...) mutant_read(__VA_ARGS__)

static inline ssize_t mutant_write(int fd, const void *bytes, size_t n)
{
    ssize_t done = write(fd, bytes, n);
    if (MUTANT(epipe_is_another_errno, "a write without a peer says ENOTCONN") && done < 0 && errno == EPIPE)
        return mutant_fails(ENOTCONN);
    return done;
}
#define write(...) mutant_write(__VA_ARGS__)
