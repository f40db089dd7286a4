/* fdpass_process.c - descriptors between processes: related, unrelated, dying, many at once; and who the peer is. */
#include "ipc_support.h"
#include "passing.h"

#include <stdio.h>
#include <sys/stat.h>
#include <sys/un.h>

#ifdef __APPLE__
#include <sys/ucred.h>
#endif

static struct sockaddr_un address_of(const char *name)
{
    struct sockaddr_un address;
    memset(&address, 0, sizeof address);
    address.sun_family = AF_UNIX;
    snprintf(address.sun_path, sizeof address.sun_path, "%s", name);
    return address;
}

/* Serves one client on the socket "server" in the current directory: hands out the read end of a pipe it writes to
 * later, and takes a descriptor from the client in turn. */
ROLE(server)
{
    struct sockaddr_un address = address_of("server");
    int listener, client, fd[2];
    char bytes[32];
    REQUIRE_OK(listener = socket(AF_UNIX, SOCK_STREAM, 0));
    REQUIRE_OK(bind(listener, (struct sockaddr *)&address, sizeof address));
    REQUIRE_OK(listen(listener, 4));
    REQUIRE_OK(rename("server", "socket")); /* seen under this name, it surely listens */
    REQUIRE(rig_wait_readable(listener));
    REQUIRE_OK(client = accept(listener, NULL, NULL));
    REQUIRE_OK(pipe(fd));
    send_fd(client, fd[0]);
    CHECK_OK(close(fd[0]));
    CHECK_EQ_INT(write(fd[1], "from the server", 15), 15);
    CHECK_OK(close(fd[1]));
    int got = take_fd(client);
    size_t n = rig_read_all(got, bytes, sizeof bytes);
    CHECK_EQ_INT(n, 15);
    CHECK_EQ_BYTES(bytes, "from the client", 15);
}

ROLE(client)
{
    struct sockaddr_un address = address_of("socket");
    int server, fd[2];
    char bytes[32];
    REQUIRE_OK(server = socket(AF_UNIX, SOCK_STREAM, 0));
    for (int tries = 0; access("socket", F_OK) != 0 && tries < 2000; tries++)
        rig_sleep_ms(2);
    REQUIRE_OK(connect(server, (struct sockaddr *)&address, sizeof address));
    int got = take_fd(server);
    CHECK_EQ_INT(rig_read_all(got, bytes, sizeof bytes), 15); /* up to the end of the pipe */
    CHECK_EQ_BYTES(bytes, "from the server", 15);
    REQUIRE_OK(pipe(fd));
    CHECK_EQ_INT(write(fd[1], "from the client", 15), 15);
    CHECK_OK(close(fd[1]));
    send_fd(server, fd[0]);
}

/* Neither process has anything of the other: each was exec'd for itself, and they meet by the socket's name. */
CASE(server_and_client_over_a_named_socket)
{
    pid_t server = rig_exec_role("server", NULL, -1);
    pid_t client = rig_exec_role("client", NULL, -1);
    CHECK_EXITED(client, 0);
    CHECK_EXITED(server, 0);
}

struct courier {
    int in, out;
};

static void carry(void *arg)
{
    const struct courier *c = arg;
    send_fd(c->out, take_fd(c->in));
}

/* A descriptor is the right itself: its receiver need not be able to open the file. */
static void read_as_another_user(void *arg)
{
    const int *pair = arg;
    char bytes[8];
    ipc_become_other_user();
    CHECK_ERRNO(open("private", O_RDONLY), EACCES);
    int fd = take_fd(pair[1]);
    CHECK_EQ_INT(pread(fd, bytes, sizeof bytes, 0), 6);
    CHECK_EQ_BYTES(bytes, "secret", 6);
    CHECK_EQ_INT(lseek(fd, 3, SEEK_SET), 3);
    CHECK_ERRNO(fchmod(fd, 0666), EPERM); /* the file stays its owner's */
}

