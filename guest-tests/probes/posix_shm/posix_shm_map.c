/* posix_shm_map.c - shared memory objects as memory: mapping, rights, ends. */
#include "fault.h"
#include "object.h"

CASE(new_memory_is_zero)
{
    char name[RIG_NAME_SIZE];
    size_t size = 4 * page_size(), other = 0;
    int fd = object_make(name, (off_t)size);
    const char *at = object_map(fd, size, PROT_READ);
    for (size_t i = 0; i < size; i++)
        other += at[i] != 0;
    CHECK_EQ_INT(other, 0);
    object_unlink(name);
}

CASE(mapping_outlives_descriptor_and_name)
{
    char name[RIG_NAME_SIZE];
    int fd = object_make(name, (off_t)page_size());
    char *at = object_map(fd, page_size(), PROT_READ | PROT_WRITE);
    CHECK_OK(close(fd));
    object_unlink(name);
    memcpy(at, "still here", 11);
    CHECK_EQ_STR(at, "still here");
    CHECK_OK(munmap(at, page_size()));
    CHECK_EQ_INT(fault_of(fault_read, at).sig, SIGSEGV);
}

CASE(two_mappings_are_one_memory)
{
    char name[RIG_NAME_SIZE];
    int fd = object_make(name, (off_t)page_size());
    int again = rig_shm_open(name, O_RDWR, 0);
    REQUIRE_OK(again);
    char *one = object_map(fd, page_size(), PROT_READ | PROT_WRITE), *two = object_map(again, page_size(), PROT_READ);
    CHECK_NE_INT((intptr_t)one, (intptr_t)two);
    one[7] = '7';
    CHECK_EQ_INT(two[7], '7');
    object_unlink(name);
}

CASE(mapping_from_the_second_page)
{
    char name[RIG_NAME_SIZE];
    size_t page = page_size();
    int fd = object_make(name, (off_t)(3 * page));
    char *whole = object_map(fd, 3 * page, PROT_READ | PROT_WRITE);
    char *part = mmap(NULL, page, PROT_READ, MAP_SHARED, fd, (off_t)page);
    REQUIRE_OK(part);
    whole[page + 3] = 's';
    CHECK_EQ_INT(part[3], 's');
    object_unlink(name);
}

/* A mapping may go past the end of a Linux object, only a touch there fails. xnu refuses the mapping
 * (bsd/kern/posix_shm.c pshm_mmap; measured on 20.5). */
CASE(mapping_past_the_end)
{
    char name[RIG_NAME_SIZE];
    size_t page = page_size();
    int fd = object_make(name, (off_t)page);
#ifdef __APPLE__
    CHECK_ERRNO(mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), EINVAL);
#else
    char *at = object_map(fd, 2 * page, PROT_READ | PROT_WRITE);
    CHECK_EQ_INT(fault_of(fault_write, at + page - 1).sig, 0);
    struct fault fault = fault_of(fault_write, at + page + 5);
    CHECK_EQ_STR(rig_signal_name(fault.sig), "SIGBUS");
    CHECK_EQ_INT(fault.code, BUS_ADRERR);
    CHECK_EQ_INT((intptr_t)fault.address, (intptr_t)(at + page + 5));
#endif
    object_unlink(name);
}

CASE(mapping_before_there_is_a_size)
{
    char name[RIG_NAME_SIZE];
    int fd = object_make(name, 0);
#ifdef __APPLE__
    CHECK_ERRNO(mmap(NULL, page_size(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), EINVAL);
#else
    char *at = object_map(fd, page_size(), PROT_READ | PROT_WRITE);
    CHECK_EQ_INT(fault_of(fault_read, at).sig, SIGBUS);
    CHECK_OK(ftruncate(fd, (off_t)page_size()));
    CHECK_EQ_INT(at[0], 0); /* the same mapping, now with something behind it */
#endif
    object_unlink(name);
}

/* Linux copies on write; xnu has only MAP_SHARED for these objects (bsd/kern/posix_shm.c pshm_mmap). */
CASE(private_mapping)
{
    char name[RIG_NAME_SIZE];
    int fd = object_make(name, (off_t)page_size());
#ifdef __APPLE__
    CHECK_ERRNO(mmap(NULL, page_size(), PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0), EINVAL);
#else
    char *shared = object_map(fd, page_size(), PROT_READ | PROT_WRITE);
    char *mine = mmap(NULL, page_size(), PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    REQUIRE_OK(mine);
    mine[0] = 'm';
    CHECK_EQ_INT(shared[0], 0);
#endif
    object_unlink(name);
}

CASE(write_to_a_read_only_mapping)
{
    char name[RIG_NAME_SIZE];
    int fd = object_make(name, (off_t)page_size());
    char *at = object_map(fd, page_size(), PROT_READ);
    struct fault fault = fault_of(fault_write, at + 9);
    CHECK_EQ_STR(rig_signal_name(fault.sig), rig_signal_name(FAULT_NO_RIGHT));
    CHECK_EQ_INT((intptr_t)fault.address, (intptr_t)(at + 9));
    CHECK_EQ_INT(at[9], 0);
    object_unlink(name);
}

/* mmap for writing: EACCES on Linux as POSIX says, EPERM on Darwin (bsd/kern/posix_shm.c pshm_mmap). Up to xnu-4903 a
 * read-only mapping could be made writable afterwards; since then its most is what the descriptor allows. */
CASE(read_only_descriptor)
{
    char name[RIG_NAME_SIZE];
    int fd = object_make(name, (off_t)page_size());
    char *writable = object_map(fd, page_size(), PROT_READ | PROT_WRITE);
    int reader = rig_shm_open(name, O_RDONLY, 0);
    REQUIRE_OK(reader);
    char *at = object_map(reader, page_size(), PROT_READ);
    writable[0] = 'w';
    CHECK_EQ_INT(at[0], 'w');
#ifdef __APPLE__
    CHECK_ERRNO(mmap(NULL, page_size(), PROT_READ | PROT_WRITE, MAP_SHARED, reader, 0), EPERM);
    if (ipc_darwin_major() >= 19)
        CHECK_ERRNO(mprotect(at, page_size(), PROT_READ | PROT_WRITE), EACCES);
#else
    CHECK_ERRNO(mmap(NULL, page_size(), PROT_READ | PROT_WRITE, MAP_SHARED, reader, 0), EACCES);
    CHECK_ERRNO(mprotect(at, page_size(), PROT_READ | PROT_WRITE), EACCES);
    CHECK_ERRNO(ftruncate(reader, 100), EINVAL);
#endif
    object_unlink(name);
}

CASE(unmapped_part_is_gone)
{
    char name[RIG_NAME_SIZE];
    size_t page = page_size();
    int fd = object_make(name, (off_t)(2 * page));
    char *at = object_map(fd, 2 * page, PROT_READ | PROT_WRITE);
    at[0] = at[page] = 'u';
    CHECK_OK(munmap(at + page, page));
    CHECK_EQ_INT(fault_of(fault_read, at + page).sig, SIGSEGV);
    CHECK_EQ_INT(at[0], 'u');
    char *again = object_map(fd, 2 * page, PROT_READ);
    CHECK_EQ_INT(again[page], 'u'); /* the object kept it */
    object_unlink(name);
}
