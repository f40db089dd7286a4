/* local_socket.c - stream sockets of the local domain: names, connecting, both ways, ends. */
#include "ipc_support.h"
#include "place.h"

#include <stdio.h>
#include <sys/stat.h>

PROBE("local_socket", "1");

CASE(limits)
{
    static const struct {
        const char *name, *linux_file, *darwin_name;
        long long darwin_value; /* measured on 20.5 */
    } limits[] = {
        {"most_buffer", "sys/net/core/wmem_max", "kern.ipc.maxsockbuf", 4194304},
#ifdef __APPLE__
        {"stream_buffer", "", "net.local.stream.sendspace", 8192},
        {"largest_datagram", "", "net.local.dgram.maxdgram", 2048},
        {"descriptors", "", "kern.maxfilesperproc", 10240},
#else
        {"datagrams_waiting", "sys/net/unix/max_dgram_qlen", "", 0},
#endif
    };
    for (size_t i = 0; i < RIG_COUNT(limits); i++) {
        long long value = ipc_limit(limits[i].linux_file, 0, limits[i].darwin_name);
        FACT(limits[i].name, value);
        CHECK_GE_INT(value, 1);
#ifdef __APPLE__
        if (ipc_darwin_major() >= 20)
            CHECK_EQ_INT(value, limits[i].darwin_value);
#endif
    }
}

CASE(pair_moves_bytes_both_ways)
{
    int pair[2];
    char bytes[8] = {0};
    pair_of(SOCK_STREAM, pair);
    CHECK_EQ_INT(write(pair[0], "there", 5), 5);
    CHECK_EQ_INT(write(pair[1], "back", 4), 4);
    CHECK_EQ_INT(read(pair[1], bytes, sizeof bytes), 5);
    CHECK_EQ_BYTES(bytes, "there", 5);
    CHECK_EQ_INT(read(pair[0], bytes, sizeof bytes), 4);
    CHECK_EQ_BYTES(bytes, "back", 4);
}

CASE(stream_has_no_bounds)
{
    int pair[2];
    char bytes[8] = {0};
    pair_of(SOCK_STREAM, pair);
    CHECK_EQ_INT(write(pair[0], "ab", 2), 2);
    CHECK_EQ_INT(write(pair[0], "cd", 2), 2);
    CHECK_EQ_INT(read(pair[1], bytes, 3), 3);
    CHECK_EQ_BYTES(bytes, "abc", 3);
    CHECK_EQ_INT(read(pair[1], bytes, 3), 1);
    CHECK_EQ_INT(bytes[0], 'd');
}

CASE(name_is_a_socket_file)
{
    struct stat info;
    struct sockaddr_un address = {0};
    socklen_t size = sizeof address;
    int fd = named_socket(SOCK_STREAM, "name");
    REQUIRE_OK(stat("name", &info));
    CHECK(S_ISSOCK(info.st_mode));
    CHECK_EQ_INT(info.st_uid, geteuid());
    CHECK_OK(getsockname(fd, (struct sockaddr *)&address, &size));
    CHECK_EQ_INT(address.sun_family, AF_UNIX);
    CHECK_EQ_STR(address.sun_path, "name");
    CHECK_ERRNO(bind_name(new_socket(SOCK_STREAM), "name"), EADDRINUSE);
    CHECK_ERRNO(bind_name(fd, "second"), EINVAL); /* a socket has one name */
    CHECK_OK(close(fd));
    CHECK_ERRNO(bind_name(new_socket(SOCK_STREAM), "name"), EADDRINUSE); /* the file stays */
    CHECK_OK(unlink("name"));
    CHECK_OK(bind_name(new_socket(SOCK_STREAM), "name"));
}

/* xnu bsd/kern/uipc_syscalls.c getsockaddr: past SOCK_MAXADDRLEN; Linux net/unix/af_unix.c unix_validate_addr. */
CASE(name_too_long_is_refused)
{
    struct {
        struct sockaddr_un address;
        char more[300];
    } longest;
    memset(&longest, 'n', sizeof longest);
    longest.address.sun_family = AF_UNIX;
#ifdef __APPLE__
    int want = ENAMETOOLONG;
#else
    int want = EINVAL;
#endif
    CHECK_ERRNO(bind(new_socket(SOCK_STREAM), (struct sockaddr *)&longest, 300), want);
    FACT("longest_name", sizeof longest.address.sun_path);
}

CASE(connecting_where_nobody_listens)
{
    int file;
    CHECK_ERRNO(connect_name(new_socket(SOCK_STREAM), "nothing"), ENOENT);
    int bound = new_socket(SOCK_STREAM);
    REQUIRE_OK(bind_name(bound, "bound"));
    CHECK_ERRNO(connect_name(new_socket(SOCK_STREAM), "bound"), ECONNREFUSED);
    CHECK_OK(close(bound));
    CHECK_ERRNO(connect_name(new_socket(SOCK_STREAM), "bound"), ECONNREFUSED);
    REQUIRE_OK(file = open("file", O_CREAT | O_RDWR, 0600));
#ifdef __APPLE__
    CHECK_ERRNO(connect_name(new_socket(SOCK_STREAM), "file"), ENOTSOCK);
#else
    CHECK_ERRNO(connect_name(new_socket(SOCK_STREAM), "file"), ECONNREFUSED);
#endif
    named_socket(SOCK_DGRAM, "datagrams");
    CHECK_ERRNO(connect_name(new_socket(SOCK_STREAM), "datagrams"), EPROTOTYPE);
}

