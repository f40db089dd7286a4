/* fifo.c - named pipes as names in a file system: making, finding, moving, removing them.
 * Darwin's contracts: xnu-4570 bsd/miscfs/fifofs/fifo_vnops.c and bsd/vfs/vfs_syscalls.c mkfifo1. */
#include "place.h"

#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

PROBE("fifo", "1");

CASE(mkfifo_makes_a_fifo)
{
    struct stat info;
    fifo_place();
    CHECK_OK(rig_mkfifo("fifo", 0640));
    CHECK_OK(lstat("fifo", &info));
    CHECK(S_ISFIFO(info.st_mode));
    CHECK_EQ_INT(info.st_mode & 07777, 0640);
    CHECK_EQ_INT(info.st_size, 0);
    CHECK_EQ_INT(info.st_nlink, 1);
    CHECK_EQ_INT(info.st_uid, geteuid());
    CHECK_OK(unlink("fifo"));
    CHECK_ERRNO(lstat("fifo", &info), ENOENT);
}

CASE(mode_is_cut_by_umask)
{
    struct stat info;
    fifo_place();
    umask(027);
    CHECK_OK(rig_mkfifo("fifo", 0777));
    CHECK_OK(lstat("fifo", &info));
    CHECK_EQ_INT(info.st_mode & 07777, 0750);
    CHECK_OK(chmod("fifo", 0600));
    CHECK_OK(lstat("fifo", &info));
    CHECK_EQ_INT(info.st_mode & 07777, 0600);
}

CASE(existing_name_is_eexist)
{
    fifo_make();
    int fd = open("file", O_CREAT | O_WRONLY, 0600);
    CHECK_OK(fd);
    CHECK_OK(symlink("nowhere", "dangling"));
    CHECK_ERRNO(rig_mkfifo("fifo", 0600), EEXIST);
    CHECK_ERRNO(rig_mkfifo("file", 0600), EEXIST);
    CHECK_ERRNO(rig_mkfifo("dangling", 0600), EEXIST); /* the link itself is the name */
    CHECK_ERRNO(rig_mkfifo(".", 0600), EEXIST);
}

CASE(bad_path_is_refused)
{
    char name[NAME_MAX + 10];
    fifo_make();
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    CHECK_ERRNO(rig_mkfifo("none/fifo", 0600), ENOENT);
    CHECK_ERRNO(rig_mkfifo("", 0600), ENOENT);
    CHECK_ERRNO(rig_mkfifo("fifo/below", 0600), ENOTDIR);
    CHECK_ERRNO(rig_mkfifo(name, 0600), ENAMETOOLONG);
}

static void become_nobody(void)
{
    REQUIRE_OK(setgid(12345));
    REQUIRE_OK(setuid(12345));
}

static void try_as_nobody(void *arg)
{
    (void)arg;
    become_nobody();
    CHECK_ERRNO(rig_mkfifo("other", 0600), EACCES);
    CHECK_ERRNO(open("fifo", O_RDONLY | O_NONBLOCK), EACCES);
    CHECK_ERRNO(open("fifo", O_WRONLY | O_NONBLOCK), EACCES);
}

CASE(permissions_are_obeyed, .needs_root = true)
{
    fifo_make();
    CHECK_EXITED(rig_spawn(try_as_nobody, NULL), 0);
}

CASE(name_can_be_linked_and_moved)
{
    int fd[2];
    char byte;
    struct stat a, b;
    fifo_make();
    CHECK_OK(link("fifo", "second"));
    CHECK_OK(stat("fifo", &a));
    CHECK_OK(stat("second", &b));
    CHECK_EQ_INT(a.st_ino, b.st_ino);
    CHECK_EQ_INT(a.st_nlink, 2);
    REQUIRE_OK(fd[0] = open("fifo", O_RDONLY | O_NONBLOCK));
    REQUIRE_OK(fd[1] = open("second", O_WRONLY | O_NONBLOCK)); /* the same fifo by either name */
    CHECK_OK(rename("fifo", "third"));
    CHECK_EQ_INT(write(fd[1], "x", 1), 1);
    CHECK_EQ_INT(read(fd[0], &byte, 1), 1);
}

