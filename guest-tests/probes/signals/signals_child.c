/* signals_child.c - SIGCHLD and what comes with it, stopping and continuing. */
#include "act.h"

static void exit_with(void *arg) { exit(*(int *)arg); }

/* As abort() ends, without its ways to get there. */
static void end_by_sigabrt(void *arg)
{
    (void)arg;
    kill(getpid(), SIGABRT);
}

/* SIGCHLD blocked, and a handler that keeps what comes with it. */
static void expect_sigchld(int flags)
{
    act_block(SIGCHLD);
    act_keep_info(SIGCHLD, flags);
}

static void check_sigchld(pid_t child, int code, int status)
{
    act_wait_for(SIGCHLD);
    CHECK_EQ_INT(act_info.sig, SIGCHLD);
    CHECK_EQ_INT(act_info.code, code);
    CHECK_EQ_INT(act_info.pid, child);
    CHECK_EQ_INT(act_info.uid, getuid());
    CHECK_EQ_INT(act_info.status, status);
}

CASE(sigchld_of_an_exit)
{
    int code = 7;
    expect_sigchld(0);
    pid_t child = rig_spawn(exit_with, &code);
    check_sigchld(child, CLD_EXITED, 7);
    CHECK_EXITED(child, 7);
}

CASE(sigchld_of_a_kill)
{
    expect_sigchld(0);
    pid_t child = rig_spawn(act_idle, NULL);
    CHECK_OK(kill(child, SIGKILL));
    check_sigchld(child, CLD_KILLED, SIGKILL);
    CHECK_KILLED_BY(child, SIGKILL);
}

/* With a core dump it would be CLD_DUMPED; the wait status knows. */
CASE(sigchld_of_a_sigabrt)
{
    expect_sigchld(0);
    pid_t child = rig_spawn(end_by_sigabrt, NULL);
    act_wait_for(SIGCHLD);
    int status = rig_join(child);
    CHECK(WIFSIGNALED(status));
    CHECK_EQ_INT(WTERMSIG(status), SIGABRT);
    CHECK_EQ_INT(act_info.code, WCOREDUMP(status) ? CLD_DUMPED : CLD_KILLED);
    CHECK_EQ_INT(act_info.status & 0x7f, SIGABRT);
    CHECK_EQ_INT(act_info.pid, child);
}

/* Linux tells of the continuation by SIGCHLD, too; xnu by waitpid alone (bsd/kern/kern_sig.c psignal_internal, SIGCONT). */
CASE(stop_and_continue)
{
    int status = 0;
    expect_sigchld(0);
    pid_t child = rig_spawn(act_idle, NULL);
    CHECK_OK(kill(child, SIGSTOP));
    check_sigchld(child, CLD_STOPPED, SIGSTOP);
    CHECK_EQ_INT(waitpid(child, &status, WUNTRACED | WNOHANG), child);
    CHECK(WIFSTOPPED(status));
    CHECK_EQ_INT(WSTOPSIG(status), SIGSTOP);
    CHECK_EQ_INT(waitpid(child, &status, WUNTRACED | WNOHANG), 0); /* told once */
    CHECK_OK(kill(child, SIGCONT));
#ifndef __APPLE__
    check_sigchld(child, CLD_CONTINUED, SIGCONT);
#endif
    CHECK_EQ_INT(waitpid(child, &status, WCONTINUED), child);
    CHECK(WIFCONTINUED(status));
    rig_kill(child);
}

static void count_on(void *arg)
{
    int fd = *(int *)arg;
    for (;;) {
        if (write(fd, "c", 1) != 1)
            exit(1);
        rig_sleep_ms(1);
    }
}

/* What comes through the pipe within a while. */
static long bytes_in(int fd)
{
    char bytes[4096];
    long count = 0;
    for (ssize_t n; (n = read(fd, bytes, sizeof bytes)) > 0;)
        count += n;
    return count;
}

/* A deadly signal waits, too, says POSIX. xnu treats it as SIGKILL, which does not wait (bsd/kern/kern_sig.c
 * psignal_internal, "needs to act like SIGKILL"): measured there, not judged. */