CASE(another_user_uses_what_it_cannot_open)
{
    int pair[2], fd = new_file("private", "secret");
    ipc_need_other_user();
    CHECK_OK(fchmod(fd, 0600));
    socket_pair(pair);
    pid_t child = rig_spawn(read_as_another_user, pair);
    send_fd(pair[0], fd);
    CHECK_EXITED(child, 0);
    CHECK_EQ_INT(lseek(fd, 0, SEEK_CUR), 3); /* one offset for both users */
}

CASE(passed_on_through_three_processes)
{
    enum { HOPS = 3 };
    int pair[HOPS + 1][2], fd[2];
    pid_t child[HOPS];
    char byte;
    for (int i = 0; i <= HOPS; i++)
        socket_pair(pair[i]);
    REQUIRE_OK(pipe(fd));
    for (int i = 0; i < HOPS; i++) {
        struct courier c = {.in = pair[i][1], .out = pair[i + 1][0]};
        child[i] = rig_spawn(carry, &c);
    }
    send_fd(pair[0][0], fd[1]);
    int got = take_fd(pair[HOPS][1]);
    CHECK_EQ_INT(write(got, "x", 1), 1);
    CHECK_EQ_INT(rig_read_all(fd[0], &byte, 1), 1);
    for (int i = 0; i < HOPS; i++)
        CHECK_EXITED(child[i], 0);
}

static void send_and_wait(void *arg)
{
    int *pair = arg, fd = new_file("file", "alive");
    send_fd(pair[0], fd);
    for (;;)
        pause();
}

/* X send_kill */
CASE(sender_is_killed_after_sending)
{
    int pair[2];
    char bytes[5];
    socket_pair(pair);
    pid_t child = rig_spawn(send_and_wait, pair);
    CHECK_OK(close(pair[0]));
    CHECK(rig_wait_readable(pair[1])); /* sent, not yet taken */
    CHECK_OK(kill(child, SIGKILL));
    CHECK_KILLED_BY(child, SIGKILL);
    int got = take_fd(pair[1]);
    CHECK_EQ_INT(read(got, bytes, 5), 5);
    CHECK_EQ_BYTES(bytes, "alive", 5);
    CHECK_EQ_INT(read(pair[1], bytes, 1), 0);
}

static void wait_forever(void *arg)
{
    (void)arg;
    for (;;)
        pause();
}

CASE(receiver_is_killed_before_taking)
{
    int pair[2], fd[2];
    socket_pair(pair);
    pid_t child = rig_spawn(wait_forever, NULL); /* it holds pair[1], too */
    REQUIRE_OK(pipe(fd));
    send_fd(pair[0], fd[1]);
    CHECK_OK(close(fd[1]));
    CHECK_OK(close(pair[1]));
    rig_nonblock(fd[0], true);
    char byte;
    CHECK_ERRNO(read(fd[0], &byte, 1), EAGAIN); /* in flight, so still open */
    CHECK_OK(kill(child, SIGKILL));
    CHECK_KILLED_BY(child, SIGKILL);
    CHECK(pipe_at_end(fd[0]));
}

enum { SENDERS = 4, ROUNDS = 150 };

static void send_many(void *arg)
{
    const int *pair = arg;
    for (int i = 0; i < ROUNDS; i++) {
        int fd[2];
        REQUIRE_QUIET(pipe(fd) == 0);
        REQUIRE_QUIET(write(fd[1], &i, sizeof i) == (ssize_t)sizeof i);
        send_fd(pair[0], fd[0]);
        close(fd[0]);
        close(fd[1]);
    }
}

/* X send_stress: several processes send over one socket at once, and each right must still go with its message. */
CASE(many_senders_on_one_socket, .deadline = 30)
{
    int pair[2], seen[ROUNDS] = {0}, before;
    pid_t child[SENDERS];
    socket_pair(pair);
    for (int i = 0; i < SENDERS; i++)
        child[i] = rig_spawn(send_many, pair);
    before = open_fds();
    for (int i = 0; i < SENDERS * ROUNDS; i++) {
        int number = -1, got = take_fd(pair[1]);
        REQUIRE_QUIET(read(got, &number, sizeof number) == (ssize_t)sizeof number);
        REQUIRE_QUIET(number >= 0 && number < ROUNDS);
        seen[number]++;
        REQUIRE_QUIET(close(got) == 0);
    }
    for (int i = 0; i < ROUNDS; i++)
        REQUIRE_QUIET(seen[i] == SENDERS);
    CHECK_EQ_INT(open_fds(), before);
    for (int i = 0; i < SENDERS; i++)
        CHECK_EXITED(child[i], 0);
}

