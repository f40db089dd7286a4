/* place.c - see place.h */
#include "place.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

static char made[PATH_MAX]; /* a directory outside the scratch directory, to be removed */
static pid_t maker;

static bool takes_a_fifo(int *why)
{
    if (rig_mkfifo("try", 0600) != 0) {
        *why = errno;
        return false;
    }
    unlink("try");
    return true;
}

/* Cases leave nothing but plain names in it. */
static void remove_place(void)
{
    if (getpid() != maker)
        return;
    DIR *list = opendir(made);
    int at = list ? dirfd(list) : -1;
    for (struct dirent *entry; at >= 0 && (entry = readdir(list));)
        unlinkat(at, entry->d_name, 0);
    if (list)
        closedir(list);
    rmdir(made);
    rig_disown_file(made);
}

static bool move_below(const char *directory, int *why)
{
    if (!directory || strlen(directory) > PATH_MAX - 32)
        return false;
    snprintf(made, sizeof made, "%s/rig.fifo.XXXXXX", directory);
    if (!mkdtemp(made))
        return false;
    rig_own_file(made);
    maker = getpid();
    if (chdir(made) == 0 && takes_a_fifo(why)) {
        NOTE("fifos live in %s", made);
        atexit(remove_place);
        return true;
    }
    remove_place();
    return false;
}

void fifo_place(void)
{
    const char *const others[] = {getenv("TMPDIR"), "/tmp", "/private/tmp", "/var/tmp", "/dev/shm", "/run", "/var/run"};
    int first = 0, why = 0;
    if (takes_a_fifo(&first))
        return;
    for (size_t i = 0; i < RIG_COUNT(others); i++)
        if (move_below(others[i], &why))
            return;
    UNSUPPORTED("no file system here takes a fifo (%s)", rig_errno_name(first));
}

void fifo_make(void)
{
    fifo_place();
    REQUIRE_OK(rig_mkfifo("fifo", 0600));
}

void fifo_open_both(int fd[2])
{
    /* a reader first: it never waits when non-blocking, and the writer then finds it */
    REQUIRE_OK(fd[0] = open("fifo", O_RDONLY | O_NONBLOCK));
    REQUIRE_OK(fd[1] = open("fifo", O_WRONLY | O_NONBLOCK));
}
