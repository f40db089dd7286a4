/* child.c - processes inside a case, and how they keep step. */
#include "internal.h"

#include <poll.h>

static const double WAIT_SECONDS = 5;

/* What the helpers need themselves: told only when it fails, at the place in the case that called. */
static void must(struct rig_at at, bool held, const char *got, const char *want)
{
    if (held)
        return;
    rig_check_got(at, false, got, want);
    rig_give_up();
}

pid_t rig_spawn_at(struct rig_at at, void (*fn)(void *arg), void *arg)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        fn(arg);
        fflush(NULL);
        _exit(0);
    }
    must(at, pid > 0, rig_errno_name(errno), "success");
    return pid;
}

/* Does not return: this process becomes the role. */
_Noreturn static void become_role(const char *role, const char *const args[])
{
    enum { MOST = 32 };
    char scale[32], run_id[24];
    const char *argv[MOST] = {rig_self, "--case", rig_current_case, "--role", role, "--scale", scale, "--run-id", run_id, "--"};
    int argc = 10;
    snprintf(scale, sizeof scale, "%g", rig_options.scale);
    snprintf(run_id, sizeof run_id, "%ld", rig_options.run_id);
    while (args && *args && argc < MOST - 1)
        argv[argc++] = *args++;
    argv[argc] = NULL;
    execv(rig_self, (char *const *)argv);
    rig_check_ok(RIG_AT("exec of the probe itself"), true, errno);
    _exit(RIG_GAVE_UP);
}

pid_t rig_exec_role(const char *role, const char *const args[], int keep)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        rig_close_from_3(keep);
        if (keep >= 0)
            fcntl(keep, F_SETFD, 0);
        become_role(role, args);
    }
    must(RIG_AT("fork for a role"), pid > 0, rig_errno_name(errno), "success");
    return pid;
}

_Noreturn void rig_exec_role_here(const char *role, const char *const args[])
{
    if (rig_in_case_process()) {
        FAIL("a case's own process cannot become a role: nobody would report its end");
        rig_give_up();
    }
    fflush(NULL);
    become_role(role, args);
}

/* waitpid with a deadline. Polls: there is no portable wait with a timeout, and SIGCHLD may be under test. */
static bool wait_for(pid_t child, int *status, double seconds)
{
    uint64_t end = rig_now_ns() + (uint64_t)(rig_patience(seconds) * 1e9);
    double pause_ms = 0.2;
    for (;;) {
        pid_t got = waitpid(child, status, WNOHANG);
        if (got == child)
            return true;
        if (got < 0 && errno != EINTR) {
            *status = 0;
            rig_check_ok(RIG_AT("waitpid for a child"), true, errno);
            return true;
        }
        if (rig_now_ns() > end)
            return false;
        rig_sleep_ms(pause_ms);
        if (pause_ms < 5)
            pause_ms *= 1.5;
    }
}

int rig_join_at(struct rig_at at, pid_t child)
{
    int status = 0;
    if (!wait_for(child, &status, WAIT_SECONDS)) {
        rig_check_got(at, false, "still running", "ended in time");
        kill(child, SIGKILL);
        wait_for(child, &status, WAIT_SECONDS);
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == RIG_GAVE_UP)
        rig_give_up(); /* it has told why */
    return status;
}

void rig_interrupt_at(struct rig_at at, pid_t child, int sig)
{
    rig_check_true(at, rig_wait_blocked(child));
    must(at, kill(child, sig) == 0, rig_errno_name(errno), "success");
}

void rig_kill(pid_t child)
{
    int status;
    kill(child, SIGKILL);
    wait_for(child, &status, WAIT_SECONDS);
}

bool rig_check_exited(struct rig_at at, pid_t child, int code)
{
    char want[24];
    snprintf(want, sizeof want, "exit %d", code);
    int status = rig_join_at(at, child);
    return rig_check_got(at, WIFEXITED(status) && WEXITSTATUS(status) == code, rig_status_name(status), want);
}

bool rig_check_killed(struct rig_at at, pid_t child, int sig)
{
    int status = rig_join_at(at, child);
    return rig_check_got(at, WIFSIGNALED(status) && WTERMSIG(status) == sig, rig_status_name(status), rig_signal_name(sig));
}

void rig_gate_init_at(struct rig_at at, struct rig_gate *gate)
{
    must(at, pipe(gate->fd) == 0, rig_errno_name(errno), "success");
}

void rig_gate_pass_at(struct rig_at at, struct rig_gate *gate)
{
    must(at, rig_write_all(gate->fd[1], "", 1), rig_errno_name(errno), "success");
}

void rig_gate_wait_at(struct rig_at at, struct rig_gate *gate)
{
    char byte;
    must(at, rig_wait_readable(gate->fd[0]), "nobody passed", "passed in time");
    ssize_t n;
    do
        n = read(gate->fd[0], &byte, 1);
    while (n < 0 && errno == EINTR);
    must(at, n == 1, n == 0 ? "other side gone" : rig_errno_name(errno), "passed in time");
}

bool rig_gate_was_passed(const struct rig_gate *gate)
{
    struct pollfd watched = {.fd = gate->fd[0], .events = POLLIN};
    return poll(&watched, 1, 0) == 1 && (watched.revents & POLLIN);
}

void rig_gate_close(struct rig_gate *gate)
{
    close(gate->fd[0]);
    close(gate->fd[1]);
}

static bool wait_for_event(int fd, short event)
{
    uint64_t end = rig_now_ns() + (uint64_t)(rig_patience(WAIT_SECONDS) * 1e9);
    for (;;) {
        uint64_t now = rig_now_ns();
        if (now >= end)
            return false;
        struct pollfd watched = {.fd = fd, .events = event};
        int n = poll(&watched, 1, (int)((end - now) / 1000000u) + 1);
        if (n > 0)
            return !(watched.revents & POLLNVAL);
        if (n < 0 && errno != EINTR)
            return false;
    }
}

bool rig_wait_readable(int fd) { return wait_for_event(fd, POLLIN); }

bool rig_wait_writable(int fd) { return wait_for_event(fd, POLLOUT); }

static volatile sig_atomic_t caught[65];

static void count(int sig)
{
    if (sig > 0 && sig < (int)RIG_COUNT(caught))
        caught[sig]++;
}

void rig_catch(int sig, int flags)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = count;
    action.sa_flags = flags;
    sigemptyset(&action.sa_mask);
    if (sig > 0 && sig < (int)RIG_COUNT(caught))
        caught[sig] = 0;
    REQUIRE_OK(sigaction(sig, &action, NULL));
}

int rig_caught(int sig) { return sig > 0 && sig < (int)RIG_COUNT(caught) ? (int)caught[sig] : 0; }
