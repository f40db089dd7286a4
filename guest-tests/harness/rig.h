/* rig.h - the public face of the probe harness.
 *
 * A probe is one program: PROBE("pipe", "1") in one of its files, any number of
 *
 *     CASE(eof_after_last_writer)
 *     {
 *         int fd[2];
 *         REQUIRE_OK(pipe(fd));
 *         CHECK_ERRNO(write(fd[0], "x", 1), EBADF);
 *     }
 *
 * and the harness's own main(). Each case runs in a process of its own (fork, then exec of the probe itself with
 * --case NAME), in an empty scratch directory that is its current directory, with default signal dispositions, an
 * empty mask, umask 022, descriptors 0-2 only, and as leader of its own session. So a case may crash, hang, fill its
 * descriptor table or change its limits: it costs that case alone, and it need not tidy what dies with the process.
 * What outlives a process (System V objects, POSIX names, files elsewhere, children) it must remove, or own (below).
 *
 * Events go to stdout as JSON Lines; nothing is ever written to stderr. */
#ifndef RIG_H
#define RIG_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* include this header first */
#endif

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "darwin_weak.h" /* RIG_HAVE(function), rig_syscall() */

#define RIG_PRINTF(format_at, first_at) __attribute__((format(printf, format_at, first_at)))

/* ---- Declaring ---------------------------------------------------------------------------------------------- */

extern const char *const rig_probe_name;
extern const char *const rig_probe_version;
#define PROBE(name, version)                    \
    const char *const rig_probe_name = name;    \
    const char *const rig_probe_version = version

struct rig_case {
    const char *name;
    void (*run)(void);
    const char *file;
    int line;
    double deadline;  /* seconds, before --scale; 0 means the default of 10 */
    bool needs_root;  /* skipped with a reason when the user is not root */
    bool linux_only;  /* ends "unsupported" on Darwin */
    bool darwin_only; /* ends "unsupported" on Linux */
    const char *why;  /* the reason given with linux_only or darwin_only */
    struct rig_case *next;
};
void rig_add_case(struct rig_case *c);

/* CASE(name) or CASE(name, .deadline = 30, .needs_root = true). Cases run in source order, files in link order.
 * Several files of one probe share one space of names. */
#define CASE(case_name, ...)                                                                     \
    static void case_##case_name(void);                                                          \
    static struct rig_case rig_case_##case_name = {.name = #case_name,                           \
                                                   .run = case_##case_name,                      \
                                                   .file = __FILE__,                             \
                                                   .line = __LINE__,                             \
                                                   __VA_ARGS__};                                 \
    __attribute__((constructor)) static void rig_add_##case_name(void) { rig_add_case(&rig_case_##case_name); } \
    static void case_##case_name(void)

/* ROLE(name): a helper program inside the probe, for processes that are not related by fork: see rig_exec_role().
 * In its body argc and argv are the arguments given there (argv[0] is the first of them). It may CHECK. */
struct rig_role {
    const char *name;
    void (*run)(int argc, char **argv);
    struct rig_role *next;
};
void rig_add_role(struct rig_role *r);
#define ROLE(role_name)                                                                          \
    static void role_##role_name(int argc, char **argv);                                         \
    static struct rig_role rig_role_##role_name = {.name = #role_name, .run = role_##role_name}; \
    __attribute__((constructor)) static void rig_add_role_##role_name(void) { rig_add_role(&rig_role_##role_name); } \
    static void role_##role_name(int argc __attribute__((unused)), char **argv __attribute__((unused)))

/* ---- Checks ------------------------------------------------------------------------------------------------- */
/* Each evaluates its expression once, in this process or in any child or role of the case, and returns whether it
 * held, so `if (!CHECK_OK(...)) ...` works. A failed CHECK is recorded and the case goes on. */

/* Where a check stands, and its text. */
struct rig_at {
    const char *what;
    const char *file;
    int line;
};
#define RIG_AT(text) ((struct rig_at){(text), __FILE__, __LINE__})

bool rig_check_true(struct rig_at at, bool held);
bool rig_check_int(struct rig_at at, long long got, const char *op, long long want, bool held);
bool rig_check_str(struct rig_at at, const char *got, const char *want);
bool rig_check_bytes(struct rig_at at, const void *got, const void *want, size_t n);
bool rig_check_ok(struct rig_at at, bool failed, int err);
bool rig_check_errno(struct rig_at at, bool failed, long long got, int err, int want);
bool rig_check_got(struct rig_at at, bool held, const char *got, const char *want); /* words of your own */