static void connect_and_send(void *arg)
{
    (void)arg;
    int fd = new_socket(SOCK_STREAM);
    CHECK_OK(connect_name(fd, "server"));
    CHECK_EQ_INT(write(fd, "hello", 5), 5);
}

CASE(accept_waits_for_a_client)
{
    char bytes[8];
    int listener = named_socket(SOCK_STREAM, "server");
    rig_nonblock(listener, true);
    CHECK_ERRNO(accept(listener, NULL, NULL), EAGAIN);
    pid_t child = rig_spawn(connect_and_send, NULL);
    REQUIRE(rig_wait_readable(listener));
    int client;
    REQUIRE_OK(client = accept(listener, NULL, NULL));
    rig_nonblock(client, false); /* Darwin's accepted sockets inherit it */
    CHECK_EXITED(child, 0);
    CHECK_EQ_INT(rig_read_all(client, bytes, sizeof bytes), 5);
    CHECK_EQ_INT(read(client, bytes, sizeof bytes), 0);
}

CASE(two_clients_are_two_connections)
{
    char byte;
    int accepted[2], client[2];
    int listener = named_socket(SOCK_STREAM, "server");
    for (int i = 0; i < 2; i++) {
        client[i] = new_socket(SOCK_STREAM);
        REQUIRE_OK(connect_name(client[i], "server"));
        REQUIRE_OK(accepted[i] = accept(listener, NULL, NULL));
    }
    CHECK_ERRNO(connect_name(client[0], "server"), EISCONN);
    for (int i = 0; i < 2; i++)
        CHECK_EQ_INT(write(client[i], i ? "1" : "0", 1), 1);
    for (int i = 1; i >= 0; i--) {
        CHECK_EQ_INT(read(accepted[i], &byte, 1), 1);
        CHECK_EQ_INT(byte, '0' + i);
    }
}

CASE(shutdown_ends_one_way)
{
    int pair[2];
    char byte;
    pair_of(SOCK_STREAM, pair);
    rig_catch(SIGPIPE, 0);
    CHECK_EQ_INT(write(pair[0], "x", 1), 1);
    CHECK_OK(shutdown(pair[0], SHUT_WR));
    CHECK_ERRNO(write(pair[0], "x", 1), EPIPE);
    CHECK_EQ_INT(rig_caught(SIGPIPE), 1);
    CHECK_EQ_INT(read(pair[1], &byte, 1), 1); /* what was sent before arrives */
    CHECK_EQ_INT(read(pair[1], &byte, 1), 0);
    CHECK_EQ_INT(write(pair[1], "y", 1), 1); /* the other way goes on */
    CHECK_EQ_INT(read(pair[0], &byte, 1), 1);
#ifdef __APPLE__
    CHECK_ERRNO(shutdown(new_socket(SOCK_STREAM), SHUT_WR), ENOTCONN);
#endif
}

CASE(write_without_peer_is_epipe)
{
    int pair[2];
    char byte;
    pair_of(SOCK_STREAM, pair);
    rig_catch(SIGPIPE, 0);
    CHECK_OK(close(pair[1]));
    CHECK_ERRNO(write(pair[0], "x", 1), EPIPE);
    CHECK_EQ_INT(rig_caught(SIGPIPE), 1);
    CHECK_EQ_INT(read(pair[0], &byte, 1), 0);
}

/* One call without the signal: a flag of the call on Linux, an option of the socket on Darwin. */
CASE(sigpipe_can_be_declined)
{
    int pair[2];
    pair_of(SOCK_STREAM, pair);
    rig_catch(SIGPIPE, 0);
#ifdef __APPLE__
    int on = 1;
    CHECK_OK(setsockopt(pair[0], SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof on));
    CHECK_OK(close(pair[1]));
    CHECK_ERRNO(send(pair[0], "x", 1, 0), EPIPE);
#else
    CHECK_OK(close(pair[1]));
    CHECK_ERRNO(send(pair[0], "x", 1, MSG_NOSIGNAL), EPIPE);
#endif
    CHECK_EQ_INT(rig_caught(SIGPIPE), 0);
}

CASE(full_stream_does_not_wait_when_told)
{
    int pair[2];
    pair_of(SOCK_STREAM, pair);
    size_t taken = rig_fill(pair[0], 512);
    CHECK_EQ_STR(rig_errno_name(errno), "EAGAIN");
    FACT("taken", taken);
    CHECK_GE_INT(taken, 8192);
    CHECK_EQ_INT(rig_drain(pair[1]), taken);
    CHECK_EQ_INT(write(pair[0], "x", 1), 1);
}
