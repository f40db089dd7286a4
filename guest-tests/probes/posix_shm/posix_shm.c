/* posix_shm.c - shared memory objects: names, opening, size, descriptor, unlinking. */
#include "object.h"

#include <sys/stat.h>

PROBE("posix_shm", "1");

CASE(wrappers_present)
{
    const struct ipc_wrapper all[] = {IPC_WRAPPER(shm_open), IPC_WRAPPER(shm_unlink)};
    ipc_check_wrappers(all, RIG_COUNT(all));
}

CASE(name_is_made_once)
{
    char name[RIG_NAME_SIZE];
    CHECK_ERRNO(rig_shm_open(rig_unique_name(name), O_RDWR, 0), ENOENT);
    int fd = object_make(name, 0);
    CHECK_ERRNO(rig_shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600), EEXIST);
    int again = rig_shm_open(name, O_RDWR, 0);
    CHECK_OK(again);
    CHECK_NE_INT(again, fd);
    close(again);
    object_unlink(name);
    CHECK_ERRNO(rig_shm_open(name, O_RDWR, 0), ENOENT);
}

/* A name of so many characters, the slash included; which error shm_open gave, "0" for none. */
static const char *try_length(size_t length)
{
    static char name[400];
    rig_unique_name(name);
    REQUIRE(length < sizeof name);
    for (size_t i = strlen(name); i < length; i++)
        name[i] = 'x';
    name[length] = '\0';
    rig_own_posix(RIG_POSIX_SHM, name);
    int fd = rig_shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
    if (fd == -1) {
        const char *error = rig_errno_name(errno);
        rig_disown_posix(RIG_POSIX_SHM, name);
        return error;
    }
    close(fd);
    object_unlink(name);
    return "0";
}

/* 31 characters: too long while the final zero was counted (xnu-4570 bsd/kern/posix_shm.c "pathlen > PSHMNAMLEN"),
 * allowed since the end of xnu-4903; measured on 20.5. Linux: the name of a file. */
CASE(name_length)
{
    CHECK_EQ_STR(try_length(30), "0");
#ifdef __APPLE__
    const char *with_31 = try_length(31);
    FACT_STR("name_of_31", with_31);
    if (ipc_darwin_major() != 18) /* both are among its kernels */
        CHECK_EQ_STR(with_31, ipc_darwin_major() < 18 ? "ENAMETOOLONG" : "0");
    CHECK_EQ_STR(try_length(32), "ENAMETOOLONG");
#else
    CHECK_EQ_STR(try_length(255), "0");
#endif
#ifdef __GLIBC__
    CHECK_EQ_STR(try_length(300), "EINVAL"); /* against its own manual */
#else
    CHECK_EQ_STR(try_length(300), "ENAMETOOLONG");
#endif
}

CASE(empty_name)
{
    int darwin = ipc_darwin_major();
    CHECK_ERRNO(rig_shm_open("", O_RDWR, 0), darwin != 0 && darwin < 19 ? ENOENT : EINVAL);
}

CASE(name_without_a_slash)
{
    char name[RIG_NAME_SIZE];
    rig_own_posix(RIG_POSIX_SHM, rig_unique_name(name) + 1);
    int fd = rig_shm_open(name + 1, O_RDWR | O_CREAT | O_EXCL, 0600);
    CHECK_OK(fd);
    close(fd);
    object_unlink(name + 1);
}

/* xnu takes any name; Linux libraries make files of them. */
CASE(name_with_a_slash_inside)
{
    char name[RIG_NAME_SIZE + 2];
    rig_unique_name(name);
    snprintf(name + strlen(name), 3, "/x");
#ifdef __APPLE__
    rig_own_posix(RIG_POSIX_SHM, name);
    int fd = rig_shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
    CHECK_OK(fd);
    close(fd);
    object_unlink(name);
#else
    CHECK_ERRNO(rig_shm_open(name, O_RDWR | O_CREAT, 0600), EINVAL);
#endif
}

/* xnu gives whole pages and says so (bsd/kern/posix_shm.c pshm_truncate). */
CASE(first_size)
{
    char name[RIG_NAME_SIZE];
    int fd = object_make(name, 0);
    CHECK_EQ_INT(object_size(fd), 0);
    CHECK_OK(ftruncate(fd, 5000));
#ifdef __APPLE__
    CHECK_EQ_INT(object_size(fd), 8192);
#else
    CHECK_EQ_INT(object_size(fd), 5000);
#endif
    object_unlink(name);
}