CASE(two_fifos_are_two)
{
    int fd[2], other;
    char byte;
    fifo_make();
    CHECK_OK(rig_mkfifo("other", 0600));
    fifo_open_both(fd);
    REQUIRE_OK(other = open("other", O_RDONLY | O_NONBLOCK));
    CHECK_EQ_INT(write(fd[1], "x", 1), 1);
    CHECK_EQ_INT(read(other, &byte, 1), 0);
    CHECK_EQ_INT(read(fd[0], &byte, 1), 1);
}

CASE(lives_on_when_unlinked)
{
    int fd[2];
    char bytes[4];
    fifo_make();
    fifo_open_both(fd);
    CHECK_EQ_INT(write(fd[1], "ab", 2), 2);
    CHECK_OK(unlink("fifo"));
    CHECK_ERRNO(open("fifo", O_RDONLY | O_NONBLOCK), ENOENT);
    CHECK_EQ_INT(write(fd[1], "cd", 2), 2);
    CHECK_EQ_INT(read(fd[0], bytes, 4), 4);
    CHECK_EQ_BYTES(bytes, "abcd", 4);
    /* a new one of that name is another */
    int other;
    CHECK_OK(rig_mkfifo("fifo", 0600));
    CHECK_OK(other = open("fifo", O_RDONLY | O_NONBLOCK));
    CHECK_EQ_INT(write(fd[1], "x", 1), 1);
    CHECK_EQ_INT(read(other, bytes, 1), 0);
}

CASE(status_of_an_open_fifo)
{
    int fd[2];
    struct stat by_name, by_descriptor;
    fifo_make();
    fifo_open_both(fd);
    CHECK_EQ_INT(write(fd[1], "12345", 5), 5);
    CHECK_OK(stat("fifo", &by_name));
    CHECK_OK(fstat(fd[0], &by_descriptor));
    CHECK(S_ISFIFO(by_descriptor.st_mode));
    CHECK_EQ_INT(by_descriptor.st_ino, by_name.st_ino);
    CHECK_EQ_INT(by_descriptor.st_dev, by_name.st_dev);
    FACT("size_with_5_bytes_waiting", by_descriptor.st_size);
}

CASE(cannot_seek)
{
    int fd[2];
    char byte;
    fifo_make();
    fifo_open_both(fd);
    CHECK_ERRNO(lseek(fd[0], 0, SEEK_CUR), ESPIPE);
    CHECK_ERRNO(pread(fd[0], &byte, 1, 0), ESPIPE);
    CHECK_ERRNO(pwrite(fd[1], &byte, 1, 0), ESPIPE);
}

CASE(one_way_only)
{
    int fd[2];
    char byte;
    fifo_make();
    fifo_open_both(fd);
    CHECK_ERRNO(write(fd[0], "x", 1), EBADF);
    CHECK_ERRNO(read(fd[1], &byte, 1), EBADF);
}

/* Undefined by POSIX open(): told, not judged. Linux opens it at once and both ways work. */
CASE(open_for_both_is_told)
{
    char byte = 0;
    fifo_make();
    int fd = open("fifo", O_RDWR | O_NONBLOCK);
    FACT_STR("open_rdwr", fd >= 0 ? "success" : rig_errno_name(errno));
    if (fd >= 0) {
        FACT("write", write(fd, "x", 1));
        FACT("read", read(fd, &byte, 1));
    }
    CHECK(access("fifo", F_OK) == 0);
}

ROLE(reader)
{
    char bytes[8];
    int fd;
    if (argc > 0)
        REQUIRE_OK(chdir(argv[0]));
    REQUIRE_OK(fd = open("fifo", O_RDONLY));
    REQUIRE_EQ_INT(rig_read_all(fd, bytes, 5), 5);
    CHECK_EQ_BYTES(bytes, "hello", 5);
    CHECK_EQ_INT(rig_read_all(fd, bytes, 1), 0);
}

ROLE(writer)
{
    int fd;
    if (argc > 0)
        REQUIRE_OK(chdir(argv[0]));
    REQUIRE_OK(fd = open("fifo", O_WRONLY));
    CHECK_EQ_INT(write(fd, "hello", 5), 5);
}

CASE(unrelated_processes_meet_by_name)
{
    char here[PATH_MAX];
    fifo_make();
    REQUIRE(getcwd(here, sizeof here) != NULL);
    const char *const args[] = {here, NULL};
    pid_t reader = rig_exec_role("reader", args, -1);
    pid_t writer = rig_exec_role("writer", args, -1);
    CHECK_EXITED(writer, 0);
    CHECK_EXITED(reader, 0);
}