/* What a check returns, with what was checked: the analyzer cannot look into the check, and shall know that the two
 * are one. */
static inline bool rig_told(bool told, bool held) { return told && held; }

#define CHECK(condition) RIG_TRUE_CHECK(#condition, condition)
#define RIG_TRUE_CHECK(text, condition)                               \
    ({                                                                \
        bool rig_held_ = (condition) ? true : false;                  \
        rig_told(rig_check_true(RIG_AT(text), rig_held_), rig_held_); \
    })

#define RIG_INT_CHECK(text, expr, op, want_expr)                                                                     \
    ({                                                                                                               \
        long long rig_got_ = (long long)(expr), rig_want_ = (long long)(want_expr);                                  \
        rig_told(rig_check_int(RIG_AT(text), rig_got_, #op, rig_want_, rig_got_ op rig_want_), rig_got_ op rig_want_); \
    })
#define CHECK_EQ_INT(expr, want) RIG_INT_CHECK(#expr, expr, ==, want)
#define CHECK_NE_INT(expr, want) RIG_INT_CHECK(#expr, expr, !=, want)
#define CHECK_LT_INT(expr, want) RIG_INT_CHECK(#expr, expr, <, want)
#define CHECK_LE_INT(expr, want) RIG_INT_CHECK(#expr, expr, <=, want)
#define CHECK_GT_INT(expr, want) RIG_INT_CHECK(#expr, expr, >, want)
#define CHECK_GE_INT(expr, want) RIG_INT_CHECK(#expr, expr, >=, want)
#define CHECK_EQ_STR(expr, want) rig_check_str(RIG_AT(#expr), (expr), (want))
#define CHECK_EQ_BYTES(pointer, want_pointer, n) rig_check_bytes(RIG_AT(#pointer), (pointer), (want_pointer), (n))

/* The call succeeds: does not return -1 (integer, or pointer such as MAP_FAILED). */
#define CHECK_OK(call) RIG_OK_CHECK(#call, call)
#define RIG_OK_CHECK(text, call)                        \
    ({                                                  \
        errno = 0;                                      \
        bool rig_failed_ = (intptr_t)(call) == -1;      \
        rig_told(rig_check_ok(RIG_AT(text), rig_failed_, errno), !rig_failed_); \
    })
/* The call fails (returns -1) and leaves this errno. */
#define CHECK_ERRNO(call, want_errno) RIG_ERRNO_CHECK(#call, call, want_errno)
#define RIG_ERRNO_CHECK(text, call, want_errno)                                                  \
    ({                                                                                           \
        errno = 0;                                                                               \
        intptr_t rig_got_ = (intptr_t)(call);                                                    \
        rig_check_errno(RIG_AT(text), rig_got_ == -1, (long long)rig_got_, errno, (want_errno)); \
    })
/* The same for calls that tell failure otherwise: the condition holds when the call failed,
 * as in CHECK_ERRNO_WHEN(sem_open(name, 0) == SEM_FAILED, ENOENT). */
#define CHECK_ERRNO_WHEN(failed, want_errno)                                          \
    ({                                                                                \
        errno = 0;                                                                    \
        bool rig_failed_ = (failed);                                                  \
        rig_check_errno(RIG_AT(#failed), rig_failed_, 0, errno, (want_errno));        \
    })
/* For pthread-style calls that return the error number itself; 0 is success. */
#define CHECK_ERROR_IS(call, want_errno)                                                            \
    ({                                                                                              \
        int rig_error_ = (call);                                                                    \
        rig_check_got(RIG_AT(#call), rig_error_ == (want_errno), rig_errno_name(rig_error_),        \
                      rig_errno_name(want_errno));                                                  \
    })
/* A check that failed, in words. */
#define FAIL(text) rig_check_got(RIG_AT(text), false, "reached", "not reached")

/* As the CHECKs, but a failure ends the case at once (in a child or role: ends that process, and the case when it
 * joins it). For what the rest of the case cannot do without. */
#define REQUIRE(condition) RIG_REQUIRE(RIG_TRUE_CHECK(#condition, condition))
#define REQUIRE_OK(call) RIG_REQUIRE(RIG_OK_CHECK(#call, call))
#define REQUIRE_ERRNO(call, want_errno) RIG_REQUIRE(RIG_ERRNO_CHECK(#call, call, want_errno))
#define REQUIRE_EQ_INT(expr, want) RIG_REQUIRE(RIG_INT_CHECK(#expr, expr, ==, want))
#define RIG_REQUIRE(check) ((check) ? (void)0 : rig_give_up())
_Noreturn void rig_give_up(void);
/* For loops that are timed or run thousands of times: says nothing unless it fails. */
#define REQUIRE_QUIET(condition) ((condition) ? (void)0 : (rig_check_true(RIG_AT(#condition), false), rig_give_up()))

/* ---- Outcomes and findings ---------------------------------------------------------------------------------- */
/* End the case: the system does not offer this (UNSUPPORTED), or it cannot be judged here and now (SKIP: not root, no
 * file system for it). printf-style. A failed check before that makes the case a fail nevertheless. */
#define UNSUPPORTED(...) rig_end_case("unsupported", __VA_ARGS__)
#define SKIP(...) rig_end_case("skip", __VA_ARGS__)
/* Skips a case that is known to bring this kernel down, unless RIG_DANGEROUS is set in the environment. */
#define DANGEROUS(why) (getenv("RIG_DANGEROUS") ? (void)0 : SKIP("%s; set RIG_DANGEROUS to run it", why))
_Noreturn void rig_end_case(const char *outcome, const char *format, ...) RIG_PRINTF(2, 3);

/* Said, measured but not judged. */
#define NOTE(...) rig_note(__VA_ARGS__)
#define FACT(name, integer) rig_fact_int((name), (long long)(integer))
#define FACT_STR(name, text) rig_fact_str((name), (text))
void rig_note(const char *format, ...) RIG_PRINTF(1, 2);
void rig_fact_int(const char *name, long long value);
void rig_fact_str(const char *name, const char *value);

/* Which way a call took: "libc" or "libsystem" (the default), "syscall", "mach". The end event carries the one farthest
 * from the library. */
void rig_via(const char *way);

/* ---- Time --------------------------------------------------------------------------------------------------- */
uint64_t rig_now_ns(void);             /* monotonic, raw */
double rig_scale(void);                /* --scale: how much slower than real hardware this guest is */
void rig_sleep_ms(double ms);          /* not scaled, not cut short by signals */
double rig_patience(double seconds);   /* a deadline for a wait: seconds times the scale */

/* Times op(context, n), which does the operation n times: n is calibrated to 100 times the clock's cost or more, the
 * first batch is dropped, --batches (30 or more) are kept and sent as samples in ns an operation.
 * bytes: moved by one operation, 0 if it means nothing. */
typedef void (*rig_op)(void *context, unsigned long n);
void rig_time(const char *name, uint64_t bytes, rig_op op, void *context);
/* The same, sent as B/s. A batch moves some times what the buffers on the way may hold, so that what a batch leaves in
 * them does not show: 64 KiB, or `held` bytes (0 where every operation waits for the other side). */
void rig_time_rate(const char *name, uint64_t bytes, rig_op op, void *context);
void rig_time_rate_held(const char *name, uint64_t bytes, uint64_t held, rig_op op, void *context);
/* For loops a probe times itself. unit "ns" (samples are ns an operation) or "B/s". */
void rig_metric(const char *name, const char *unit, uint64_t bytes, unsigned long inner, const double *samples, size_t n);
int rig_batches(void);

/* ---- Processes ---------------------------------------------------------------------------------------------- */
/* Forks; the child runs fn(arg), then leaves with exit code 0 (or what it gave exit()). Never returns -1: a fork that
 * fails ends the case. Join every child. */
#define rig_spawn(fn, arg) rig_spawn_at(RIG_AT("fork for " #fn), (fn), (arg))
pid_t rig_spawn_at(struct rig_at at, void (*fn)(void *arg), void *arg);
/* Forks and execs this probe as ROLE(role) with these arguments (ending in NULL; may be NULL): a process that shares
 * no memory and, but for 0-2 and `keep` (-1 for none), no descriptor. */
pid_t rig_exec_role(const char *role, const char *const args[], int keep);
/* Execs ROLE(role) in this very process, which must be a child of the case (rig_spawn): for what exec keeps and what it
 * ends. Descriptors, mask, pending signals and all else stay as they are. */
_Noreturn void rig_exec_role_here(const char *role, const char *const args[]);

/* Waits for a child with a deadline of 5 s (scaled) and returns its wait status. One that does not end is killed, a
 * failed check is recorded, and the status of the kill returned. */
#define rig_join(child) rig_join_at(RIG_AT("end of " #child), (child))
int rig_join_at(struct rig_at at, pid_t child);
/* Joins, and checks how it ended. */
#define CHECK_EXITED(child, code) rig_check_exited(RIG_AT("exit of " #child), (child), (code))
#define CHECK_KILLED_BY(child, sig) rig_check_killed(RIG_AT("end of " #child), (child), (sig))
bool rig_check_exited(struct rig_at at, pid_t child, int code);
bool rig_check_killed(struct rig_at at, pid_t child, int sig);
/* Kills with SIGKILL and joins; checks nothing. */
void rig_kill(pid_t child);

/* Waits until a process sleeps in the kernel (as it does in a blocked read), 2 s (scaled) at most. Returns false
 * where that was not seen. Linux: /proc/PID/stat; Darwin: PROC_PIDTASKINFO's running threads. */
bool rig_wait_blocked(pid_t pid);

/* Checks that a child sleeps in the kernel, then sends it the signal: for calls that are to be interrupted. */
#define rig_interrupt(child, sig) rig_interrupt_at(RIG_AT(#child " sleeps"), (child), (sig))
void rig_interrupt_at(struct rig_at at, pid_t child, int sig);

/* A gate between processes: made before the fork, each pass lets one wait through. Waits 5 s (scaled) at most; a wait
 * that runs out, or whose other side died, is a failed REQUIRE. */
struct rig_gate {
    int fd[2];
};
#define rig_gate_init(gate) rig_gate_init_at(RIG_AT("pipe for " #gate), (gate))
#define rig_gate_pass(gate) rig_gate_pass_at(RIG_AT("pass through " #gate), (gate))
#define rig_gate_wait(gate) rig_gate_wait_at(RIG_AT("wait at " #gate), (gate))
void rig_gate_init_at(struct rig_at at, struct rig_gate *gate);
void rig_gate_pass_at(struct rig_at at, struct rig_gate *gate);
void rig_gate_wait_at(struct rig_at at, struct rig_gate *gate);
bool rig_gate_was_passed(const struct rig_gate *gate); /* now, without waiting; takes nothing */
void rig_gate_close(struct rig_gate *gate);

/* Waits till fd is readable (at its end, too) or writable; 5 s (scaled) at most. */
bool rig_wait_readable(int fd);
bool rig_wait_writable(int fd);

/* Counts a signal from now on; the handler does nothing else. flags as for sigaction (0: system calls are
 * interrupted; SA_RESTART). */
void rig_catch(int sig, int flags);
int rig_caught(int sig);

/* ---- What outlives a process -------------------------------------------------------------------------------- */
/* Objects made known here are removed by the parent when the case is over, however it ended. If the case ran to its
 * end without disowning them (after it removed them itself), that is reported as a leak. */
enum rig_kind { RIG_MSG, RIG_SEM, RIG_SHM, RIG_POSIX_SEM, RIG_POSIX_SHM, RIG_POSIX_MQ, RIG_FILE, RIG_KINDS };
void rig_own_sysv(enum rig_kind kind, int id);
void rig_disown_sysv(enum rig_kind kind, int id);
void rig_own_posix(enum rig_kind kind, const char *name);
void rig_disown_posix(enum rig_kind kind, const char *name);
void rig_own_file(const char *path); /* outside the scratch directory; absolute; may be a directory */
void rig_disown_file(const char *path);

/* A POSIX name no other process of this run uses, "/rig.RUN.PID.N", 30 characters at most (Darwin's limit for
 * semaphores). Own it before it is created, not after. */
#define RIG_NAME_SIZE 31
const char *rig_unique_name(char name[RIG_NAME_SIZE]);

/* ---- Names and small things --------------------------------------------------------------------------------- */
const char *rig_errno_name(int err);   /* "EAGAIN"; "0" for 0; "errno 12345" for one without a name */
const char *rig_signal_name(int sig);  /* "SIGKILL" */
const char *rig_status_name(int wait_status); /* "exit 3", "SIGSEGV" */

bool rig_streq(const char *a, const char *b);

#define RIG_COUNT(array) (sizeof(array) / sizeof((array)[0]))

#endif
