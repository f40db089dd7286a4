/* args.c - the command line. Mistakes end with exit code 64 and the only words ever written to stderr. */
#include "internal.h"

#include <stdarg.h>

enum { EXIT_USAGE = 64, DEFAULT_DEADLINE = 10 };

struct rig_options rig_options = {.scale = 1};

_Noreturn static void usage(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "%s: ", rig_probe_name);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr,
            "\nusage: %s [--list] [--only a,b] [--skip a] [--scale N] [--batches N] [--dir DIR]\n"
            "       [--deadline SECONDS | --deadline a=SECONDS,b=SECONDS]\n",
            rig_probe_name);
    exit(EXIT_USAGE);
}

bool rig_in_list(const char *list, const char *name)
{
    size_t length = strlen(name);
    for (const char *item = list; item; item = *item ? item + 1 : NULL) {
        size_t n = strcspn(item, ",");
        if (n == length && memcmp(item, name, n) == 0)
            return true;
        item += n;
        if (!*item)
            break;
    }
    return false;
}

/* A misspelt name must not quietly run nothing. */
static void check_name(const char *option, const char *start, size_t n)
{
    char name[128];
    snprintf(name, sizeof name, "%.*s", (int)(n < 127 ? n : 127), start);
    if (!rig_find_case(name))
        usage("%s: no case named '%s' (--list shows them)", option, name);
}

static void check_names(const char *option, const char *list)
{
    for (const char *item = list; item;) {
        size_t n = strcspn(item, ",");
        check_name(option, item, n);
        item = item[n] ? item + n + 1 : NULL;
    }
}

static double positive(const char *option, const char *text)
{
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end || !(value > 0 && value < 1e6))
        usage("%s: '%s' is not a number above 0", option, text);
    return value;
}

/* One item of --deadline: name=seconds, or seconds alone. Returns the text behind it, NULL behind the last. */
static const char *deadline_item(const char *item, const char **name, size_t *length, double *seconds)
{
    size_t n = strcspn(item, ","), named = strcspn(item, "=,");
    char number[32];
    *name = item;
    *length = item[named] == '=' ? named : 0;
    const char *start = *length ? item + named + 1 : item;
    snprintf(number, sizeof number, "%.*s", (int)(item + n - start < 31 ? item + n - start : 31), start);
    *seconds = positive("--deadline", number);
    return item[n] ? item + n + 1 : NULL;
}

double rig_deadline_of(const struct rig_case *c)
{
    double found = c->deadline > 0 ? c->deadline : DEFAULT_DEADLINE;
    for (const char *item = rig_options.deadline; item;) {
        const char *name;
        size_t length;
        double seconds;
        item = deadline_item(item, &name, &length, &seconds);
        if (!length || (length == strlen(c->name) && memcmp(name, c->name, length) == 0))
            found = seconds;
    }
    return found;
}

static void check_deadlines(void)
{
    for (const char *item = rig_options.deadline; item;) {
        const char *name;
        size_t length;
        double seconds;
        item = deadline_item(item, &name, &length, &seconds);
        if (length)
            check_name("--deadline", name, length);
    }
}

struct taken {
    int argc, at;
    char **argv;
};

static const char *next(struct taken *t)
{
    if (t->at + 1 >= t->argc)
        usage("%s needs a value", t->argv[t->at]);
    return t->argv[++t->at];
}

static bool text_option(struct taken *t, const char *name, const char **value)
{
    if (!rig_streq(t->argv[t->at], name))
        return false;
    *value = next(t);
    return true;
}

static bool number_option(struct taken *t, const char *name, double *value)
{
    const char *text;
    if (!text_option(t, name, &text))
        return false;
    *value = positive(name, text);
    return true;
}

static void check_options(void)
{
    check_names("--only", rig_options.only);
    check_names("--skip", rig_options.skip);
    check_deadlines();
    if (rig_options.case_name && !rig_find_case(rig_options.case_name))
        usage("--case: no case named '%s'", rig_options.case_name);
    if (rig_options.role && (!rig_options.case_name || !rig_find_role(rig_options.role)))
        usage("--role: no role named '%s'", rig_options.role);
}

void rig_parse_options(int argc, char **argv)
{
    double batches = 0, run_id = 0;
    struct taken t = {.argc = argc, .at = 1, .argv = argv};
    for (; t.at < argc; t.at++) {
        if (rig_streq(argv[t.at], "--")) {
            rig_options.role_argc = argc - t.at - 1;
            rig_options.role_argv = argv + t.at + 1;
            break;
        }
        if (rig_streq(argv[t.at], "--list"))
            rig_options.list = true;
        else if (!text_option(&t, "--only", &rig_options.only) && !text_option(&t, "--skip", &rig_options.skip) &&
                 !text_option(&t, "--dir", &rig_options.dir) && !text_option(&t, "--case", &rig_options.case_name) &&
                 !text_option(&t, "--role", &rig_options.role) && !number_option(&t, "--scale", &rig_options.scale) &&
                 !text_option(&t, "--deadline", &rig_options.deadline) &&
                 !number_option(&t, "--batches", &batches) && !number_option(&t, "--run-id", &run_id))
            usage("unknown argument '%s'", argv[t.at]);
    }
    rig_options.batches = (int)batches;
    rig_options.run_id = run_id > 0 ? (long)run_id : (long)getpid();
    check_options();
}
