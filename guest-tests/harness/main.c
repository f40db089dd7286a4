/* main.c - a probe's whole run: hello, each case in a process of its own, leaks, goodbye. */
#include "internal.h"

static bool chosen(const struct rig_case *c)
{
    if (rig_options.only && !rig_in_list(rig_options.only, c->name))
        return false;
    return !rig_options.skip || !rig_in_list(rig_options.skip, c->name);
}

static int list_cases(void)
{
    for (const struct rig_case *c = rig_cases; c; c = c->next)
        printf("%s\n", c->name);
    return fflush(stdout) == 0 ? 0 : 1;
}

/* The run's own directory, below --dir, TMPDIR or /tmp. */
static bool make_directory(char *path, size_t size)
{
    const char *below = rig_options.dir ? rig_options.dir : getenv("TMPDIR");
    char given[1024], absolute[4096];
    snprintf(given, sizeof given, "%s", below && *below ? below : "/tmp");
    if (!realpath(given, absolute))
        return false;
    int n = snprintf(path, size, "%s/rig.XXXXXX", absolute);
    return n > 0 && (size_t)n < size && mkdtemp(path);
}

static void say_hello(void)
{
    size_t count = 0, at = 0;
    for (const struct rig_case *c = rig_cases; c; c = c->next)
        count++;
    const char **names = calloc(count + 1, sizeof *names);
    if (!names)
        exit(70);
    for (const struct rig_case *c = rig_cases; c; c = c->next)
        if (chosen(c))
            names[at++] = c->name;
    rig_hello(names, at);
    free(names);
}

static void say_goodbye(const struct rig_totals *totals, long leaks)
{
    RIG_LINE(line, 512);
    rig_line_begin(&line, "goodbye");
    rig_line_int(&line, "cases", totals->cases);
    rig_line_int(&line, "pass", totals->pass);
    rig_line_int(&line, "fail", totals->fail);
    rig_line_int(&line, "unsupported", totals->unsupported);
    rig_line_int(&line, "skip", totals->skip);
    rig_line_int(&line, "crashed", totals->crashed);
    rig_line_int(&line, "timeout", totals->timeout);
    rig_line_int(&line, "leaks", leaks);
    rig_line_send(&line);
}

static int run_all(void)
{
    char directory[1000];
    struct rig_totals totals;
    memset(&totals, 0, sizeof totals);
    rig_close_from_3(-1);
    rig_default_signals();
    rig_runner_signals();
    if (!make_directory(directory, sizeof directory)) {
        fprintf(stderr, "%s: no scratch directory below '%s': %s\n", rig_probe_name,
                rig_options.dir ? rig_options.dir : "TMPDIR or /tmp", rig_errno_name(errno));
        return 73;
    }
    rig_keeper_start(directory);
    say_hello();
    rig_sysv_before();
    for (const struct rig_case *c = rig_cases; c && !rig_stop_signal; c = c->next)
        if (chosen(c))
            rig_run_case(c, directory, &totals);
    rig_remove_tree(directory);
    rig_keeper_end();
    rig_sysv_after();
    rig_posix_names_after();
    long leaks = rig_leaks_report();
    if (rig_stop_signal)
        return 128 + (int)rig_stop_signal; /* told to stop: no goodbye, so nobody takes this run for a whole one */
    say_goodbye(&totals, leaks);
    return rig_stop_signal ? 1 : 0;
}

int main(int argc, char **argv)
{
    rig_self = rig_self_path(argv[0]);
    rig_parse_options(argc, argv);
    if (rig_options.list)
        return list_cases();
    if (rig_options.role)
        rig_run_role_here();
    if (rig_options.case_name)
        rig_run_case_here();
    return run_all();
}
