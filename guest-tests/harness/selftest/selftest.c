/* selftest.c - a probe that behaves in every bad way, to prove the harness: test_harness.py runs it. */
#include "sys_compat.h"

#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>

PROBE("selftest", "1");

CASE(passes)
{
    int fd[2];
    REQUIRE_OK(pipe(fd));
    CHECK_ERRNO(write(fd[0], "x", 1), EBADF);
    CHECK_EQ_INT(fd[0], 3); /* nothing beyond 0-2 is inherited */
}

CASE(fails)
{
    CHECK_ERRNO(close(-1), EPERM);
    CHECK_EQ_INT(1 + 1, 3);
    CHECK_EQ_STR("a", "b");
    CHECK_EQ_BYTES("abcdef", "abcxef", 6);
    CHECK_OK(close(-1));
    CHECK(1 > 2);
    CHECK_LT_INT(5, 4);
    CHECK_ERRNO(getpid(), EPERM);
}

CASE(require_ends_it)
{
    REQUIRE_EQ_INT(1, 2);
    FAIL("went on after a failed REQUIRE");
}

CASE(crashes)
{
    CHECK_EQ_INT(41 + 1, 42);
    kill(getpid(), SIGSEGV);
}

CASE(crashes_really)
{
    volatile uintptr_t address = 8;
    volatile int *nowhere = (volatile int *)address;
    *nowhere = 1;
}

CASE(hangs, .deadline = 0.3)
{
    CHECK_EQ_INT(6 * 7, 42);
    for (;;)
        pause();
}

CASE(hangs_ignoring_all, .deadline = 0.3)
{
    for (int sig = 1; sig < 32; sig++)
        signal(sig, SIG_IGN);
    for (;;)
        rig_sleep_ms(1000);
}

CASE(exits_silently) { _exit(3); }

CASE(exits_zero_silently) { _exit(0); }

CASE(stops, .deadline = 0.3)
{
    CHECK(true);
    kill(getpid(), SIGSTOP); /* stopped is as good as hung: the deadline ends it */
}

static void die_late(void) { abort(); }

CASE(crashes_after_its_report)
{
    CHECK(true);
    atexit(die_late);
}

CASE(checks_nothing) {}

CASE(prints_garbage)
{
    printf("hello\n{\"t\":\"check\",\"case\":\"prints_garbage\",\"ok\":false");
    fflush(stdout);
    CHECK(true);
    printf("{\"t\":\"end\",\"case\":\"passes\",\"outcome\":\"fail\"}\n{\"t\":\"goodbye\"}\n\x7f\x80\xff\n{\"t\":\"note\",\"x\":nan}\n");
    fflush(stdout);
    CHECK(true);
}

CASE(prints_a_huge_line)
{
    static char much[65536];
    memset(much, 'x', sizeof much);
    for (int i = 0; i < 40; i++)
        fwrite(much, 1, sizeof much, stdout);
    fflush(stdout);
    CHECK(true);
}

static void wait_long(void *arg)
{
    (void)arg;
    for (;;)
        pause();
}

CASE(leaves_a_child)
{
    rig_spawn(wait_long, NULL); /* it also keeps the pipe to the parent open */
    CHECK(true);
}

CASE(leaves_a_child_and_crashes)
{
    rig_spawn(wait_long, NULL);
    abort();
}

CASE(hangs_with_all_it_has, .deadline = 0.3)
{
    int id = rig_msgget(IPC_PRIVATE, 0600);
    REQUIRE_OK(id);
    rig_own_sysv(RIG_MSG, id);
    int second = rig_msgget(IPC_PRIVATE, 0600);
    rig_own_sysv(RIG_MSG, second);
    CHECK_OK(rig_msgctl(second, IPC_RMID, NULL));
    rig_disown_sysv(RIG_MSG, second);
    CHECK_OK(close(open("file", O_CREAT | O_WRONLY, 0600)));
    rig_spawn(wait_long, NULL);
    FACT("id", id);
    for (;;)
        pause();
}

