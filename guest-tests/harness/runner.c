/* runner.c - the parent's side of one case: start it, relay what it says, end it in time, judge how it went. */
#include "internal.h"

#include <poll.h>
#include <sys/stat.h>

volatile sig_atomic_t rig_stop_signal;
static int wake[2]; /* a byte for each signal: a poll() cannot miss it */

static void on_signal(int sig)
{
    int saved = errno;
    if (sig != SIGCHLD)
        rig_stop_signal = sig;
    ssize_t ignored = write(wake[1], "", 1);
    (void)ignored;
    errno = saved;
}

static void keep_to_self(int fd, bool nonblocking)
{
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    if (nonblocking)
        fcntl(fd, F_SETFL, O_NONBLOCK);
}

void rig_runner_signals(void)
{
    static const int watched[] = {SIGCHLD, SIGTERM, SIGINT, SIGHUP};
    if (pipe(wake) != 0)
        exit(70);
    keep_to_self(wake[0], true);
    keep_to_self(wake[1], true);
    struct sigaction action;
    memset(&action, 0, sizeof action);
    sigemptyset(&action.sa_mask);
    action.sa_handler = on_signal;
    for (size_t i = 0; i < RIG_COUNT(watched); i++)
        sigaction(watched[i], &action, NULL);
    action.sa_handler = SIG_IGN; /* a closed stdout shows as EPIPE */
    sigaction(SIGPIPE, &action, NULL);
}

struct running {
    pid_t pid;
    int from;
    uint64_t start;
    double deadline;
    struct rig_relay relay;
    bool ended, timed_out;
    int status;
};

/* In the new process: all that a case may rely on, then the probe itself anew. */
_Noreturn static void become_case(const struct rig_case *c, const char *scratch, int out)
{
    char scale[32], batches[16], run_id[24];
    snprintf(scale, sizeof scale, "%g", rig_options.scale);
    snprintf(batches, sizeof batches, "%d", rig_batches());
    snprintf(run_id, sizeof run_id, "%ld", rig_options.run_id);
    setsid();
    dup2(out, STDOUT_FILENO);
    int null = open("/dev/null", O_RDONLY);
    if (null >= 0)
        dup2(null, STDIN_FILENO);
    rig_close_from_3(-1);
    rig_default_signals();
    rig_same_addresses();
    umask(022);
    char *const argv[] = {(char *)rig_self, "--case", (char *)c->name, "--dir", (char *)scratch, "--scale", scale,
                          "--batches", batches, "--run-id", run_id, NULL};
    execv(rig_self, argv);
    _exit(127);
}

static bool start(struct running *run, const struct rig_case *c, const char *scratch)
{
    int fd[2];
    if (pipe(fd) != 0)
        return false;
    keep_to_self(fd[0], true);
    run->start = rig_now_ns();
    run->pid = fork();
    if (run->pid == 0)
        become_case(c, scratch, fd[1]);
    close(fd[1]);
    run->from = fd[0];
    if (run->pid < 0)
        close(fd[0]);
    else
        rig_keeper_group(run->pid);
    return run->pid > 0;
}

/* Reads what is there. Returns false at the end of the pipe. The amount is bounded: a flood must not hold us here. */
static bool take_output(struct running *run, size_t most)
{
    char data[16384];
    for (size_t taken = 0; taken < most;) {
        ssize_t n = read(run->from, data, sizeof data);
        if (n == 0)
            return false;
        if (n < 0)
            return errno == EAGAIN || errno == EINTR;
        rig_relay_feed(&run->relay, data, (size_t)n);
        taken += (size_t)n;
    }
    return true;
}

static void reap(struct running *run)
{
    if (!run->ended && waitpid(run->pid, &run->status, WNOHANG) == run->pid)
        run->ended = true;
}

static void wait_for_news(struct running *run, bool pipe_open, double seconds_left)
{
    struct pollfd watched[2] = {{.fd = wake[0], .events = POLLIN}, {.fd = run->from, .events = POLLIN}};
    double ms = seconds_left * 1000 + 1;
    poll(watched, pipe_open ? 2 : 1, ms > 1000 ? 1000 : (int)ms);
    char bytes[64];
    while (read(wake[0], bytes, sizeof bytes) > 0) {
    }
}

/* A killed process that does not go away within this time is left behind, and said so. */
static void kill_and_reap(struct running *run)
{
    kill(-run->pid, SIGKILL);
    kill(run->pid, SIGKILL);
    for (int tries = 0; tries < 500 && !run->ended; tries++) {
        reap(run);
        if (!run->ended)
            rig_sleep_ms(10);
    }
}

