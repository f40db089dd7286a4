/* registry.c - the probe's cases and roles, in order, and the names of what they may own. */
#include "internal.h"

struct rig_case *rig_cases;
static struct rig_role *roles;

static bool same_file_and_later(const struct rig_case *a, const struct rig_case *b)
{
    return rig_streq(a->file, b->file) && a->line > b->line;
}

/* Constructors of one file may run in any order the compiler likes, so lines decide within a file; files stay in the
 * order in which the linker got them. */
void rig_add_case(struct rig_case *c)
{
    struct rig_case **place = &rig_cases;
    while (*place && !same_file_and_later(*place, c))
        place = &(*place)->next;
    c->next = *place;
    *place = c;
}

void rig_add_role(struct rig_role *r)
{
    r->next = roles;
    roles = r;
}

struct rig_case *rig_find_case(const char *name)
{
    struct rig_case *c = rig_cases;
    while (c && !rig_streq(c->name, name))
        c = c->next;
    return c;
}

struct rig_role *rig_find_role(const char *name)
{
    struct rig_role *r = roles;
    while (r && !rig_streq(r->name, name))
        r = r->next;
    return r;
}

static const char *const kinds[RIG_KINDS] = {
    [RIG_MSG] = "msg",
    [RIG_SEM] = "sem",
    [RIG_SHM] = "shm",
    [RIG_POSIX_SEM] = "posix-sem",
    [RIG_POSIX_SHM] = "posix-shm",
    [RIG_POSIX_MQ] = "posix-mq",
    [RIG_FILE] = "file",
};

const char *rig_kind_name(enum rig_kind kind) { return kinds[kind]; }

enum rig_kind rig_kind_of(const char *name)
{
    int kind = 0;
    while (kind < RIG_KINDS && !rig_streq(kinds[kind], name))
        kind++;
    return (enum rig_kind)kind;
}

/* The object itself is the parent's to remove: it outlives every process of the case. */
static void tell(const char *verb, enum rig_kind kind, const char *name) { rig_control(verb, "%s\t%s", kinds[kind], name); }

static void tell_id(const char *verb, enum rig_kind kind, int id) { rig_control(verb, "%s\t%d", kinds[kind], id); }

void rig_own_sysv(enum rig_kind kind, int id) { tell_id("own", kind, id); }
void rig_disown_sysv(enum rig_kind kind, int id) { tell_id("disown", kind, id); }
void rig_own_posix(enum rig_kind kind, const char *name) { tell("own", kind, name); }
void rig_disown_posix(enum rig_kind kind, const char *name) { tell("disown", kind, name); }
void rig_own_file(const char *path) { tell("own", RIG_FILE, path); }
void rig_disown_file(const char *path) { tell("disown", RIG_FILE, path); }

const char *rig_unique_name(char name[RIG_NAME_SIZE])
{
    static unsigned count;
    snprintf(name, RIG_NAME_SIZE, "/rig.%ld.%ld.%u", rig_options.run_id, (long)getpid(), count++ % 1000);
    return name;
}

bool rig_streq(const char *a, const char *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}
