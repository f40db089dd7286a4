/* slowed.c - one operation, and the same with a known share of work more: what a comparison of runs must find.
 *
 * The operation is many equal steps, so "1 % slower" means 1 % more steps on every clock. A step is a byte into a pipe
 * and out again; an operation is far shorter than the time between two interrupts of the kernel's timer, so that most
 * batches have none in them. */
#include "rig.h"

PROBE("slowed", "1");

enum { STEPS = 200 };

struct work {
    int fd[2];
    int steps;
};

static void work(void *context, unsigned long n)
{
    const struct work *w = context;
    char byte = 'x';
    while (n-- > 0)
        for (int i = 0; i < w->steps; i++)
            REQUIRE_QUIET(write(w->fd[1], &byte, 1) == 1 && read(w->fd[0], &byte, 1) == 1);
}

static void time_with(int permille_more)
{
    struct work w = {.steps = STEPS + STEPS * permille_more / 1000};
    REQUIRE_OK(pipe(w.fd));
    rig_time("work", 0, work, &w);
    CHECK_OK(close(w.fd[0]));
}

CASE(extra_0, .deadline = 60) { time_with(0); }
CASE(extra_5, .deadline = 60) { time_with(5); }
CASE(extra_10, .deadline = 60) { time_with(10); }
CASE(extra_20, .deadline = 60) { time_with(20); }
CASE(extra_50, .deadline = 60) { time_with(50); }
