/* sysv_sem_undo.c - SEM_UNDO: what a process took or gave comes back when it ends, however it ends. */
#include "set.h"

#include <stdio.h>

struct undo_work {
    int id;
    int changes[4]; /* of semaphore 0, each with SEM_UNDO; 0 ends them */
    struct rig_gate done;
    struct rig_gate go_on;
};

static void change_with_undo(const struct undo_work *work)
{
    for (size_t i = 0; i < RIG_COUNT(work->changes) && work->changes[i] != 0; i++)
        CHECK_OK(set_change(work->id, 0, work->changes[i], SEM_UNDO | IPC_NOWAIT));
}

/* Makes its changes, lets the parent look, ends when told. */
static void worker(void *arg)
{
    struct undo_work *work = arg;
    change_with_undo(work);
    rig_gate_pass(&work->done);
    rig_gate_wait(&work->go_on);
}

static pid_t start_worker(struct undo_work *work)
{
    rig_gate_init(&work->done);
    rig_gate_init(&work->go_on);
    pid_t child = rig_spawn(worker, work);
    rig_gate_wait(&work->done);
    return child;
}

static void end_worker(struct undo_work *work, pid_t child)
{
    rig_gate_pass(&work->go_on);
    CHECK_EXITED(child, 0);
}

CASE(undone_at_exit)
{
    struct undo_work work = {.id = set_make(1), .changes = {-2}};
    CHECK_OK(set_put(work.id, 0, 5));
    pid_t child = start_worker(&work);
    CHECK_EQ_INT(set_value(work.id, 0), 3);
    end_worker(&work, child);
    CHECK_EQ_INT(set_value(work.id, 0), 5);
    set_remove(work.id);
}

CASE(undone_at_sigkill)
{
    struct undo_work work = {.id = set_make(1), .changes = {3}};
    pid_t child = start_worker(&work);
    CHECK_EQ_INT(set_value(work.id, 0), 3);
    CHECK_OK(kill(child, SIGKILL));
    CHECK_KILLED_BY(child, SIGKILL);
    CHECK_EQ_INT(set_value(work.id, 0), 0);
    set_remove(work.id);
}

CASE(undo_adds_up)
{
    struct undo_work work = {.id = set_make(1), .changes = {-1, -2, 1}};
    CHECK_OK(set_put(work.id, 0, 10));
    pid_t child = start_worker(&work);
    CHECK_EQ_INT(set_value(work.id, 0), 8);
    CHECK_OK(set_change(work.id, 0, 5, 0)); /* somebody else's, without undo: stays */
    end_worker(&work, child);
    CHECK_EQ_INT(set_value(work.id, 0), 15);
    set_remove(work.id);
}

/* Linux semop(2): as far as possible, to zero; xnu bsd/kern/sysv_sem.c semexit does the same. */
CASE(undo_stops_at_zero)
{
    struct undo_work work = {.id = set_make(1), .changes = {4}};
    pid_t child = start_worker(&work);
    CHECK_OK(set_change(work.id, 0, -3, 0));
    end_worker(&work, child);
    CHECK_EQ_INT(set_value(work.id, 0), 0);
    set_remove(work.id);
}

static void wait_for_one(void *arg) { CHECK_OK(set_change(*(int *)arg, 0, -1, 0)); }

CASE(undo_wakes_a_waiter)
{
    struct undo_work work = {.id = set_make(1), .changes = {-1}};
    CHECK_OK(set_put(work.id, 0, 1));
    pid_t holder = start_worker(&work);
    pid_t waiter = rig_spawn(wait_for_one, &work.id);
    CHECK(rig_wait_blocked(waiter));
    CHECK_OK(kill(holder, SIGKILL));
    CHECK_KILLED_BY(holder, SIGKILL);
    CHECK_EXITED(waiter, 0);
    CHECK_EQ_INT(set_value(work.id, 0), 0);
    set_remove(work.id);
}

