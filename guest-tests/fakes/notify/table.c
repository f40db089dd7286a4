/* table.c - see table.h */
#include "table.h"

#include <stdio.h>
#include <sys/file.h>
#include <sys/mman.h>

static int lock_fd = -1;
static struct table *table;

const char *fake_directory(void)
{
    const char *directory = getenv("RIG_FAKE_NOTIFY");
    return directory ? directory : "/nonexistent";
}

bool broken(const char *what)
{
    const char *name = getenv("RIG_FAKE_NOTIFY_BREAK");
    return name && rig_streq(name, what);
}

static void set_lock(short type)
{
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET};
    while (fcntl(lock_fd, F_SETLKW, &lock) == -1 && errno == EINTR)
        ;
}

struct table *lock_table(void)
{
    if (!table) {
        char path[200];
        snprintf(path, sizeof path, "%s/table", fake_directory());
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        lock_fd = fcntl(fd, F_DUPFD_CLOEXEC, 200); /* out of the way of the case's own */
        close(fd);
        if (lock_fd < 0 || ftruncate(lock_fd, sizeof *table) == -1)
            return NULL;
        void *at = mmap(NULL, sizeof *table, PROT_READ | PROT_WRITE, MAP_SHARED, lock_fd, 0);
        if (at == MAP_FAILED)
            return NULL;
        table = at;
    }
    set_lock(F_WRLCK);
    return table;
}

void unlock_table(void) { set_lock(F_UNLCK); }

struct entry *find_name(struct table *t, const char *text, bool make)
{
    char full[TEXT];
    struct entry *free_one = NULL;
    /* names of the library alone belong to one process */
    bool inside = strncmp(text, "self.", 5) == 0 && !broken("self_names_leak_out");
    snprintf(full, sizeof full, "%s%s%.0d", text, inside ? "@" : "", inside ? (int)getpid() : 0);
    for (int i = 0; i < NAMES; i++) {
        if (t->names[i].used && rig_streq(t->names[i].text, full))
            return &t->names[i];
        if (!t->names[i].used && !free_one)
            free_one = &t->names[i];
    }
    if (!make || !free_one)
        return NULL;
    *free_one = (struct entry){.used = true, .value = 1};
    memcpy(free_one->text, full, sizeof full);
    return free_one;
}

struct registration *find_token(struct table *t, int token)
{
    for (int i = 0; i < REGISTRATIONS; i++) {
        struct registration *r = &t->registrations[i];
        if (r->used && !r->silent && r->pid == getpid() && r->token == token)
            return r;
    }
    return NULL;
}

void forget(struct table *t, struct registration *registration)
{
    struct entry *name = &t->names[registration->name];
    registration->used = false;
    if (--name->registrations == 0)
        name->used = false;
}