CASE(leaves_a_message_queue)
{
    int id = rig_msgget(IPC_PRIVATE, 0600);
    REQUIRE_OK(id);
    rig_own_sysv(RIG_MSG, id);
    FACT("id", id);
    CHECK(true);
}

CASE(leaves_a_queue_and_crashes)
{
    int id = rig_msgget(IPC_PRIVATE, 0600);
    REQUIRE_OK(id);
    rig_own_sysv(RIG_MSG, id);
    FACT("id", id);
    abort();
}

CASE(leaves_a_queue_unowned)
{
    int id = rig_msgget(IPC_PRIVATE, 0600);
    REQUIRE_OK(id);
    FACT("id", id);
    CHECK(true);
}

CASE(removes_what_it_owned)
{
    char name[RIG_NAME_SIZE];
    int id = rig_msgget(IPC_PRIVATE, 0600);
    rig_own_sysv(RIG_MSG, id);
    CHECK_OK(rig_msgctl(id, IPC_RMID, NULL));
    rig_own_posix(RIG_POSIX_SHM, rig_unique_name(name));
    CHECK_OK(rig_shm_open(name, O_CREAT | O_EXCL | O_RDWR, 0600));
    CHECK_OK(rig_shm_unlink(name));
    rig_disown_posix(RIG_POSIX_SHM, name);
}

CASE(leaves_a_posix_name)
{
    char name[RIG_NAME_SIZE];
    rig_own_posix(RIG_POSIX_SHM, rig_unique_name(name));
    CHECK_LE_INT(strlen(name), 30);
    CHECK_OK(rig_shm_open(name, O_CREAT | O_EXCL | O_RDWR, 0600));
    FACT_STR("name", name);
}

CASE(leaves_a_posix_name_unowned)
{
    char name[RIG_NAME_SIZE];
    CHECK_OK(rig_shm_open(rig_unique_name(name), O_CREAT | O_EXCL | O_RDWR, 0600));
}

CASE(leaves_files)
{
    CHECK_OK(open("file", O_CREAT | O_WRONLY, 0600));
    CHECK_OK(mkdir("directory", 0700));
    CHECK_OK(open("directory/inside", O_CREAT | O_WRONLY, 0000));
    CHECK_OK(chmod("directory", 0000));
}

CASE(closes_stdout)
{
    CHECK(true);
    close(STDOUT_FILENO);
    CHECK(false);
}

static void fail_in_child(void *arg)
{
    (void)arg;
    CHECK_EQ_INT(1, 2);
}

CASE(child_fails)
{
    pid_t child = rig_spawn(fail_in_child, NULL);
    CHECK_EXITED(child, 0);
}

static void give_up_in_child(void *arg)
{
    (void)arg;
    REQUIRE_EQ_INT(1, 2);
}

CASE(child_gives_up)
{
    pid_t child = rig_spawn(give_up_in_child, NULL);
    CHECK_EXITED(child, 0);
    FAIL("went on after the child gave up");
}

static void unsupported_in_child(void *arg)
{
    (void)arg;
    UNSUPPORTED("said by a child");
}

CASE(child_says_unsupported)
{
    rig_join(rig_spawn(unsupported_in_child, NULL));
    FAIL("went on");
}

static void lose(void *arg) { rig_gate_wait(arg); }

CASE(child_is_killed)
{
    struct rig_gate gate;
    rig_gate_init(&gate);
    pid_t child = rig_spawn(lose, &gate);
    CHECK(rig_wait_blocked(child));
    kill(child, SIGTERM);
    CHECK_KILLED_BY(child, SIGTERM);
    pid_t other = rig_spawn(lose, &gate);
    rig_gate_pass(&gate);
    CHECK_EXITED(other, 0);
}

CASE(gate_is_never_passed)
{
    struct rig_gate gate;
    rig_gate_init(&gate);
    rig_gate_wait(&gate);
    FAIL("went on");
}