CASE(stopped_process_does_nothing)
{
    int fd[2], status;
    siginfo_t info;
    REQUIRE_OK(pipe(fd));
    REQUIRE_OK(fcntl(fd[0], F_SETFL, O_NONBLOCK));
    pid_t child = rig_spawn(count_on, &fd[1]);
    REQUIRE(rig_wait_readable(fd[0]));
    CHECK_OK(kill(child, SIGSTOP));
    CHECK_EQ_INT(waitpid(child, &status, WUNTRACED), child);
    bytes_in(fd[0]);
    rig_sleep_ms(50);
    CHECK_EQ_INT(bytes_in(fd[0]), 0);
    CHECK_OK(kill(child, SIGTERM));
    rig_sleep_ms(10);
    memset(&info, 0, sizeof info);
    CHECK_OK(ipc_waitid(P_PID, (id_t)child, &info, WEXITED | WNOHANG | WNOWAIT));
#ifdef __APPLE__
    FACT("sigterm_waits_for_sigcont", info.si_pid == 0);
#else
    CHECK_EQ_INT(info.si_pid, 0);
#endif
    CHECK_OK(kill(child, SIGCONT));
    CHECK_KILLED_BY(child, SIGTERM);
}

CASE(kill_ends_a_stopped_process)
{
    int status;
    pid_t child = rig_spawn(act_idle, NULL);
    CHECK_OK(kill(child, SIGSTOP));
    CHECK_EQ_INT(waitpid(child, &status, WUNTRACED), child);
    CHECK_OK(kill(child, SIGKILL));
    CHECK_KILLED_BY(child, SIGKILL);
}

CASE(continue_drops_a_pending_stop)
{
    act_block(SIGTSTP);
    CHECK_OK(kill(getpid(), SIGTSTP));
    CHECK(act_is_pending(SIGTSTP));
    CHECK_OK(kill(getpid(), SIGCONT));
    CHECK(!act_is_pending(SIGTSTP));
}

CASE(nocldstop_is_silent_about_stops)
{
    int status;
    expect_sigchld(SA_NOCLDSTOP);
    pid_t child = rig_spawn(act_idle, NULL);
    CHECK_OK(kill(child, SIGSTOP));
    CHECK_EQ_INT(waitpid(child, &status, WUNTRACED), child);
    CHECK(WIFSTOPPED(status));
    rig_sleep_ms(10);
    CHECK(!act_is_pending(SIGCHLD));
    CHECK_OK(kill(child, SIGKILL)); /* but not about ends */
    check_sigchld(child, CLD_KILLED, SIGKILL);
    CHECK_KILLED_BY(child, SIGKILL);
}

/* The last of a process may go a moment after its parent heard of its end. */
static void check_gone(pid_t child)
{
    for (int tries = 0; tries < 1000 && kill(child, 0) == 0; tries++)
        rig_sleep_ms(1);
    CHECK_ERRNO(kill(child, 0), ESRCH);
}

/* No zombies: waitpid waits for all, then knows of none. */
static void check_no_zombies(void)
{
    int code = 3;
    pid_t one = rig_spawn(exit_with, &code), two = rig_spawn(exit_with, &code);
    CHECK_ERRNO(waitpid(-1, NULL, 0), ECHILD);
    CHECK_ERRNO(waitpid(one, NULL, 0), ECHILD);
    check_gone(one);
    check_gone(two);
}

CASE(nocldwait_leaves_no_zombies)
{
    rig_catch(SIGCHLD, SA_NOCLDWAIT | SA_RESTART);
    check_no_zombies();
}

CASE(ignoring_sigchld_leaves_no_zombies)
{
    act_set_handler(SIGCHLD, SIG_IGN);
    check_no_zombies();
}

CASE(sigchlds_coalesce)
{
    enum { CHILDREN = 4 };
    pid_t children[CHILDREN];
    int code = 0, reaped = 0;
    expect_sigchld(0);
    for (int i = 0; i < CHILDREN; i++)
        children[i] = rig_spawn(exit_with, &code);
    siginfo_t info;
    for (int i = 0; i < CHILDREN; i++) /* until all have ended, reaping none */
        CHECK_OK(ipc_waitid(P_PID, (id_t)children[i], &info, WEXITED | WNOWAIT));
    act_unblock(SIGCHLD);
    CHECK_EQ_INT(act_info.count, 1);
    while (waitpid(-1, NULL, WNOHANG) > 0)
        reaped++;
    CHECK_EQ_INT(reaped, CHILDREN);
}

CASE(waitid_tells_and_leaves)
{
    int code = 5, status = 0;
    siginfo_t info;
    pid_t child = rig_spawn(exit_with, &code);
    for (int twice = 0; twice < 2; twice++) {
        memset(&info, 0, sizeof info);
        CHECK_OK(ipc_waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT));
        CHECK_EQ_INT(info.si_pid, child);
        CHECK_EQ_INT(info.si_code, CLD_EXITED);
        CHECK_EQ_INT(info.si_status, 5);
    }
    CHECK_EQ_INT(waitpid(child, &status, 0), child);
    CHECK_EQ_INT(WEXITSTATUS(status), 5);
    CHECK_ERRNO(ipc_waitid(P_PID, (id_t)child, &info, WEXITED), ECHILD);
}
