/* mutant.h - probes held to account: a probe that no broken system call turns red is a defect.
 *
 * guest-tests/mutants/PROBE.h breaks the answers that PROBE gets. It is included, from the command line, before the
 * first line of each of the probe's own C files; so it includes the headers that declare what it breaks, writes a
 * function beside each call, and then takes the call's name for it:
 *
 *     #include "mutant.h"
 *     static ssize_t mutant_write(int fd, const void *bytes, size_t n)
 *     {
 *         if (MUTANT(write_loses_the_last_byte, "a write of several bytes takes one fewer, and says that it took all") && n > 1)
 *             return write(fd, bytes, n - 1) < 0 ? -1 : (ssize_t)n;
 *         return write(fd, bytes, n);
 *     }
 *     #define write(...) mutant_write(__VA_ARGS__)
 *
 * One executable holds all mutants of a probe; RIG_MUTANT in the environment chooses one, and without it every answer
 * is the system's. The harness is not changed (its gates, joins and events work as ever), but for files of it named by
 *
 *     THROUGH("sys_compat.c", "mach_ports.c")
 *
 * which are compiled with the same header: for calls that a probe makes through the harness. Mutants act in a case's
 * processes only, never in the runner.
 *
 * `rig probes mutants PROBE` runs them. */
#ifndef RIG_MUTANT_H
#define RIG_MUTANT_H

#include "rig.h"

#include <stdio.h>

/* True when this mutant is the chosen one. The words say what is broken: a sentence that a case should contradict.
 * One name stands in one place; a second place that must break along with it asks MUTANT_TOO(name). */
#define MUTANT(name, what) rig_mutant_is(#name)
#define MUTANT_TOO(name) rig_mutant_is(#name)
#ifdef __APPLE__
#define DARWIN_MUTANT(name, what) rig_mutant_is(#name)
#define LINUX_MUTANT(name, what) false
#else
#define DARWIN_MUTANT(name, what) false
#define LINUX_MUTANT(name, what) rig_mutant_is(#name)
#endif
#define THROUGH(...)
/* Before a variable that all files of the probe are to share; a static one is each file's own. */
#define MUTANT_SHARED __attribute__((weak))

/* A call that fails with this errno: `return mutant_fails(EIO);` */
static inline int mutant_fails(int err)
{
    errno = err;
    return -1;
}

/* Whether the bytes at an address can be read: a wrapper must not fault where the call would have answered EFAULT. */
static inline bool mutant_may_read(const void *address)
{
    int fd[2], saved = errno;
    if (pipe(fd) != 0)
        return false;
    bool may = write(fd[1], address, 1) == 1;
    close(fd[0]);
    close(fd[1]);
    errno = saved;
    return may;
}

extern const char *rig_current_case;

/* Says once a process, in the stream, that the mutant was reached: a mutant that no case reaches shows nothing. */
static inline void rig_mutant_reached(const char *name)
{
    char line[256];
    int saved = errno, n = snprintf(line, sizeof line, "{\"t\":\"note\",\"case\":\"%s\",\"text\":\"mutant %s\"}\n", rig_current_case, name);
    ssize_t ignored = write(STDOUT_FILENO, line, (size_t)n);
    (void)ignored;
    errno = saved;
}

static inline bool rig_mutant_is(const char *name)
{
    static const char *chosen;
    static bool asked, told;
    if (!rig_current_case)
        return false;
    if (!asked) {
        chosen = getenv("RIG_MUTANT");
        asked = true;
    }
    if (!chosen || strcmp(chosen, name) != 0)
        return false;
    if (!told) {
        told = true;
        rig_mutant_reached(name);
    }
    return true;
}

#endif
