/* signals_send.c - kill and its relatives: targets, rights, groups, default actions, interrupted calls, inheritance. */
#include "act.h"

#include <time.h>

static void leave_at_once(void *arg) { (void)arg; }

/* A process that has ended but was not waited for, and one that is quite gone. */
CASE(kill_zero_asks_who_is_there)
{
    siginfo_t info;
    CHECK_OK(kill(getpid(), 0));
    CHECK_OK(kill(0, 0));
    pid_t child = rig_spawn(leave_at_once, NULL);
    CHECK_OK(ipc_waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT)); /* it is a zombie now */
    CHECK_OK(kill(child, 0));
    CHECK_OK(kill(child, SIGTERM));
    CHECK_EXITED(child, 0);
    CHECK_ERRNO(kill(child, 0), ESRCH);
    CHECK_ERRNO(kill(-child, 0), ESRCH);
}

static void signal_the_parent_as_stranger(void *arg)
{
    pid_t parent = getppid();
    (void)arg;
    ipc_become_other_user();
    CHECK_ERRNO(kill(parent, 0), EPERM);
    CHECK_ERRNO(kill(parent, SIGUSR1), EPERM);
    CHECK_ERRNO(kill(parent, SIGKILL), EPERM);
    CHECK_OK(kill(parent, SIGCONT)); /* the one that a session allows itself */
}

CASE(kill_needs_rights)
{
    ipc_need_other_user();
    rig_catch(SIGUSR1, 0);
    rig_catch(SIGCONT, 0);
    pid_t child = rig_spawn(signal_the_parent_as_stranger, NULL);
    CHECK_EXITED(child, 0);
    CHECK_EQ_INT(rig_caught(SIGUSR1), 0);
    CHECK_EQ_INT(rig_caught(SIGCONT), 1);
}

CASE(kill_reaches_a_whole_group)
{
    enum { MEMBERS = 3 };
    pid_t members[MEMBERS], outsider = rig_spawn(act_idle, NULL);
    for (int i = 0; i < MEMBERS; i++) {
        members[i] = rig_spawn(act_idle, NULL);
        REQUIRE_OK(setpgid(members[i], members[0]));
    }
    CHECK_OK(kill(-members[0], SIGTERM));
    for (int i = 0; i < MEMBERS; i++)
        CHECK_KILLED_BY(members[i], SIGTERM);
    CHECK_EQ_INT(waitpid(outsider, NULL, WNOHANG), 0);
    CHECK_ERRNO(kill(-members[0], SIGTERM), ESRCH);
    rig_kill(outsider);
}

CASE(killpg_does_the_same)
{
    pid_t member = rig_spawn(act_idle, NULL);
    REQUIRE_OK(setpgid(member, member));
    CHECK_OK(killpg(member, SIGHUP));
    CHECK_KILLED_BY(member, SIGHUP);
}

static void catch_one(void *arg)
{
    rig_catch(SIGUSR1, 0);
    act_block(SIGUSR1);
    rig_gate_pass(arg);
    act_wait_for(SIGUSR1);
    CHECK_EQ_INT(rig_caught(SIGUSR1), 1);
}

/* The case leads a group of its own, so group 0 is this process and its children alone. */
CASE(kill_of_group_zero)
{
    struct rig_gate ready;
    if (getpgrp() != getpid())
        REQUIRE_OK(setpgid(0, 0)); /* somebody runs this case by hand */
    rig_gate_init(&ready);
    rig_catch(SIGUSR1, 0);
    pid_t child = rig_spawn(catch_one, &ready);
    rig_gate_wait(&ready);
    CHECK_OK(kill(0, SIGUSR1));
    CHECK_EQ_INT(rig_caught(SIGUSR1), 1);
    CHECK_EXITED(child, 0);
}

CASE(default_actions_that_end)
{
    static const int deadly[] = {SIGHUP,  SIGINT,  SIGQUIT, SIGILL,  SIGTRAP,   SIGABRT, SIGFPE,  SIGKILL, SIGBUS,  SIGSEGV,
                                 SIGSYS,  SIGPIPE, SIGALRM, SIGTERM, SIGXCPU, SIGXFSZ, SIGVTALRM, SIGPROF, SIGUSR1, SIGUSR2};
    for (size_t i = 0; i < RIG_COUNT(deadly); i++) {
        pid_t child = rig_spawn(act_idle, NULL);
        CHECK_OK(kill(child, deadly[i]));
        CHECK_KILLED_BY(child, deadly[i]);
    }
}

CASE(default_actions_that_do_nothing)
{
    static const int harmless[] = {SIGCHLD, SIGURG, SIGWINCH, SIGCONT};
    for (size_t i = 0; i < RIG_COUNT(harmless); i++) {
        CHECK_OK(kill(getpid(), harmless[i]));
        CHECK(!act_is_pending(harmless[i]));
    }
#ifdef __APPLE__
    CHECK_OK(kill(getpid(), SIGIO));
    CHECK_OK(kill(getpid(), SIGINFO));
#endif
}

static void abort_in_spite_of_all(void *arg)
{
    (void)arg;
    act_set_handler(SIGABRT, SIG_IGN);
    act_block(SIGABRT);
    abort();
}