ROLE(echo)
{
    CHECK_EQ_INT(argc, 2);
    CHECK_EQ_STR(argv[1], "two words");
    CHECK_ERRNO(fcntl(3, F_GETFD), EBADF);
    exit(argc == 2 ? 5 : 6);
}

CASE(role_runs)
{
    int fd[2];
    REQUIRE_OK(pipe(fd));
    const char *const args[] = {"one", "two words", NULL};
    CHECK_EXITED(rig_exec_role("echo", args, -1), 5);
}

ROLE(heir)
{
    sigset_t pending;
    CHECK_EQ_INT(argc > 1 ? strtol(argv[0], NULL, 10) : -1, getpid());
    CHECK_OK(fcntl((int)strtol(argv[1], NULL, 10), F_GETFD)); /* what was open is open */
    CHECK_OK(sigpending(&pending));
    CHECK(sigismember(&pending, SIGUSR1) == 1);
    exit(7);
}

static void become_heir(void *arg)
{
    char pid[16], number[16];
    sigset_t set;
    const char *const args[] = {pid, number, NULL};
    snprintf(pid, sizeof pid, "%ld", (long)getpid());
    snprintf(number, sizeof number, "%d", *(int *)arg);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    kill(getpid(), SIGUSR1);
    rig_exec_role_here("heir", args);
}

CASE(child_becomes_a_role)
{
    int fd[2];
    REQUIRE_OK(pipe(fd));
    CHECK_EXITED(rig_spawn(become_heir, &fd[0]), 7);
}

CASE(case_becomes_a_role) { rig_exec_role_here("heir", NULL); }

CASE(unsupported) { UNSUPPORTED("no %s here", "such thing"); }

CASE(skipped) { SKIP("not today"); }

CASE(darwin_only, .darwin_only = true, .why = "kqueue is Darwin's") { CHECK(true); }

CASE(starts_clean)
{
    sigset_t mask;
    CHECK_OK(sigprocmask(SIG_SETMASK, NULL, &mask));
    struct sigaction action;
    for (int sig = 1; sig < 32; sig++) {
        CHECK_EQ_INT(sigismember(&mask, sig), 0);
        if (sigaction(sig, NULL, &action) == 0)
            CHECK(action.sa_handler == SIG_DFL);
    }
    CHECK_EQ_INT(umask(0), 022);
    CHECK_EQ_INT(getsid(0), getpid());
    FACT("stack", (intptr_t)&mask);
}

static void count_up(void *context, unsigned long n)
{
    volatile unsigned long *sum = context;
    while (n--)
        *sum += 1;
}

CASE(times)
{
    unsigned long sum = 0;
    rig_time("count", 0, count_up, &sum);
    rig_time_rate("copy", 8, count_up, &sum);
    CHECK_GT_INT(sum, 0);
}

/* Slow while it is calibrated, quick ever after: as when the partner of a timing just starts. */
static void slow_at_first(void *context, unsigned long n)
{
    int *calls = context;
    unsigned long sum = 0;
    if (++*calls <= 6)
        rig_sleep_ms(5);
    count_up(&sum, n);
}

CASE(times_past_a_hiccup)
{
    int calls = 0;
    rig_time("count", 0, slow_at_first, &calls);
    CHECK_GT_INT(calls, 6 + rig_batches());
}

CASE(spells_names)
{
    CHECK_EQ_STR(rig_errno_name(EAGAIN), "EAGAIN");
    CHECK_EQ_STR(rig_errno_name(0), "0");
    CHECK_EQ_STR(rig_errno_name(9999), "errno 9999");
    CHECK_EQ_STR(rig_signal_name(SIGKILL), "SIGKILL");
    CHECK_EQ_STR(rig_status_name(3 << 8), "exit 3");
    NOTE("quote \" backslash \\ tab \t e-acute \xc3\xa9");
}

CASE(via_the_farthest)
{
    rig_via("libsystem");
    rig_via("mach");
    rig_via("syscall");
    CHECK(true);
}

CASE(via_syscall)
{
    rig_via("syscall");
    CHECK_EQ_INT(1, 1);
}