CASE(setval_clears_undo)
{
    struct undo_work work = {.id = set_make(1), .changes = {-1}};
    CHECK_OK(set_put(work.id, 0, 5));
    pid_t child = start_worker(&work);
    CHECK_OK(set_put(work.id, 0, 7));
    end_worker(&work, child);
    CHECK_EQ_INT(set_value(work.id, 0), 7);
    set_remove(work.id);
}

CASE(setall_clears_undo)
{
    struct undo_work work = {.id = set_make(2), .changes = {-1}};
    unsigned short values[2] = {9, 9};
    CHECK_OK(set_put(work.id, 0, 5));
    pid_t child = start_worker(&work);
    CHECK_OK(rig_semctl(work.id, 0, SETALL, (long)values));
    end_worker(&work, child);
    CHECK_EQ_INT(set_value(work.id, 0), 9);
    set_remove(work.id);
}

CASE(undo_without_a_set)
{
    struct undo_work work = {.id = set_make(1), .changes = {2}};
    pid_t child = start_worker(&work);
    set_remove(work.id);
    int next = set_make(1); /* may well take the same place */
    end_worker(&work, child);
    CHECK_EQ_INT(set_value(next, 0), 0);
    set_remove(next);
}

static void do_nothing(void *arg) { (void)arg; }

static void fork_after_undo(void *arg)
{
    struct undo_work *work = arg;
    change_with_undo(work);
    CHECK_EXITED(rig_spawn(do_nothing, NULL), 0);
    CHECK_EQ_INT(set_value(work->id, 0), 1); /* the grandchild took nothing back */
}

ROLE(ends_with_undo)
{
    REQUIRE_EQ_INT(argc, 1);
    int id = (int)strtol(argv[0], NULL, 10);
#ifdef __APPLE__
    CHECK_EQ_INT(set_value(id, 0), 5); /* exec undid it */
#else
    CHECK_EQ_INT(set_value(id, 0), 3);
#endif
    CHECK_OK(set_change(id, 0, -1, SEM_UNDO | IPC_NOWAIT));
}

static void exec_with_undo(void *arg)
{
    const int *id = arg;
    char number[16];
    const char *const args[] = {number, NULL};
    snprintf(number, sizeof number, "%d", *id);
    REQUIRE_OK(set_change(*id, 0, -2, SEM_UNDO | IPC_NOWAIT));
    rig_exec_role_here("ends_with_undo", args);
}

/* POSIX keeps the adjustments over exec; xnu's exec ends them as an exit does. */
CASE(undo_and_exec)
{
    int id = set_make(1);
    CHECK_OK(set_put(id, 0, 5));
    CHECK_EXITED(rig_spawn(exec_with_undo, &id), 0);
    CHECK_EQ_INT(set_value(id, 0), 5); /* nothing is left of what either program took */
    set_remove(id);
}

CASE(undo_is_not_inherited)
{
    struct undo_work work = {.id = set_make(1), .changes = {1}};
    CHECK_EXITED(rig_spawn(fork_after_undo, &work), 0);
    CHECK_EQ_INT(set_value(work.id, 0), 0);
    set_remove(work.id);
}

/* SEMUME: xnu keeps ten entries for a process and answers EINVAL to the eleventh (bsd/kern/sysv_sem.c
 * semundo_adjust); Linux keeps one array for each set and has no such limit. */
static void undo_many(void *arg)
{
    enum { MOST = 12 };
    int id = *(int *)arg, count = 0;
    while (count < MOST && set_change(id, count, 1, SEM_UNDO) == 0)
        count++;
#ifdef __APPLE__
    CHECK_EQ_STR(rig_errno_name(errno), "EINVAL");
    CHECK_EQ_INT(count, ipc_limit("", 0, "kern.sysv.semume"));
    CHECK_EQ_INT(set_value(id, count), 0); /* rolled back */
#else
    CHECK_EQ_INT(count, MOST);
#endif
}

CASE(undo_entries)
{
    int id = set_make(12);
    CHECK_EXITED(rig_spawn(undo_many, &id), 0);
    for (int i = 0; i < 12; i++)
        CHECK_EQ_INT(set_value(id, i), 0);
    set_remove(id);
}
