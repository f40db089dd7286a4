/* posix_sem_share.c - named semaphores between processes: waiting, signals, rights, races, and times. */
#include "named.h"

#include <sys/stat.h>

#ifndef __APPLE__
#include <time.h>
#endif

static void wait_once(void *arg) { CHECK_OK(rig_sem_wait(arg)); }

CASE(post_wakes_a_child)
{
    char name[RIG_NAME_SIZE];
    sem_t *sem = named_make(name, 0);
    pid_t child = rig_spawn(wait_once, sem);
    CHECK(rig_wait_blocked(child));
    CHECK_OK(rig_sem_post(sem));
    CHECK_EXITED(child, 0);
    CHECK_ERRNO(rig_sem_trywait(sem), EAGAIN);
    named_close(sem);
    named_unlink(name);
}

CASE(each_post_wakes_one)
{
    enum { WAITERS = 3 };
    char name[RIG_NAME_SIZE];
    sem_t *sem = named_make(name, 0);
    pid_t children[WAITERS];
    for (int i = 0; i < WAITERS; i++)
        children[i] = rig_spawn(wait_once, sem);
    for (int i = 0; i < WAITERS; i++)
        CHECK(rig_wait_blocked(children[i]));
    for (int posted = 1; posted <= WAITERS; posted++) {
        CHECK_OK(rig_sem_post(sem));
        int ended = 0, status;
        for (int tries = 0; tries < 2000 && ended == 0; tries++) {
            for (int i = 0; i < WAITERS; i++)
                if (children[i] != 0 && waitpid(children[i], &status, WNOHANG) == children[i]) {
                    CHECK_EQ_INT(status, 0);
                    children[i] = 0;
                    ended++;
                }
            if (ended == 0)
                rig_sleep_ms(1);
        }
        CHECK_EQ_INT(ended, 1);
    }
    CHECK_ERRNO(rig_sem_trywait(sem), EAGAIN);
    named_close(sem);
    named_unlink(name);
}

static void post_many(void *arg)
{
    for (int i = 0; i < 250; i++)
        CHECK_OK(rig_sem_post(arg));
}

CASE(posts_of_many_are_all_counted)
{
    enum { POSTERS = 4 };
    char name[RIG_NAME_SIZE];
    sem_t *sem = named_make(name, 0);
    pid_t children[POSTERS];
    for (int i = 0; i < POSTERS; i++)
        children[i] = rig_spawn(post_many, sem);
    for (int i = 0; i < POSTERS; i++)
        CHECK_EXITED(children[i], 0);
    CHECK_EQ_INT(named_drain(sem), POSTERS * 250);
    named_close(sem);
    named_unlink(name);
}

static int wait_blocking(void *context) { return rig_sem_wait(context); }

CASE(signal_ends_a_wait)
{
    char name[RIG_NAME_SIZE];
    sem_t *sem = named_make(name, 0);
    ipc_check_interrupted(wait_blocking, sem, 0);
    CHECK_ERRNO(rig_sem_trywait(sem), EAGAIN);
    named_close(sem);
    named_unlink(name);
}

#ifndef __APPLE__
static void wait_through_a_signal(void *arg)
{
    rig_catch(SIGUSR1, SA_RESTART);
    CHECK_OK(rig_sem_wait(arg));
    CHECK_EQ_INT(rig_caught(SIGUSR1), 1);
}
#endif

/* Linux signal(7): sem_wait is restarted with SA_RESTART. xnu answers EINTR whatever the flags
 * (bsd/kern/posix_sem.c sem_wait_nocancel, KERN_ABORTED). */
CASE(signal_with_restart)
{
    char name[RIG_NAME_SIZE];
    sem_t *sem = named_make(name, 0);
#ifdef __APPLE__
    ipc_check_interrupted(wait_blocking, sem, SA_RESTART);
#else
    pid_t child = rig_spawn(wait_through_a_signal, sem);
    CHECK(rig_wait_blocked(child));
    CHECK_OK(kill(child, SIGUSR1));
    CHECK(rig_wait_blocked(child));
    CHECK_OK(rig_sem_post(sem));
    CHECK_EXITED(child, 0);
#endif
    named_close(sem);
    named_unlink(name);
}

