/* clock.c - the monotonic clock of timings: the rawest the system has. */
#include "internal.h"

#include <time.h>

#ifdef __APPLE__

#include <mach/mach_time.h>

static mach_timebase_info_data_t timebase(void)
{
    static mach_timebase_info_data_t info;
    if (info.denom == 0)
        mach_timebase_info(&info);
    return info;
}

uint64_t rig_now_ns(void)
{
    mach_timebase_info_data_t base = timebase();
    uint64_t ticks = mach_absolute_time();
    if (base.numer == base.denom)
        return ticks;
    /* in two parts: ticks * numer may not fit 64 bits */
    return ticks / base.denom * base.numer + ticks % base.denom * base.numer / base.denom;
}

const char *rig_clock_name(void) { return "mach_absolute_time"; }

double rig_clock_tick_ns(void) { return (double)timebase().numer / (double)timebase().denom; }

#else

/* Raw: no clock discipline bends it in the middle of a batch. */
uint64_t rig_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_RAW, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

const char *rig_clock_name(void) { return "clock_gettime(CLOCK_MONOTONIC_RAW)"; }

double rig_clock_tick_ns(void)
{
    struct timespec step;
    clock_getres(CLOCK_MONOTONIC_RAW, &step);
    return (double)step.tv_sec * 1e9 + (double)step.tv_nsec;
}

#endif

/* The cost of one reading: the least of several batches, since anything else only adds. */
double rig_clock_cost_ns(void)
{
    enum { BATCHES = 9, READINGS = 200 };
    static double least;
    if (least > 0)
        return least;
    for (int batch = 0; batch < BATCHES; batch++) {
        uint64_t start = rig_now_ns();
        for (int i = 0; i < READINGS; i++)
            rig_now_ns();
        double cost = (double)(rig_now_ns() - start) / (READINGS + 1);
        if (batch == 0 || cost < least)
            least = cost;
    }
    if (least < 1)
        least = 1; /* a clock coarser than its own cost */
    return least;
}

void rig_sleep_ms(double ms)
{
    uint64_t end = rig_now_ns() + (uint64_t)(ms * 1e6);
    for (;;) {
        uint64_t now = rig_now_ns();
        if (now >= end)
            return;
        struct timespec rest = {.tv_sec = (time_t)((end - now) / 1000000000u),
                                .tv_nsec = (long)((end - now) % 1000000000u)};
        nanosleep(&rest, NULL);
    }
}

double rig_scale(void) { return rig_options.scale; }

double rig_patience(double seconds) { return seconds * rig_options.scale; }
