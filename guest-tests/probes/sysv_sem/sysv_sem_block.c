/* sysv_sem_block.c - waiting in semop: for a value, for zero, for several; removal and signals. */
#include "set.h"

struct wish {
    int id, number, by;
};

static void make_change(void *arg)
{
    const struct wish *wish = arg;
    CHECK_OK(set_change(wish->id, wish->number, wish->by, 0));
}

CASE(down_waits_for_up)
{
    struct wish wish = {set_make(1), 0, -2};
    pid_t child = rig_spawn(make_change, &wish);
    CHECK(rig_wait_blocked(child));
    CHECK_EQ_INT(set_ask(wish.id, 0, GETNCNT), 1);
    CHECK_EQ_INT(set_ask(wish.id, 0, GETZCNT), 0);
    CHECK_OK(set_change(wish.id, 0, 1, 0)); /* not enough */
    CHECK(rig_wait_blocked(child));
    CHECK_EQ_INT(set_value(wish.id, 0), 1);
    CHECK_OK(set_change(wish.id, 0, 2, 0));
    CHECK_EXITED(child, 0);
    CHECK_EQ_INT(set_value(wish.id, 0), 1);
    CHECK_EQ_INT(set_ask(wish.id, 0, GETNCNT), 0);
    set_remove(wish.id);
}

CASE(wait_for_zero)
{
    struct wish wish = {set_make(1), 0, 0};
    CHECK_OK(set_put(wish.id, 0, 2));
    pid_t child = rig_spawn(make_change, &wish);
    CHECK(rig_wait_blocked(child));
    CHECK_EQ_INT(set_ask(wish.id, 0, GETZCNT), 1);
    CHECK_EQ_INT(set_ask(wish.id, 0, GETNCNT), 0);
    CHECK_OK(set_change(wish.id, 0, -1, 0));
    CHECK(rig_wait_blocked(child));
    CHECK_OK(set_change(wish.id, 0, -1, 0));
    CHECK_EXITED(child, 0);
    CHECK_EQ_INT(set_ask(wish.id, 0, GETZCNT), 0);
    set_remove(wish.id);
}

CASE(setval_wakes_a_waiter)
{
    struct wish wish = {set_make(1), 0, -1};
    pid_t child = rig_spawn(make_change, &wish);
    CHECK(rig_wait_blocked(child));
    CHECK_OK(set_put(wish.id, 0, 1));
    CHECK_EXITED(child, 0);
    CHECK_EQ_INT(set_value(wish.id, 0), 0);
    set_remove(wish.id);
}

static void take_both(void *arg)
{
    struct sembuf both[] = {{0, -1, 0}, {1, -1, 0}};
    CHECK_OK(rig_semop(*(int *)arg, both, RIG_COUNT(both)));
}

CASE(waiting_for_two_takes_neither)
{
    int id = set_make(2);
    CHECK_OK(set_put(id, 0, 1));
    pid_t child = rig_spawn(take_both, &id);
    CHECK(rig_wait_blocked(child));
    CHECK_EQ_INT(set_value(id, 0), 1);
    CHECK_OK(set_change(id, 0, -1, IPC_NOWAIT)); /* still to be had by others */
    CHECK_OK(set_change(id, 1, 1, 0));
    CHECK(rig_wait_blocked(child));
    CHECK_EQ_INT(set_value(id, 1), 1);
    CHECK_OK(set_change(id, 0, 1, 0));
    CHECK_EXITED(child, 0);
    CHECK_EQ_INT(set_value(id, 0), 0);
    CHECK_EQ_INT(set_value(id, 1), 0);
    set_remove(id);
}

CASE(every_waiter_is_served)
{
    enum { WAITERS = 4 };
    struct wish wish = {set_make(1), 0, -1};
    pid_t children[WAITERS];
    for (int i = 0; i < WAITERS; i++)
        children[i] = rig_spawn(make_change, &wish);
    for (int i = 0; i < WAITERS; i++)
        CHECK(rig_wait_blocked(children[i]));
    CHECK_EQ_INT(set_ask(wish.id, 0, GETNCNT), WAITERS);
    CHECK_OK(set_change(wish.id, 0, WAITERS, 0));
    for (int i = 0; i < WAITERS; i++)
        CHECK_EXITED(children[i], 0);
    CHECK_EQ_INT(set_value(wish.id, 0), 0);
    set_remove(wish.id);
}

static void wait_until_removed(void *arg)
{
    const struct wish *wish = arg;
    CHECK_ERRNO(set_change(wish->id, wish->number, wish->by, 0), EIDRM);
}

CASE(removal_wakes_the_waiters)
{
    struct wish down = {set_make(2), 0, -1}, zero = {down.id, 1, 0};
    CHECK_OK(set_put(down.id, 1, 1));
    pid_t one = rig_spawn(wait_until_removed, &down), two = rig_spawn(wait_until_removed, &zero);
    CHECK(rig_wait_blocked(one));
    CHECK(rig_wait_blocked(two));
    set_remove(down.id);
    CHECK_EXITED(one, 0);
    CHECK_EXITED(two, 0);
}

/* Linux signal(7) lists semop as never restarted; xnu turns whatever msleep gives into EINTR. */
static int wait_blocking(void *context)
{
    const struct wish *wish = context;
    return set_change(wish->id, wish->number, wish->by, 0);
}

CASE(signal_ends_a_wait)
{
    struct wish down = {set_make(2), 0, -1}, zero = {down.id, 1, 0};
    CHECK_OK(set_put(down.id, 1, 1));
    ipc_check_interrupted(wait_blocking, &down, 0);
    ipc_check_interrupted(wait_blocking, &down, SA_RESTART);
    ipc_check_interrupted(wait_blocking, &zero, SA_RESTART);
    CHECK_EQ_INT(set_ask(down.id, 0, GETNCNT), 0);
    CHECK_EQ_INT(set_ask(down.id, 1, GETZCNT), 0);
    set_remove(down.id);
}

CASE(killed_waiter_is_forgotten)
{
    struct wish wish = {set_make(1), 0, -1};
    pid_t child = rig_spawn(make_change, &wish);
    CHECK(rig_wait_blocked(child));
    rig_kill(child);
    CHECK_EQ_INT(set_ask(wish.id, 0, GETNCNT), 0);
    CHECK_OK(set_change(wish.id, 0, 1, 0));
    CHECK_EQ_INT(set_value(wish.id, 0), 1);
    set_remove(wish.id);
}

ROLE(opener)
{
    REQUIRE_EQ_INT(argc, 1);
    int id = rig_semget((key_t)strtol(argv[0], NULL, 10), 0, 0);
    REQUIRE_OK(id);
    CHECK_OK(set_change(id, 0, -1, 0));
    CHECK_OK(set_change(id, 1, 1, 0));
}

CASE(unrelated_process_finds_it_by_key)
{
    char key_text[24];
    key_t key = ipc_key(1);
    snprintf(key_text, sizeof key_text, "%ld", (long)key);
    int id = rig_semget(key, 2, IPC_CREAT | IPC_EXCL | 0600);
    REQUIRE_OK(id);
    rig_own_sysv(RIG_SEM, id);
    const char *const args[] = {key_text, NULL};
    pid_t other = rig_exec_role("opener", args, -1);
    CHECK_OK(set_change(id, 0, 1, 0));
    CHECK_EXITED(other, 0);
    CHECK_EQ_INT(set_value(id, 1), 1);
    set_remove(id);
}