ROLE(partner)
{
    REQUIRE_EQ_INT(argc, 2);
    sem_t *asked = named_open(argv[0]), *answered = named_open(argv[1]);
    CHECK_OK(rig_sem_wait(asked));
    CHECK_OK(rig_sem_post(answered));
    named_close(asked);
    named_close(answered);
}

CASE(unrelated_process_finds_it_by_name)
{
    char asked_name[RIG_NAME_SIZE], answered_name[RIG_NAME_SIZE];
    sem_t *asked = named_make(asked_name, 0), *answered = named_make(answered_name, 0);
    const char *const args[] = {asked_name, answered_name, NULL};
    pid_t other = rig_exec_role("partner", args, -1);
    CHECK_OK(rig_sem_post(asked));
    CHECK_EXITED(other, 0);
    CHECK_OK(rig_sem_trywait(answered));
    named_close(asked);
    named_close(answered);
    named_unlink(asked_name);
    named_unlink(answered_name);
}

CASE(dead_holder_posts_nothing)
{
    char name[RIG_NAME_SIZE];
    sem_t *sem = named_make(name, 1);
    pid_t child = rig_spawn(wait_once, sem); /* takes it and dies with it */
    CHECK_EXITED(child, 0);
    CHECK_ERRNO(rig_sem_trywait(sem), EAGAIN);
    named_close(sem);
    named_unlink(name);
}

static void may_not_open(void *arg)
{
    ipc_become_other_user();
    CHECK_ERRNO_WHEN(rig_sem_open(arg, 0, 0, 0) == SEM_FAILED, EACCES);
    CHECK_ERRNO_WHEN(rig_sem_open(arg, O_CREAT, 0600, 0) == SEM_FAILED, EACCES);
}

static void may_open(void *arg)
{
    ipc_become_other_user();
    sem_t *sem = named_open(arg);
    CHECK_OK(rig_sem_trywait(sem));
    named_close(sem);
}

CASE(other_users_need_rights)
{
    ipc_need_other_user();
    char name[RIG_NAME_SIZE];
    sem_t *sem = named_make(name, 1);
    CHECK_EXITED(rig_spawn(may_not_open, name), 0);
    named_close(sem);
    named_unlink(name);
}

/* POSIX: the mode is cut by the umask. xnu keeps it whole (bsd/kern/posix_sem.c sem_open, "cmode &= ALLPERMS"). */
CASE(umask_cuts_the_mode)
{
    ipc_need_other_user();
    char name[RIG_NAME_SIZE];
    rig_own_posix(RIG_POSIX_SEM, rig_unique_name(name));
    umask(077);
    sem_t *sem = rig_sem_open(name, O_CREAT | O_EXCL, 0666, 1);
    umask(022);
    RIG_REQUIRE(CHECK(sem != SEM_FAILED));
#ifdef __APPLE__
    NOTE("POSIX wants the umask applied; this kernel does not look at it");
    CHECK_EXITED(rig_spawn(may_open, name), 0);
#else
    CHECK_EXITED(rig_spawn(may_not_open, name), 0);
    (void)may_open;
#endif
    named_close(sem);
    named_unlink(name);
}

/* xnu takes the semaphore's own mode for the rights asked for, and reads it as open flags: 0600 asks for none
 * (bsd/kern/posix_sem.c sem_unlink, psem_access(pinfo, pinfo->psem_mode)). POSIX wants EACCES. */
static void unlink_as_stranger(void *arg)
{
    ipc_become_other_user();
#ifdef __APPLE__
    NOTE("POSIX wants EACCES; this kernel lets a stranger unlink");
    CHECK_OK(rig_sem_unlink(arg));
#else
    CHECK_EQ_INT(rig_sem_unlink(arg), -1);
    const char *error = rig_errno_name(errno);
    CHECK(rig_streq(error, "EACCES") || rig_streq(error, "EPERM")); /* EPERM: musl passes on what /dev/shm says */
#endif
}

CASE(unlink_by_a_stranger)
{
    ipc_need_other_user();
    char name[RIG_NAME_SIZE];
    sem_t *sem = named_make(name, 1);
    CHECK_EXITED(rig_spawn(unlink_as_stranger, name), 0);
    named_close(sem);
#ifdef __APPLE__
    CHECK_ERRNO(rig_sem_unlink(name), ipc_darwin_major() < 19 ? EINVAL : ENOENT);
    rig_disown_posix(RIG_POSIX_SEM, name);
#else
    named_unlink(name);
#endif
}

