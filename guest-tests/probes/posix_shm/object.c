/* object.c - see object.h. */
#include "object.h"

#include <sys/stat.h>

int object_make(char name[RIG_NAME_SIZE], off_t size)
{
    rig_own_posix(RIG_POSIX_SHM, rig_unique_name(name));
    int fd = rig_shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
    ipc_need_call(fd == -1, "POSIX shared memory");
    REQUIRE_OK(fd);
    if (size > 0)
        REQUIRE_OK(ftruncate(fd, size));
    return fd;
}

void object_unlink(const char *name)
{
    if (CHECK_OK(rig_shm_unlink(name)))
        rig_disown_posix(RIG_POSIX_SHM, name);
}

char *object_map(int fd, size_t size, int protection)
{
    char *at = mmap(NULL, size, protection, MAP_SHARED, fd, 0);
    REQUIRE_OK(at);
    return at;
}

off_t object_size(int fd)
{
    struct stat info;
    REQUIRE_OK(fstat(fd, &info));
    return info.st_size;
}

size_t page_size(void) { return (size_t)sysconf(_SC_PAGESIZE); }