static void follow(struct running *run)
{
    bool pipe_open = true;
    while (!run->ended && !rig_stop_signal) {
        double left = run->deadline - (double)(rig_now_ns() - run->start) / 1e9;
        if (left <= 0) {
            run->timed_out = true;
            break;
        }
        wait_for_news(run, pipe_open, left);
        if (pipe_open)
            pipe_open = take_output(run, 1 << 20);
        reap(run);
    }
    if (!run->ended)
        kill_and_reap(run);
}

/* The outcome, from what the case said and how its process ended. The worse of the two counts. */
static const char *judge(struct running *run, char *reason, size_t size)
{
    struct rig_relay *said = &run->relay;
    reason[0] = '\0';
    if (run->timed_out) {
        snprintf(reason, size, "not done within %g s%s", run->deadline, run->ended ? "" : ", and SIGKILL did not end it");
        return "timeout";
    }
    if (!run->ended || WIFSIGNALED(run->status)) {
        snprintf(reason, size, "ended by %s%s", run->ended ? rig_signal_name(WTERMSIG(run->status)) : "nothing",
                 said->reported ? " after its report" : "");
        return "crashed";
    }
    if (!said->reported || WEXITSTATUS(run->status) != 0) {
        snprintf(reason, size, "exit %d %s", WEXITSTATUS(run->status), said->reported ? "after its report" : "without a report");
        return "crashed";
    }
    if (said->failed > 0) {
        snprintf(reason, size, "%ld of %ld checks failed", said->failed, said->checks);
        return "fail";
    }
    snprintf(reason, size, "%s", said->reason);
    if (said->outcome[0])
        return said->outcome;
    if (said->checks == 0 || !said->returned) {
        snprintf(reason, size, said->returned ? "it checked nothing" : "it gave up without a failed check");
        return "fail";
    }
    return "pass";
}

static void report_end(const struct rig_case *c, struct running *run, const char *outcome, const char *reason)
{
    RIG_LINE(line, 4096);
    rig_line_begin(&line, "end");
    rig_line_str(&line, "case", c->name);
    rig_line_str(&line, "outcome", outcome);
    rig_line_str(&line, "reason", reason);
    rig_line_int(&line, "checks", run->relay.checks);
    rig_line_double(&line, "ms", (double)(rig_now_ns() - run->start) / 1e6, 3);
    rig_line_str(&line, "via", run->relay.via);
    if (run->ended && WIFSIGNALED(run->status))
        rig_line_str(&line, "signal", rig_signal_name(WTERMSIG(run->status)));
    else if (run->ended)
        rig_line_int(&line, "exit", WEXITSTATUS(run->status));
    rig_line_send(&line);
}

static void count(struct rig_totals *totals, const char *outcome)
{
    totals->cases++;
    long *which = rig_streq(outcome, "pass")          ? &totals->pass
                  : rig_streq(outcome, "unsupported") ? &totals->unsupported
                  : rig_streq(outcome, "skip")        ? &totals->skip
                  : rig_streq(outcome, "crashed")     ? &totals->crashed
                  : rig_streq(outcome, "timeout")     ? &totals->timeout
                                                      : &totals->fail;
    ++*which;
}

/* After the case process: the rest of its group, of its output and of what it owned. */
static void tidy(struct running *run, const struct rig_case *c)
{
    static const double GRACE_MS = 250;
    char names[160];
    /* only a case that ran to its end had the chance to tidy up itself */
    bool normal = run->ended && !run->timed_out && !rig_stop_signal && WIFEXITED(run->status) && run->relay.reported &&
                  run->relay.returned;
    int live = rig_end_group(run->pid, normal ? GRACE_MS * rig_options.scale : 0, names, sizeof names);
    if (live > 0 && normal)
        rig_leak_add("process", "case %s left %s", c->name, names);
    take_output(run, 4 << 20);
    rig_relay_finish(&run->relay);
    rig_remove_owned(run->relay.owned, run->relay.owned_count, c->name, normal);
}

void rig_run_case(const struct rig_case *c, const char *dir, struct rig_totals *totals)
{
    char scratch[1200], reason[480];
    struct running run;
    memset(&run, 0, sizeof run);
    run.deadline = rig_deadline_of(c) * rig_options.scale;
    snprintf(scratch, sizeof scratch, "%s/%s", dir, c->name);
    RIG_LINE(line, 512);
    rig_line_begin(&line, "start");
    rig_line_str(&line, "case", c->name);
    rig_line_send(&line);
    rig_relay_init(&run.relay, c->name);
    mkdir(scratch, 0755);
    if (start(&run, c, scratch)) {
        follow(&run);
        take_output(&run, 4 << 20); /* its report may still be in the pipe */
        tidy(&run, c);
        close(run.from);
        rig_keeper_group(0);
    } else {
        rig_sleep_ms(1);
    }
    const char *outcome = judge(&run, reason, sizeof reason);
    report_end(c, &run, outcome, reason);
    count(totals, outcome);
    rig_relay_free(&run.relay);
    rig_remove_tree(scratch);
}
