/* case.c - the life of a case process: run one case or role, tell the parent how it ended. */
#include "internal.h"

#include <stdarg.h>
#include <sys/resource.h>

#ifdef __linux__
#include <sys/prctl.h>
#endif

const char *rig_current_case;
static pid_t case_pid;

bool rig_in_case_process(void) { return getpid() == case_pid; }

/* exit(), not _exit(): sanitizers and atexit handlers have their say, and the parent looks at the exit code. */
_Noreturn static void leave(const char *outcome, bool returned, const char *reason)
{
    rig_control("end", "%s\t%d\t%s", outcome, returned, reason);
    exit(0);
}

_Noreturn void rig_end_case(const char *outcome, const char *format, ...)
{
    char reason[360];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason, sizeof reason, format, arguments);
    va_end(arguments);
    if (rig_in_case_process())
        leave(outcome, true, reason);
    /* in a child or role: the parent keeps this as the case's outcome, the joiner gives up */
    rig_control("end", "%s\t%d\t%s", outcome, false, reason);
    fflush(NULL);
    _exit(RIG_GAVE_UP);
}

_Noreturn void rig_give_up(void)
{
    if (rig_in_case_process())
        leave("", false, ""); /* the parent knows the failed check */
    fflush(NULL);
    _exit(RIG_GAVE_UP);
}

void rig_note(const char *format, ...)
{
    int saved = errno;
    char text[800];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    RIG_LINE(line, 4096);
    rig_line_begin(&line, "note");
    rig_line_str(&line, "case", rig_current_case);
    rig_line_str(&line, "text", text);
    rig_line_send(&line);
    errno = saved;
}

void rig_fact_int(const char *name, long long value)
{
    RIG_LINE(line, 1024);
    rig_line_begin(&line, "fact");
    rig_line_str(&line, "case", rig_current_case);
    rig_line_str(&line, "name", name);
    rig_line_int(&line, "value", value);
    rig_line_send(&line);
}

void rig_fact_str(const char *name, const char *value)
{
    RIG_LINE(line, 2048);
    rig_line_begin(&line, "fact");
    rig_line_str(&line, "case", rig_current_case);
    rig_line_str(&line, "name", name);
    rig_line_str(&line, "value", value);
    rig_line_send(&line);
}

void rig_via(const char *way)
{
    static const char *told;
    if (told && rig_streq(told, way))
        return;
    told = way;
    rig_control("via", "%s", way);
}

static void no_core_file(void)
{
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
}

/* Linux can tie this process to its parent's life. Elsewhere a lost parent shows as SIGPIPE at the next event. */
static void die_with_parent(void)
{
#ifdef __linux__
    prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
}

static void judge_needs(const struct rig_case *c)
{
#ifdef __APPLE__
    if (c->linux_only)
        UNSUPPORTED("%s", c->why ? c->why : "Linux only");
#else
    if (c->darwin_only)
        UNSUPPORTED("%s", c->why ? c->why : "Darwin only");
#endif
    if (c->needs_root && geteuid() != 0)
        SKIP("needs root, runs as user %ld", (long)geteuid());
}

_Noreturn void rig_run_case_here(void)
{
    const struct rig_case *c = rig_find_case(rig_options.case_name);
    rig_current_case = c->name;
    case_pid = getpid();
    no_core_file();
    die_with_parent();
    if (rig_options.dir && chdir(rig_options.dir) != 0)
        rig_end_case("skip", "cannot enter the scratch directory: %s", rig_errno_name(errno));
    judge_needs(c);
    c->run();
    if (!rig_in_case_process()) { /* a child of the case's own fork() came back by mistake */
        FAIL("a child process returned into the case");
        _exit(RIG_GAVE_UP);
    }
    leave("", true, "");
}

_Noreturn void rig_run_role_here(void)
{
    struct rig_role *role = rig_find_role(rig_options.role);
    rig_current_case = rig_options.case_name;
    role->run(rig_options.role_argc, rig_options.role_argv);
    fflush(NULL);
    exit(0);
}
