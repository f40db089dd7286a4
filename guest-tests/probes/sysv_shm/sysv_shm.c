/* sysv_shm.c - System V shared memory: making, finding, attaching, what the memory is like. */
#include "fault.h"
#include "segment.h"

#include <sys/mman.h>

PROBE("sysv_shm", "1");

CASE(wrappers_present)
{
    const struct ipc_wrapper all[] = {IPC_WRAPPER(shmget), IPC_WRAPPER(shmat), IPC_WRAPPER(shmdt), IPC_WRAPPER(shmctl)};
    ipc_check_wrappers(all, RIG_COUNT(all));
}

CASE(new_segment_is_described)
{
    int id = segment_make(5000);
    struct shmid_ds data = segment_stat(id);
    CHECK_EQ_INT(data.shm_segsz, 5000); /* as asked for, not rounded */
    CHECK_EQ_INT(data.shm_cpid, getpid());
    CHECK_EQ_INT(data.shm_lpid, 0);
    CHECK_EQ_INT(data.shm_nattch, 0);
    CHECK_EQ_INT(data.shm_atime, 0);
    CHECK_EQ_INT(data.shm_dtime, 0);
    CHECK(ipc_is_now(data.shm_ctime));
    CHECK_EQ_INT(data.shm_perm.mode & 0777, 0600);
    CHECK_EQ_INT(data.shm_perm.uid, geteuid());
    segment_remove(id);
}

CASE(new_memory_is_zero)
{
    size_t size = 3 * page_size();
    int id = segment_make(size);
    const char *at = segment_attach(id, 0);
    size_t other = 0;
    for (size_t i = 0; i < size; i++)
        other += at[i] != 0;
    CHECK_EQ_INT(other, 0);
    segment_detach((void *)at);
    segment_remove(id);
}

CASE(key_finds_one_segment)
{
    key_t key = ipc_key(0);
    CHECK_ERRNO(rig_shmget(key, 100, 0), ENOENT);
    int id = rig_shmget(key, 100, IPC_CREAT | IPC_EXCL | 0600);
    REQUIRE_OK(id);
    rig_own_sysv(RIG_SHM, id);
    CHECK_ERRNO(rig_shmget(key, 100, IPC_CREAT | IPC_EXCL | 0600), EEXIST);
    CHECK_EQ_INT(rig_shmget(key, 100, IPC_CREAT | 0600), id);
    CHECK_EQ_INT(rig_shmget(key, 50, 0), id); /* smaller is fine, */
    CHECK_EQ_INT(rig_shmget(key, 0, 0), id);  /* 0 asks for nothing */
    CHECK_ERRNO(rig_shmget(key, 101, 0), EINVAL);
    segment_remove(id);
    CHECK_ERRNO(rig_shmget(key, 0, 0), ENOENT);
}

/* The rights asked of an existing segment. xnu compares them with the mode bit by bit, for its owner and root too
 * (bsd/kern/sysv_shm.c shmget_existing); Linux asks whether this user has them. */
CASE(mode_asked_of_an_existing_segment)
{
    key_t key = ipc_key(1);
    int id = rig_shmget(key, 100, IPC_CREAT | IPC_EXCL | 0600);
    REQUIRE_OK(id);
    rig_own_sysv(RIG_SHM, id);
    CHECK_EQ_INT(rig_shmget(key, 100, 0600), id);
    CHECK_EQ_INT(rig_shmget(key, 100, 0400), id);
#ifdef __APPLE__
    CHECK_ERRNO(rig_shmget(key, 100, 0666), EACCES);
#else
    CHECK_EQ_INT(rig_shmget(key, 100, 0666), id);
#endif
    segment_remove(id);
}

CASE(attach_write_detach)
{
    int id = segment_make(100);
    char *at = segment_attach(id, 0);
    CHECK_EQ_INT((uintptr_t)at % page_size(), 0);
    memcpy(at, "persistent", 11);
    CHECK_EQ_INT(segment_attached(id), 1);
    segment_detach(at);
    CHECK_EQ_INT(segment_attached(id), 0);
    CHECK_ERRNO(rig_shmdt(at), EINVAL);
    at = segment_attach(id, 0);
    CHECK_EQ_STR(at, "persistent"); /* the segment outlives the attachment */
    segment_detach(at);
    segment_remove(id);
}

CASE(attach_twice)
{
    int id = segment_make(100);
    char *one = segment_attach(id, 0), *two = segment_attach(id, 0);
    CHECK_NE_INT((intptr_t)one, (intptr_t)two);
    CHECK_EQ_INT(segment_attached(id), 2);
    one[5] = 'x';
    CHECK_EQ_INT(two[5], 'x');
    segment_detach(one);
    CHECK_EQ_INT(segment_attached(id), 1);
    CHECK_EQ_INT(two[5], 'x');
    segment_detach(two);
    segment_remove(id);
}

