/* context_switch.c - what it costs to go from one process or thread to another: a token goes round a ring of them, each
 * waiting for it in the kernel. The token's own cost is told beside it, passed through the same pipes by one process. */
#include "bytes.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>

PROBE("context_switch", "1");

enum { MOST = 16 };

/* Member i reads from pipe[i] and writes to pipe[(i + 1) % size]; member 0 is the case itself. */
struct ring {
    int size, member;
    int pipe[MOST][2];
};

static void ring_init(struct ring *ring, int size)
{
    ring->size = size;
    for (int i = 0; i < size; i++)
        REQUIRE_OK(pipe(ring->pipe[i]));
}

static int input(const struct ring *ring, int member) { return ring->pipe[member][0]; }

static int output(const struct ring *ring, int member) { return ring->pipe[(member + 1) % ring->size][1]; }

/* Closes all descriptors that this member does not use, so that a ring which loses a member ends. */
static void keep_own_ends(struct ring *ring, int member)
{
    for (int i = 0; i < ring->size; i++) {
        if (ring->pipe[i][0] != input(ring, member))
            close(ring->pipe[i][0]);
        if (ring->pipe[i][1] != output(ring, member))
            close(ring->pipe[i][1]);
    }
}

/* Passes on what comes, until the end. */
static void take_part(void *arg)
{
    struct ring *ring = arg;
    int member = ring->member;
    char token;
    keep_own_ends(ring, member);
    while (read(input(ring, member), &token, 1) == 1)
        if (write(output(ring, member), &token, 1) != 1)
            return;
}

static void start_members(struct ring *ring, pid_t *children)
{
    for (int i = 1; i < ring->size; i++) {
        ring->member = i;
        children[i] = rig_spawn(take_part, ring);
    }
    keep_own_ends(ring, 0);
}

/* The end of file goes round, too. */
static void end_members(struct ring *ring, pid_t *children)
{
    CHECK_OK(close(output(ring, 0)));
    for (int i = 1; i < ring->size; i++)
        CHECK_EXITED(children[i], 0);
    CHECK_OK(close(input(ring, 0)));
}

/* One operation is a whole turn: as many hops, each a write, a switch and a read, as the ring has members. */
static void turn(void *context, unsigned long n)
{
    struct ring *ring = context;
    char token = 't';
    while (n-- > 0)
        REQUIRE_QUIET(write(output(ring, 0), &token, 1) == 1 && read(input(ring, 0), &token, 1) == 1);
}

/* A role for each member would share nothing at all; forked members share pages until they write, as lat_ctx's do. */
static void time_ring(int size)
{
    char name[32];
    struct ring ring;
    pid_t children[MOST] = {0};
    ring_init(&ring, size);
    start_members(&ring, children);
    snprintf(name, sizeof name, "turn_of_%d", size);
    rig_time(name, 0, turn, &ring);
    end_members(&ring, children);
}

CASE(each_member_has_its_turn)
{
    struct ring ring;
    pid_t children[MOST] = {0};
    char token = 1, back = 0;
    ring_init(&ring, 5);
    start_members(&ring, children);
    for (int turn = 0; turn < 20; turn++, token++) {
        REQUIRE(write(output(&ring, 0), &token, 1) == 1);
        REQUIRE(rig_wait_readable(input(&ring, 0)));
        REQUIRE(read(input(&ring, 0), &back, 1) == 1);
        CHECK_EQ_INT(back, token);
    }
    end_members(&ring, children);
}

CASE(processors)
{
    FACT("processors", sysconf(_SC_NPROCESSORS_ONLN));
    CHECK_GE_INT(sysconf(_SC_NPROCESSORS_ONLN), 1);
}

CASE(time_two_processes, .deadline = 60) { time_ring(2); }

CASE(time_eight_processes, .deadline = 60) { time_ring(8); }

CASE(time_sixteen_processes, .deadline = 60) { time_ring(16); }

static void pass_to_oneself(void *context, unsigned long n)
{
    const int *fd = context;
    char token = 't';
    while (n-- > 0)
        REQUIRE_QUIET(write(fd[1], &token, 1) == 1 && read(fd[0], &token, 1) == 1);
}

CASE(time_token_alone, .deadline = 60)
{
    int fd[2];
    REQUIRE_OK(pipe(fd));
    rig_time("token", 0, pass_to_oneself, fd);
}

static void *echo_thread(void *arg)
{
    struct ring *ring = arg;
    char token;
    while (read(input(ring, 1), &token, 1) == 1 && write(output(ring, 1), &token, 1) == 1) {
    }
    close(output(ring, 1));
    return NULL;
}

CASE(time_two_threads_by_pipes, .deadline = 60)
{
    struct ring ring;
    pthread_t thread;
    ring_init(&ring, 2);
    REQUIRE(pthread_create(&thread, NULL, echo_thread, &ring) == 0);
    rig_time("turn_of_2", 0, turn, &ring);
    CHECK_OK(close(output(&ring, 0)));
    CHECK_ERROR_IS(pthread_join(thread, NULL), 0);
}

/* Two threads take turns under one mutex, each waiting on a condition for the other's word. */
struct turns {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    int whose; /* 0 the case, 1 the thread, 2 over */
};

static void *take_turns(void *arg)
{
    struct turns *turns = arg;
    pthread_mutex_lock(&turns->mutex);
    while (turns->whose != 2) {
        if (turns->whose == 1) {
            turns->whose = 0;
            pthread_cond_signal(&turns->changed);
        } else {
            pthread_cond_wait(&turns->changed, &turns->mutex);
        }
    }
    pthread_mutex_unlock(&turns->mutex);
    return NULL;
}

static void give_turns(void *context, unsigned long n)
{
    struct turns *turns = context;
    pthread_mutex_lock(&turns->mutex);
    while (n-- > 0) {
        turns->whose = 1;
        pthread_cond_signal(&turns->changed);
        while (turns->whose != 0)
            pthread_cond_wait(&turns->changed, &turns->mutex);
    }
    pthread_mutex_unlock(&turns->mutex);
}

CASE(time_two_threads_by_condition, .deadline = 60)
{
    struct turns turns = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0};
    pthread_t thread;
    REQUIRE(pthread_create(&thread, NULL, take_turns, &turns) == 0);
    rig_time("turn_of_2", 0, give_turns, &turns);
    pthread_mutex_lock(&turns.mutex);
    turns.whose = 2;
    pthread_cond_signal(&turns.changed);
    pthread_mutex_unlock(&turns.mutex);
    CHECK_ERROR_IS(pthread_join(thread, NULL), 0);
}

static void yield_for_ever(void *arg)
{
    (void)arg;
    for (pid_t parent = getppid(); getppid() == parent;)
        sched_yield();
}

static void yield(void *context, unsigned long n)
{
    (void)context;
    while (n-- > 0)
        sched_yield();
}

/* With one processor each yield lets the other process run; with more it is the cost of the call. */
CASE(time_yield, .deadline = 60)
{
    pid_t child = rig_spawn(yield_for_ever, NULL);
    rig_time("yield", 0, yield, NULL);
    rig_kill(child);
    CHECK_GE_INT(rig_batches(), 30);
}