CASE(abort_cannot_be_prevented)
{
    CHECK_KILLED_BY(rig_spawn(abort_in_spite_of_all, NULL), SIGABRT);
}

struct reader {
    int fd;
    int flags;
    struct rig_gate ready;
};

static void read_one(void *arg)
{
    struct reader *reader = arg;
    char byte = 0;
    rig_catch(SIGUSR1, reader->flags);
    rig_gate_pass(&reader->ready);
    if (reader->flags & SA_RESTART) {
        CHECK_EQ_INT(read(reader->fd, &byte, 1), 1);
        CHECK_EQ_INT(byte, 'r');
    } else {
        CHECK_ERRNO(read(reader->fd, &byte, 1), EINTR);
    }
    CHECK_EQ_INT(rig_caught(SIGUSR1), 1);
}

static void interrupt_a_read(int flags)
{
    int fd[2];
    REQUIRE_OK(pipe(fd));
    struct reader reader = {.fd = fd[0], .flags = flags};
    rig_gate_init(&reader.ready);
    pid_t child = rig_spawn(read_one, &reader);
    rig_gate_wait(&reader.ready);
    CHECK(rig_wait_blocked(child));
    CHECK_OK(kill(child, SIGUSR1));
    if (flags & SA_RESTART) {
        CHECK(rig_wait_blocked(child));
        CHECK_EQ_INT(write(fd[1], "r", 1), 1);
    }
    CHECK_EXITED(child, 0);
}

CASE(read_ends_with_eintr) { interrupt_a_read(0); }

CASE(read_restarts_when_asked) { interrupt_a_read(SA_RESTART); }

static void signal_sleeper(void *arg)
{
    pid_t parent = *(pid_t *)arg;
    CHECK(rig_wait_blocked(parent));
    CHECK_OK(kill(parent, SIGUSR1));
}

CASE(nanosleep_tells_what_is_left)
{
    struct timespec wanted = {8, 0}, left = {0, 0};
    pid_t self = getpid();
    rig_catch(SIGUSR1, SA_RESTART); /* a sleep ends all the same */
    pid_t child = rig_spawn(signal_sleeper, &self);
    CHECK_ERRNO(nanosleep(&wanted, &left), EINTR);
    CHECK_GE_INT(left.tv_sec, 1);
    CHECK_LE_INT(left.tv_sec, 7);
    CHECK_EXITED(child, 0);
}

static void sleep_a_little(void *arg)
{
    struct timespec wanted = {0, 5000000};
    (void)arg;
    CHECK_OK(nanosleep(&wanted, NULL));
}

/* libSystem's nanosleep asks a Mach clock: the port it knows must be the child's own after a fork. */
CASE(nanosleep_in_a_forked_child)
{
    CHECK_EXITED(rig_spawn(sleep_a_little, NULL), 0);
}

static void look_after_fork(void *arg)
{
    struct sigaction now;
    (void)arg;
    CHECK(act_is_blocked(SIGUSR1));
    CHECK(!act_is_pending(SIGUSR1)); /* what was pending was the parent's */
    CHECK_OK(sigaction(SIGUSR2, NULL, &now));
    CHECK(now.sa_handler == SIG_IGN);
    CHECK_OK(kill(getpid(), SIGHUP));
    CHECK_EQ_INT(rig_caught(SIGHUP), 1);
}

CASE(fork_inherits_mask_and_handlers)
{
    rig_catch(SIGHUP, 0);
    act_set_handler(SIGUSR2, SIG_IGN);
    act_block(SIGUSR1);
    CHECK_OK(kill(getpid(), SIGUSR1));
    CHECK(act_is_pending(SIGUSR1));
    CHECK_EXITED(rig_spawn(look_after_fork, NULL), 0);
    CHECK_EQ_INT(rig_caught(SIGHUP), 0);
    act_set_handler(SIGUSR1, SIG_IGN);
}

ROLE(with_pending)
{
    CHECK(act_is_blocked(SIGUSR1));
    CHECK(act_is_pending(SIGUSR1));
    CHECK(!act_is_pending(SIGUSR2));
    rig_catch(SIGUSR1, 0);
    act_unblock(SIGUSR1);
    CHECK_EQ_INT(rig_caught(SIGUSR1), 1);
}

static void exec_with_pending(void *arg)
{
    (void)arg;
    act_block(SIGUSR1);
    REQUIRE_OK(kill(getpid(), SIGUSR1));
    rig_exec_role_here("with_pending", NULL);
}

CASE(exec_keeps_pending_signals) { CHECK_EXITED(rig_spawn(exec_with_pending, NULL), 0); }

ROLE(after_exec)
{
    struct sigaction now;
    CHECK_OK(sigaction(SIGHUP, NULL, &now));
    CHECK(now.sa_handler == SIG_DFL);
    CHECK_OK(sigaction(SIGUSR2, NULL, &now));
    CHECK(now.sa_handler == SIG_IGN);
    CHECK(act_is_blocked(SIGUSR1));
    CHECK(!act_is_blocked(SIGTERM));
}

CASE(exec_keeps_mask_and_ignored_only)
{
    rig_catch(SIGHUP, 0);
    act_set_handler(SIGUSR2, SIG_IGN);
    act_block(SIGUSR1);
    CHECK_EXITED(rig_exec_role("after_exec", NULL, -1), 0);
}
