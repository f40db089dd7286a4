/* leaks.c - what cases left behind: remove it, and say so at the end. */
#include "internal.h"

#include "sys_compat.h"

#include <dirent.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/stat.h>

struct leak {
    char kind[12];
    char what[300];
};
static struct leak *leaks;
static size_t leak_count;

void rig_leak_add(const char *kind, const char *format, ...)
{
    struct leak *more = realloc(leaks, (leak_count + 1) * sizeof *more);
    if (!more)
        return;
    leaks = more;
    snprintf(leaks[leak_count].kind, sizeof leaks->kind, "%s", kind);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(leaks[leak_count].what, sizeof leaks->what, format, arguments);
    va_end(arguments);
    leak_count++;
}

long rig_leaks_report(void)
{
    for (size_t i = 0; i < leak_count; i++) {
        RIG_LINE(line, 2048);
        rig_line_begin(&line, "leak");
        rig_line_str(&line, "kind", leaks[i].kind);
        rig_line_str(&line, "what", leaks[i].what);
        rig_line_send(&line);
    }
    free(leaks);
    leaks = NULL;
    return (long)leak_count;
}

/* True if the object was still there. */
static bool remove_object(enum rig_kind kind, const char *name)
{
    int id = (int)strtol(name, NULL, 10);
    switch (kind) {
    case RIG_MSG:
        return rig_msgctl(id, IPC_RMID, NULL) == 0;
    case RIG_SEM:
        return rig_semctl(id, 0, IPC_RMID, 0) == 0;
    case RIG_SHM: {
        /* a segment marked for removal lives on till its last detach: that one is nobody's leak */
        struct shmid_ds data;
        memset(&data, 0, sizeof data);
        return rig_shmctl(id, IPC_STAT, &data) == 0 && rig_shmctl(id, IPC_RMID, NULL) == 0;
    }
    case RIG_POSIX_SEM:
        return rig_sem_unlink(name) == 0;
    case RIG_POSIX_SHM:
        return rig_shm_unlink(name) == 0;
    case RIG_POSIX_MQ:
        return rig_mq_unlink(name) == 0;
    case RIG_FILE:
        if (unlink(name) == 0)
            return true;
        if (access(name, F_OK) != 0)
            return false;
        rig_remove_tree(name);
        return true;
    default:
        return false;
    }
}

void rig_remove_owned(struct rig_owned *owned, size_t count, const char *case_name, bool report)
{
    for (size_t i = 0; i < count; i++) {
        enum rig_kind kind = owned[i].kind;
        if (!remove_object(kind, owned[i].name) || !report)
            continue;
        const char *class = kind <= RIG_SHM ? "sysv" : kind == RIG_FILE ? "file" : "posix";
        rig_leak_add(class, "case %s left %s %s", case_name, rig_kind_name(kind), owned[i].name);
    }
}

static void remove_inside(const char *path, int depth)
{
    DIR *list = opendir(path);
    if (!list)
        return;
    for (struct dirent *entry; (entry = readdir(list));) {
        if (rig_streq(entry->d_name, ".") || rig_streq(entry->d_name, ".."))
            continue;
        char below[1024];
        int n = snprintf(below, sizeof below, "%s/%s", path, entry->d_name);
        if (n < 0 || (size_t)n >= sizeof below || unlink(below) == 0)
            continue;
        struct stat info;
        if (depth < 16 && lstat(below, &info) == 0 && S_ISDIR(info.st_mode)) {
            chmod(below, 0700);
            remove_inside(below, depth + 1);
            rmdir(below);
        }
    }
    closedir(list);
}

void rig_remove_tree(const char *path)
{
    if (rmdir(path) == 0)
        return;
    remove_inside(path, 0);
    rmdir(path);
}
