/* fileport_tasks.c - descriptors from task to task in Mach messages. */
#include "passport.h"

#include "../fd_type/kinds.h"

#include <sys/socket.h>

static void read_three(struct rig_partner *parent, void *arg)
{
    char bytes[3];
    (void)arg;
    mach_port_t port = carried(parent->mine);
    int fd = fd_of(port);
    CHECK_EQ_INT(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    CHECK_EQ_INT(read(fd, bytes, 3), 3);
    CHECK_EQ_BYTES(bytes, "abc", 3);
}

CASE(passed_to_another_task)
{
    struct rig_partner child;
    char bytes[3];
    rig_partner_start(&child, read_three, NULL);
    int fd = kind_make(KIND_FILE); /* only now: the child cannot have it by fork */
    CHECK_EQ_INT(write(fd, "abcdef", 6), 6);
    CHECK_EQ_INT(lseek(fd, 0, SEEK_SET), 0);
    carry(child.to, port_of(fd), MACH_MSG_TYPE_MOVE_SEND);
    CHECK_EXITED(child.pid, 0);
    CHECK_EQ_INT(lseek(fd, 0, SEEK_CUR), 3); /* one open file, one offset */
    CHECK_EQ_INT(read(fd, bytes, 3), 3);
    CHECK_EQ_BYTES(bytes, "def", 3);
}

static void send_and_die(struct rig_partner *parent, void *arg)
{
    int *status = arg, fd = open("file", O_CREAT | O_RDWR, 0600);
    REQUIRE_OK(fd);
    CHECK_EQ_INT(write(fd, "last words", 10), 10);
    carry(parent->to, port_of(fd), MACH_MSG_TYPE_COPY_SEND);
    if (*status)
        kill(getpid(), SIGKILL);
}

CASE(sender_may_be_gone)
{
    for (int killed = 0; killed < 2; killed++) {
        struct rig_partner child;
        char bytes[10];
        rig_partner_start(&child, send_and_die, &killed);
        if (killed)
            CHECK_KILLED_BY(child.pid, SIGKILL);
        else
            CHECK_EXITED(child.pid, 0);
        int fd = fd_of(carried(child.mine));
        CHECK_OK(unlink("file"));
        CHECK_EQ_INT(pread(fd, bytes, 10, 0), 10);
        CHECK_EQ_BYTES(bytes, "last words", 10);
        CHECK_OK(close(fd));
    }
}

static void keep_and_die(struct rig_partner *parent, void *arg)
{
    (void)arg;
    mach_port_t port = carried(parent->mine);
    fd_of(port);
    carry(parent->to, port, MACH_MSG_TYPE_COPY_SEND);
    for (;;)
        pause();
}

CASE(receivers_death_closes_its_copies)
{
    struct rig_partner child;
    int fd[2];
    rig_partner_start(&child, keep_and_die, NULL);
    REQUIRE_OK(pipe(fd));
    carry(child.to, port_of(fd[1]), MACH_MSG_TYPE_MOVE_SEND);
    CHECK_OK(close(fd[1]));
    mach_port_t back = carried(child.mine);
    CHECK_KERN(mach_port_deallocate(rig_task(), back), KERN_SUCCESS);
    CHECK(no_end(fd[0])); /* the child has the port and a descriptor */
    rig_kill(child.pid);
    CHECK(end_comes(fd[0]));
}

static void echo_byte(struct rig_partner *parent, void *arg)
{
    char byte;
    (void)arg;
    int fd = fd_of(carried(parent->mine));
    REQUIRE(rig_wait_readable(fd));
    CHECK_EQ_INT(read(fd, &byte, 1), 1);
    byte++;
    CHECK_EQ_INT(write(fd, &byte, 1), 1);
}

CASE(socket_passed_to_another_task)
{
    struct rig_partner child;
    int pair[2];
    char byte = 'a';
    rig_partner_start(&child, echo_byte, NULL);
    REQUIRE_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    carry(child.to, port_of(pair[1]), MACH_MSG_TYPE_MOVE_SEND);
    CHECK_OK(close(pair[1]));
    CHECK_EQ_INT(write(pair[0], &byte, 1), 1);
    REQUIRE(rig_wait_readable(pair[0]));
    CHECK_EQ_INT(read(pair[0], &byte, 1), 1);
    CHECK_EQ_INT(byte, 'b');
    CHECK_EXITED(child.pid, 0);
}

static void look_for_ports(void *arg)
{
    struct proc_fileportinfo list[8];
    CHECK_EQ_INT(rig_fileport_list(getpid(), list, (int)RIG_COUNT(list)), 0);
    CHECK_ERRNO(rig_fileport_makefd(*(mach_port_t *)arg), EINVAL);
}

CASE(not_inherited_by_fork)
{
    mach_port_t port = port_of(kind_make(KIND_FILE));
    CHECK_EXITED(rig_spawn(look_for_ports, &port), 0);
    CHECK_OK(fd_of(port));
}

/* ---- Timings -------------------------------------------------------------------------------------------------- */

static void make_and_open(void *context, unsigned long n)
{
    int fd = *(int *)context;
    while (n--) {
        mach_port_t port;
        REQUIRE_QUIET(rig_fileport_makeport(fd, &port) == 0);
        int copy = rig_fileport_makefd(port);
        REQUIRE_QUIET(copy >= 0 && close(copy) == 0);
        REQUIRE_QUIET(mach_port_deallocate(rig_task(), port) == KERN_SUCCESS);
    }
}

CASE(time_of_port_and_descriptor, .deadline = 30)
{
    int fd = kind_make(KIND_FILE);
    rig_time("make_open_close", 0, make_and_open, &fd);
}

/* One way: right and answer go in messages of the same form; the answer carries the port back. */
static void answer_until_dead(struct rig_partner *parent, void *arg)
{
    (void)arg;
    for (;;) {
        struct carrier message;
        REQUIRE_QUIET(rig_msg(&message.base.header, MACH_RCV_MSG, 0, sizeof message, parent->mine, 0) == KERN_SUCCESS);
        int fd = rig_fileport_makefd(message.port.name);
        REQUIRE_QUIET(fd >= 0 && close(fd) == 0);
        carry(parent->to, message.port.name, MACH_MSG_TYPE_MOVE_SEND);
    }
}

static void pass_and_back(void *context, unsigned long n)
{
    struct rig_partner *child = context;
    static mach_port_t port;
    if (port == MACH_PORT_NULL)
        port = port_of(0);
    while (n--) {
        carry(child->to, port, MACH_MSG_TYPE_MOVE_SEND);
        struct carrier message;
        REQUIRE_QUIET(rig_msg_receive(&message.base.header, sizeof message, child->mine, rig_msg_patience()) ==
                      KERN_SUCCESS);
        port = message.port.name;
    }
}

CASE(time_of_passing_to_another_task, .deadline = 60)
{
    struct rig_partner child;
    rig_partner_start(&child, answer_until_dead, NULL);
    pass_and_back(&child, 16);
    rig_time("pass_open_and_back", 0, pass_and_back, &child);
    rig_kill(child.pid);
}