CASE(last_page_is_whole)
{
    size_t size = page_size() + 1;
    int id = segment_make(size);
    char *at = segment_attach(id, 0);
    CHECK_EQ_INT(fault_of(fault_write, at + 2 * page_size() - 1).sig, 0);
    CHECK_EQ_INT(segment_stat(id).shm_segsz, size);
    segment_detach(at);
    segment_remove(id);
}

/* An address where something can surely be attached: where something was. */
CASE(address_is_rounded_when_asked)
{
    int id = segment_make(100);
    char *place = segment_attach(id, 0);
    segment_detach(place);
    CHECK_ERRNO(rig_shmat(id, place + 1, 0), EINVAL);
    void *at = rig_shmat(id, place + 1, SHM_RND);
    CHECK_EQ_INT((intptr_t)at, (intptr_t)place);
    segment_detach(at);
    at = rig_shmat(id, place, 0);
    CHECK_EQ_INT((intptr_t)at, (intptr_t)place);
    segment_detach(at);
    segment_remove(id);
}

/* Over what is there already: Linux wants SHM_REMAP for that; xnu finds no space (bsd/kern/sysv_shm.c shmat,
 * KERN_NO_SPACE). */
CASE(attach_over_other_memory)
{
    int id = segment_make(100);
    char *page = mmap(NULL, page_size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0);
    REQUIRE_OK(page);
    page[0] = 'k';
#ifdef __APPLE__
    CHECK_ERRNO(rig_shmat(id, page, 0), ENOMEM);
#else
    CHECK_ERRNO(rig_shmat(id, page, 0), EINVAL);
#endif
    CHECK_EQ_INT(page[0], 'k');
    CHECK_EQ_INT(segment_attached(id), 0);
    segment_remove(id);
}

CASE(read_only_attachment)
{
    int id = segment_make(100);
    char *writable = segment_attach(id, 0), *read_only = segment_attach(id, SHM_RDONLY);
    writable[3] = 'r';
    CHECK_EQ_INT(read_only[3], 'r');
    struct fault fault = fault_of(fault_write, read_only + 3);
    CHECK_EQ_STR(rig_signal_name(fault.sig), rig_signal_name(FAULT_NO_RIGHT));
    CHECK_EQ_INT((intptr_t)fault.address, (intptr_t)(read_only + 3));
    CHECK_EQ_INT(writable[3], 'r');
    CHECK_ERRNO(mprotect(read_only, page_size(), PROT_READ | PROT_WRITE), EACCES);
    segment_detach(writable);
    segment_detach(read_only);
    segment_remove(id);
}

CASE(detached_memory_is_gone)
{
    int id = segment_make(100);
    char *at = segment_attach(id, 0);
    segment_detach(at);
    struct fault fault = fault_of(fault_read, at);
    CHECK_EQ_STR(rig_signal_name(fault.sig), "SIGSEGV");
    CHECK_EQ_INT(fault.code, SEGV_MAPERR);
    CHECK_EQ_INT((intptr_t)fault.address, (intptr_t)at);
    segment_remove(id);
}

CASE(set_changes_mode)
{
    int id = segment_make(100);
    struct shmid_ds data = segment_stat(id);
    data.shm_perm.mode = 0640;
    data.shm_segsz = 12345; /* not for the caller to change */
    CHECK_OK(rig_shmctl(id, IPC_SET, &data));
    data = segment_stat(id);
    CHECK_EQ_INT(data.shm_perm.mode & 0777, 0640);
    CHECK_EQ_INT(data.shm_segsz, 100);
    CHECK(ipc_is_now(data.shm_ctime));
    segment_remove(id);
}

CASE(bad_arguments)
{
    int id = segment_make(100);
    struct shmid_ds data;
    CHECK_ERRNO(rig_shmat(-1, NULL, 0), EINVAL);
    CHECK_ERRNO(rig_shmctl(-1, IPC_STAT, &data), EINVAL);
    CHECK_ERRNO(rig_shmctl(id, 12345, &data), EINVAL);
    CHECK_ERRNO(rig_shmctl(id, IPC_STAT, ipc_forbidden_page()), EFAULT);
    CHECK_ERRNO(rig_shmdt(ipc_forbidden_page()), EINVAL); /* memory, but no segment */
    segment_remove(id);
}

CASE(removed_segment_is_unknown)
{
    int id = segment_make(100);
    segment_remove(id);
    struct shmid_ds data;
    CHECK_ERRNO(rig_shmat(id, NULL, 0), EINVAL);
    CHECK_ERRNO(rig_shmctl(id, IPC_STAT, &data), EINVAL);
    CHECK_ERRNO(rig_shmctl(id, IPC_RMID, NULL), EINVAL);
}