static int socket_to_itself(void)
{
    struct sockaddr_un address = address_of("self");
    int fd;
    REQUIRE_OK(fd = socket(AF_UNIX, SOCK_DGRAM, 0));
    REQUIRE_OK(bind(fd, (struct sockaddr *)&address, sizeof address));
    REQUIRE_OK(connect(fd, (struct sockaddr *)&address, sizeof address));
    return fd;
}

CASE(socket_connected_to_itself)
{
    int fd = socket_to_itself();
    CHECK_EQ_INT(send_fds(fd, 'f', &fd, 1), 1);
    int got = take_fd(fd);
    CHECK(same_file(got, fd));
}

/* X uds-to-self: asking such a socket for its peer must come back, whatever it answers. On 20.5 it does not:
 * uipc_ctloutput locks the peer, which is the socket itself, a second time, and the process cannot even be killed. */
CASE(peer_of_a_socket_connected_to_itself)
{
    int fd = socket_to_itself();
    char answer[64];
    socklen_t size;
#ifdef __APPLE__
    DANGEROUS("leaves an unkillable process: uipc_ctloutput locks the socket twice, bsd/kern/uipc_usrreq.c");
    for (int option = LOCAL_PEERCRED; option <= LOCAL_PEEREUUID; option++) {
        size = sizeof answer;
        int answered = getsockopt(fd, SOL_LOCAL, option, answer, &size);
        FACT(answered == 0 ? "answered" : "refused", option);
    }
    CHECK(access("self", F_OK) == 0);
#else
    size = sizeof answer;
    CHECK_OK(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, answer, &size));
#endif
}

#ifdef __APPLE__

static void check_peer(int fd, pid_t pid)
{
    struct xucred cred;
    pid_t peer = 0;
    socklen_t size = sizeof cred;
    CHECK_OK(getsockopt(fd, SOL_LOCAL, LOCAL_PEERCRED, &cred, &size));
    CHECK_EQ_INT(cred.cr_version, XUCRED_VERSION);
    CHECK_EQ_INT(cred.cr_uid, geteuid());
    size = sizeof peer;
    CHECK_OK(getsockopt(fd, SOL_LOCAL, LOCAL_PEERPID, &peer, &size));
    CHECK_EQ_INT(peer, pid);
}
#else
static void check_peer(int fd, pid_t pid)
{
    struct ucred cred = {0, 0, 0};
    socklen_t size = sizeof cred;
    CHECK_OK(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &size));
    CHECK_EQ_INT(size, sizeof cred);
    CHECK_EQ_INT(cred.pid, pid);
    CHECK_EQ_INT(cred.uid, geteuid());
    CHECK_EQ_INT(cred.gid, getegid());
}
#endif

static void connect_and_wait(void *arg)
{
    struct sockaddr_un address = address_of("server");
    int fd;
    char byte;
    (void)arg;
    REQUIRE_OK(fd = socket(AF_UNIX, SOCK_STREAM, 0));
    REQUIRE_OK(connect(fd, (struct sockaddr *)&address, sizeof address));
    CHECK_EQ_INT(rig_read_all(fd, &byte, 1), 0);
}

CASE(peer_is_told)
{
    struct sockaddr_un address = address_of("server");
    int listener, fd;
    REQUIRE_OK(listener = socket(AF_UNIX, SOCK_STREAM, 0));
    REQUIRE_OK(bind(listener, (struct sockaddr *)&address, sizeof address));
    REQUIRE_OK(listen(listener, 4));
    pid_t child = rig_spawn(connect_and_wait, NULL);
    REQUIRE(rig_wait_readable(listener));
    REQUIRE_OK(fd = accept(listener, NULL, NULL));
    check_peer(fd, child);
    CHECK_OK(close(fd));
    CHECK_EXITED(child, 0);
}
