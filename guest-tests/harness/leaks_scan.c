/* leaks_scan.c - objects nobody told us of: found where the system lists them, which is on Linux.
 * Darwin has no list a plain program can read; there the objects that cases own (rig_own_*) are all we know. */
#include "internal.h"

#ifdef __linux__

#include <dirent.h>

enum { MOST = 512 };

struct objects {
    int ids[3][MOST];
    size_t count[3];
};
static const char *const kinds[3] = {"msg", "sem", "shm"};
static struct objects before;
static bool used[3];

/* RIG_MSG, RIG_SEM and RIG_SHM are the kinds 0 to 2. */
void rig_sysv_used(enum rig_kind kind)
{
    if ((int)kind < 3)
        used[kind] = true;
}

/* The first column is the key, the second the identifier. The uid is the first of two like columns; where it stands differs by kind:
 * msg: key id perms cbytes qnum lspid lrpid uid; sem: key id perms nsems uid; shm: key id perms size cpid lpid nattch uid */
static const int uid_column[3] = {7, 4, 7};
enum { CREATOR_COLUMN = 4 /* of shm */, SHM_KIND = 2 };

static bool column(const char *text, int number, long *value)
{
    char *end = (char *)text;
    for (int i = 0; i <= number; i++) {
        const char *from = end;
        *value = strtol(from, &end, 10);
        if (end == from)
            return false;
    }
    return true;
}

/* Another program's, as far as that shows: cases take private objects and keys of ipc_key(); and no process of theirs
 * lives while this is looked at. */
static bool is_foreign(int kind, const char *line, long key)
{
    long creator = 0;
    if (key != 0 && (unsigned long)key >> 29 != 1)
        return true;
    return kind == SHM_KIND && column(line, CREATOR_COLUMN, &creator) && creator > 0 &&
           (kill((pid_t)creator, 0) == 0 || errno == EPERM);
}

static void list_kind(int kind, struct objects *found)
{
    char path[40], line[512];
    snprintf(path, sizeof path, "/proc/sysvipc/%s", kinds[kind]);
    found->count[kind] = 0;
    FILE *file = fopen(path, "re");
    if (!file)
        return;
    while (fgets(line, sizeof line, file)) {
        long key = 0, id = -1, uid = -1;
        if (!column(line, 0, &key) || !column(line, 1, &id) || !column(line, uid_column[kind], &uid)) /* the heading */
            continue;
        if (uid == (long)geteuid() && found->count[kind] < MOST && !is_foreign(kind, line, key))
            found->ids[kind][found->count[kind]++] = (int)id;
    }
    fclose(file);
}

static bool holds(const struct objects *list, int kind, int id)
{
    for (size_t i = 0; i < list->count[kind]; i++)
        if (list->ids[kind][i] == id)
            return true;
    return false;
}

void rig_sysv_before(void)
{
    for (int kind = 0; kind < 3; kind++)
        list_kind(kind, &before);
}

/* New objects of this user that stay. They are named, not removed: another program may run beside this probe, and for
 * its sake they also get a moment to go away. */
void rig_sysv_after(void)
{
    static struct objects now, later;
    for (int kind = 0; kind < 3; kind++) {
        if (!used[kind])
            continue;
        list_kind(kind, &now);
        bool waited = false;
        for (size_t i = 0; i < now.count[kind]; i++) {
            if (holds(&before, kind, now.ids[kind][i]))
                continue;
            if (!waited) {
                rig_sleep_ms(300);
                list_kind(kind, &later);
                waited = true;
            }
            if (holds(&later, kind, now.ids[kind][i]))
                rig_leak_add("sysv", "%s id %d, which no case owned", kinds[kind], now.ids[kind][i]);
        }
    }
}

/* Names of this run that a case made without owning them. They carry the run's number, so they are surely ours. */
void rig_posix_names_after(void)
{
    static const char *const places[] = {"/dev/shm", "/dev/mqueue"};
    char plain[40], semaphore[40];
    snprintf(plain, sizeof plain, "rig.%ld.", rig_options.run_id);
    snprintf(semaphore, sizeof semaphore, "sem.rig.%ld.", rig_options.run_id);
    for (size_t i = 0; i < RIG_COUNT(places); i++) {
        DIR *list = opendir(places[i]);
        if (!list)
            continue;
        for (struct dirent *entry; (entry = readdir(list));) {
            if (strncmp(entry->d_name, plain, strlen(plain)) != 0 &&
                strncmp(entry->d_name, semaphore, strlen(semaphore)) != 0)
                continue;
            char path[320];
            snprintf(path, sizeof path, "%s/%s", places[i], entry->d_name);
            if (unlink(path) == 0)
                rig_leak_add("posix", "%s, which no case owned", path);
        }
        closedir(list);
    }
}

#else

void rig_sysv_used(enum rig_kind kind) { (void)kind; }
void rig_sysv_before(void) {}
void rig_sysv_after(void) {}
void rig_posix_names_after(void) {}

#endif