struct race {
    const char *name;
    struct rig_gate start;
};

/* Exit code 1 for the one that made it. */
static void try_to_make(void *arg)
{
    struct race *race = arg;
    rig_gate_wait(&race->start);
    sem_t *sem = rig_sem_open(race->name, O_CREAT | O_EXCL, 0600, 0);
    if (sem != SEM_FAILED)
        exit(1);
    CHECK_EQ_STR(rig_errno_name(errno), "EEXIST");
}

CASE(exclusive_creation_has_one_winner)
{
    enum { RUNNERS = 6, ROUNDS = 5 };
    for (int round = 0; round < ROUNDS; round++) {
        char name[RIG_NAME_SIZE];
        struct race race = {.name = rig_unique_name(name)};
        pid_t runners[RUNNERS];
        rig_own_posix(RIG_POSIX_SEM, name);
        rig_gate_init(&race.start);
        for (int i = 0; i < RUNNERS; i++)
            runners[i] = rig_spawn(try_to_make, &race);
        for (int i = 0; i < RUNNERS; i++)
            rig_gate_pass(&race.start);
        int winners = 0;
        for (int i = 0; i < RUNNERS; i++) {
            int status = rig_join(runners[i]);
            winners += WIFEXITED(status) && WEXITSTATUS(status) == 1;
        }
        CHECK_EQ_INT(winners, 1);
        named_unlink(name);
        rig_gate_close(&race.start);
    }
}

CASE(timed_wait, .linux_only = true, .why = "Darwin has no sem_timedwait")
{
#ifndef __APPLE__
    char name[RIG_NAME_SIZE];
    sem_t *sem = named_make(name, 0);
    struct timespec until;
    uint64_t start = rig_now_ns();
    REQUIRE_OK(clock_gettime(CLOCK_REALTIME, &until));
    until.tv_nsec += 20000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    CHECK_ERRNO(sem_timedwait(sem, &until), ETIMEDOUT);
    CHECK_GE_INT(rig_now_ns() - start, 15000000);
    CHECK_OK(rig_sem_post(sem));
    CHECK_OK(sem_timedwait(sem, &until)); /* no wait needed, so the past will do */
    named_close(sem);
    named_unlink(name);
#endif
}

struct pair {
    sem_t *there, *back;
};

static void answer(void *arg)
{
    const struct pair *pair = arg;
    while (rig_sem_wait(pair->there) == 0 && rig_sem_post(pair->back) == 0)
        continue;
}

static void ping_pong(void *context, unsigned long n)
{
    const struct pair *pair = context;
    for (unsigned long i = 0; i < n; i++)
        if (rig_sem_post(pair->there) != 0 || rig_sem_wait(pair->back) != 0) {
            FAIL("a round trip");
            return;
        }
}

CASE(time_ping_pong, .deadline = 30)
{
    char there_name[RIG_NAME_SIZE], back_name[RIG_NAME_SIZE];
    struct pair pair = {named_make(there_name, 0), named_make(back_name, 0)};
    pid_t child = rig_spawn(answer, &pair);
    ping_pong(&pair, 16); /* the child is up and running: its start is not to be measured */
    rig_time("ping_pong", 0, ping_pong, &pair);
    rig_kill(child);
    CHECK_ERRNO(rig_sem_trywait(pair.back), EAGAIN);
    named_unlink(there_name);
    named_unlink(back_name);
}

static void post_and_take(void *context, unsigned long n)
{
    for (unsigned long i = 0; i < n; i++)
        if (rig_sem_post(context) != 0 || rig_sem_trywait(context) != 0) {
            FAIL("posting and taking");
            return;
        }
}

CASE(time_post_and_take, .deadline = 30)
{
    char name[RIG_NAME_SIZE];
    sem_t *sem = named_make(name, 0);
    rig_time("post_and_take", 0, post_and_take, sem);
    CHECK_ERRNO(rig_sem_trywait(sem), EAGAIN);
    named_unlink(name);
}