/* "We only allow one ftruncate() per lifetime of the shm object" (xnu bsd/kern/posix_shm.c pshm_truncate). */
CASE(second_size)
{
    char name[RIG_NAME_SIZE];
    int fd = object_make(name, (off_t)page_size());
#ifdef __APPLE__
    CHECK_ERRNO(ftruncate(fd, 2 * (off_t)page_size()), EINVAL);
    CHECK_ERRNO(ftruncate(fd, (off_t)page_size()), EINVAL);
    CHECK_EQ_INT(object_size(fd), page_size());
#else
    CHECK_OK(ftruncate(fd, 2 * (off_t)page_size()));
    CHECK_EQ_INT(object_size(fd), 2 * page_size());
    CHECK_OK(ftruncate(fd, 100));
    CHECK_EQ_INT(object_size(fd), 100);
#endif
    object_unlink(name);
}

CASE(truncating_open)
{
    char name[RIG_NAME_SIZE];
    int fd = object_make(name, (off_t)page_size());
#ifdef __APPLE__
    CHECK_ERRNO(rig_shm_open(name, O_RDWR | O_TRUNC, 0), EINVAL);
    CHECK_EQ_INT(object_size(fd), page_size());
#else
    int again = rig_shm_open(name, O_RDWR | O_TRUNC, 0);
    CHECK_OK(again);
    CHECK_EQ_INT(object_size(fd), 0);
#endif
    object_unlink(name);
}

/* A Linux object is a file; on Darwin the descriptor is for mmap alone: ENOTSUP up to xnu-4903 (bsd/kern/posix_shm.c
 * pshm_read), ENXIO since (fo_no_read; measured on 20.5). */
CASE(read_and_write_on_the_descriptor)
{
    char name[RIG_NAME_SIZE], back[4] = "";
    int fd = object_make(name, (off_t)page_size());
#ifdef __APPLE__
    int wanted = ipc_darwin_major() < 19 ? ENOTSUP : ENXIO;
    CHECK_ERRNO(write(fd, "abc", 3), wanted);
    CHECK_ERRNO(read(fd, back, 3), wanted);
    CHECK_ERRNO(lseek(fd, 0, SEEK_SET), ESPIPE);
#else
    CHECK_EQ_INT(write(fd, "abc", 3), 3);
    CHECK_EQ_INT(lseek(fd, 0, SEEK_SET), 0);
    CHECK_EQ_INT(read(fd, back, 3), 3);
    CHECK_EQ_STR(back, "abc");
#endif
    object_unlink(name);
}

CASE(descriptor_closes_on_exec)
{
    char name[RIG_NAME_SIZE];
    int fd = object_make(name, 0);
    CHECK_EQ_INT(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    object_unlink(name);
}

CASE(object_is_described)
{
    char name[RIG_NAME_SIZE];
    int fd = object_make(name, 0);
    struct stat info;
    REQUIRE_OK(fstat(fd, &info));
    CHECK_EQ_INT(info.st_mode & 0777, 0600);
    CHECK_EQ_INT(info.st_uid, geteuid());
    object_unlink(name);
}

/* POSIX: the mode is cut by the umask. xnu keeps it whole (bsd/kern/posix_shm.c shm_open, "cmode &= ALLPERMS"). */
CASE(umask_cuts_the_mode)
{
    char name[RIG_NAME_SIZE];
    rig_own_posix(RIG_POSIX_SHM, rig_unique_name(name));
    umask(027);
    int fd = rig_shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0666);
    REQUIRE_OK(fd);
    struct stat info;
    REQUIRE_OK(fstat(fd, &info));
#ifdef __APPLE__
    NOTE("POSIX wants the umask applied; this kernel does not look at it");
    CHECK_EQ_INT(info.st_mode & 0777, 0666);
#else
    CHECK_EQ_INT(info.st_mode & 0777, 0640);
#endif
    object_unlink(name);
}

CASE(unlinked_object_lives_on)
{
    char name[RIG_NAME_SIZE], again[RIG_NAME_SIZE];
    int old = object_make(name, (off_t)page_size());
    char *old_at = object_map(old, page_size(), PROT_READ | PROT_WRITE);
    old_at[0] = 'o';
    object_unlink(name);
    CHECK_ERRNO(rig_shm_open(name, O_RDWR, 0), ENOENT);
    CHECK_ERRNO(rig_shm_unlink(name), ENOENT);
    memcpy(again, name, sizeof again);
    rig_own_posix(RIG_POSIX_SHM, again);
    int young = rig_shm_open(again, O_RDWR | O_CREAT | O_EXCL, 0600);
    REQUIRE_OK(young);
    REQUIRE_OK(ftruncate(young, (off_t)page_size()));
    char *young_at = object_map(young, page_size(), PROT_READ | PROT_WRITE);
    CHECK_EQ_INT(young_at[0], 0); /* another object under the old name */
    CHECK_EQ_INT(old_at[0], 'o');
    object_unlink(again);
}

CASE(unlink_of_an_unknown_name)
{
    char name[RIG_NAME_SIZE];
    CHECK_ERRNO(rig_shm_unlink(rig_unique_name(name)), ENOENT);
}
