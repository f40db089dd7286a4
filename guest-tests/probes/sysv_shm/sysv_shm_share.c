/* sysv_shm_share.c - segments and processes: inheritance, counts, removal while attached. */
#include "segment.h"

struct shared_segment {
    int id;
    char *at;
    struct rig_gate done, go_on;
};

static void segment_gates(struct shared_segment *shared)
{
    rig_gate_init(&shared->done);
    rig_gate_init(&shared->go_on);
}

static void write_and_wait(void *arg)
{
    struct shared_segment *shared = arg;
    CHECK_EQ_INT(shared->at[0], 'p');
    shared->at[1] = 'c';
    rig_gate_pass(&shared->done);
    rig_gate_wait(&shared->go_on);
}

CASE(child_inherits_the_attachment)
{
    struct shared_segment shared = {.id = segment_make(100)};
    shared.at = segment_attach(shared.id, 0);
    segment_gates(&shared);
    shared.at[0] = 'p';
    pid_t child = rig_spawn(write_and_wait, &shared);
    rig_gate_wait(&shared.done);
    CHECK_EQ_INT(shared.at[1], 'c');
    CHECK_EQ_INT(segment_attached(shared.id), 2);
    rig_gate_pass(&shared.go_on);
    CHECK_EXITED(child, 0);
    CHECK_EQ_INT(segment_attached(shared.id), 1);
    segment_detach(shared.at);
    segment_remove(shared.id);
}

CASE(kill_detaches)
{
    struct shared_segment shared = {.id = segment_make(100)};
    shared.at = segment_attach(shared.id, 0);
    segment_gates(&shared);
    shared.at[0] = 'p';
    pid_t child = rig_spawn(write_and_wait, &shared);
    rig_gate_wait(&shared.done);
    CHECK_EQ_INT(segment_attached(shared.id), 2);
    CHECK_OK(kill(child, SIGKILL));
    CHECK_KILLED_BY(child, SIGKILL);
    CHECK_EQ_INT(segment_attached(shared.id), 1);
    segment_detach(shared.at);
    segment_remove(shared.id);
}

static void attach_and_detach(void *arg)
{
    int id = *(int *)arg;
    char *at = segment_attach(id, 0);
    at[0] = 'd';
    segment_detach(at);
}

CASE(last_user_and_times)
{
    int id = segment_make(100);
    pid_t child = rig_spawn(attach_and_detach, &id);
    CHECK_EXITED(child, 0);
    struct shmid_ds data = segment_stat(id);
    CHECK_EQ_INT(data.shm_lpid, child);
    CHECK_EQ_INT(data.shm_cpid, getpid());
    CHECK(ipc_is_now(data.shm_atime));
    CHECK(ipc_is_now(data.shm_dtime));
    char *at = segment_attach(id, 0);
    CHECK_EQ_INT(at[0], 'd');
    CHECK_EQ_INT(segment_stat(id).shm_lpid, getpid());
    segment_detach(at);
    segment_remove(id);
}

/* The new program says it runs by a byte in the pipe, and ends when the pipe's reader is gone. */
ROLE(bystander)
{
    REQUIRE_EQ_INT(argc, 1);
    int fd = (int)strtol(argv[0], NULL, 10);
    CHECK_EQ_INT(write(fd, "r", 1), 1);
    signal(SIGPIPE, SIG_IGN);
    while (write(fd, "r", 1) == 1)
        rig_sleep_ms(1);
}

CASE(exec_detaches)
{
    int id = segment_make(100), fd[2];
    char *at = segment_attach(id, 0), number[16], byte;
    REQUIRE_OK(pipe(fd));
    snprintf(number, sizeof number, "%d", fd[1]);
    const char *const args[] = {number, NULL};
    pid_t other = rig_exec_role("bystander", args, fd[1]);
    close(fd[1]);
    REQUIRE(rig_wait_readable(fd[0]));
    CHECK_EQ_INT(read(fd[0], &byte, 1), 1);
    CHECK_EQ_INT(segment_attached(id), 1); /* the fork added one, the exec took it away */
    close(fd[0]);
    CHECK_EXITED(other, 0);
    segment_detach(at);
    segment_remove(id);
}

ROLE(visitor)
{
    REQUIRE_EQ_INT(argc, 1);
    int id = rig_shmget((key_t)strtol(argv[0], NULL, 10), 0, 0);
    REQUIRE_OK(id);
    char *at = segment_attach(id, 0);
    CHECK_EQ_STR(at, "question");
    memcpy(at + 100, "answer", 7);
    segment_detach(at);
}

CASE(unrelated_process_finds_it_by_key)
{
    char key_text[24];
    key_t key = ipc_key(2);
    snprintf(key_text, sizeof key_text, "%ld", (long)key);
    int id = rig_shmget(key, 200, IPC_CREAT | IPC_EXCL | 0600);
    REQUIRE_OK(id);
    rig_own_sysv(RIG_SHM, id);
    char *at = segment_attach(id, 0);
    memcpy(at, "question", 9);
    const char *const args[] = {key_text, NULL};
    CHECK_EXITED(rig_exec_role("visitor", args, -1), 0);
    CHECK_EQ_STR(at + 100, "answer");
    segment_detach(at);
    segment_remove(id);
}

/* The memory stays as long as somebody is attached. Until then Linux still shows the segment and lets others attach;
 * xnu hides it at once (bsd/kern/sysv_shm.c shm_find_segment_by_shmid). */
CASE(removal_waits_for_the_last_detach)
{
    key_t key = ipc_key(3);
    struct shmid_ds data;
    int id = rig_shmget(key, 100, IPC_CREAT | IPC_EXCL | 0600);
    REQUIRE_OK(id);
    rig_own_sysv(RIG_SHM, id);
    char *at = segment_attach(id, 0);
    segment_remove(id);
    at[0] = 'z';
    CHECK_EQ_INT(at[0], 'z');
    CHECK_ERRNO(rig_shmget(key, 100, 0), ENOENT); /* its key is free */
#ifdef __APPLE__
    CHECK_ERRNO(rig_shmat(id, NULL, 0), EINVAL);
    CHECK_ERRNO(rig_shmctl(id, IPC_STAT, &data), EINVAL);
#else
    char *again = segment_attach(id, 0);
    CHECK_EQ_INT(again[0], 'z');
    CHECK_EQ_INT(segment_attached(id), 2);
    segment_detach(again);
#endif
    segment_detach(at);
    CHECK_ERRNO(rig_shmctl(id, IPC_STAT, &data), EINVAL);
}

static void read_after_removal(void *arg)
{
    struct shared_segment *shared = arg;
    rig_gate_pass(&shared->done);
    rig_gate_wait(&shared->go_on);
    CHECK_EQ_INT(shared->at[0], 'a');
    shared->at[0] = 'b';
}

CASE(child_keeps_a_removed_segment)
{
    struct shared_segment shared = {.id = segment_make(100)};
    struct shmid_ds data;
    shared.at = segment_attach(shared.id, 0);
    segment_gates(&shared);
    pid_t child = rig_spawn(read_after_removal, &shared);
    rig_gate_wait(&shared.done);
    shared.at[0] = 'a';
    segment_remove(shared.id);
    segment_detach(shared.at);
    rig_gate_pass(&shared.go_on);
    CHECK_EXITED(child, 0);
    CHECK_ERRNO(rig_shmctl(shared.id, IPC_STAT, &data), EINVAL); /* gone with the child */
}

struct keyed_segment {
    int id;
    key_t key;
};

static void as_stranger(void *arg)
{
    const struct keyed_segment *segment = arg;
    struct shmid_ds data;
    ipc_become_other_user();
    CHECK_ERRNO(rig_shmat(segment->id, NULL, 0), EACCES);
    CHECK_ERRNO(rig_shmat(segment->id, NULL, SHM_RDONLY), EACCES);
    CHECK_ERRNO(rig_shmctl(segment->id, IPC_STAT, &data), EACCES);
    CHECK_ERRNO(rig_shmctl(segment->id, IPC_RMID, NULL), EPERM);
}

static void as_reader(void *arg)
{
    const struct keyed_segment *segment = arg;
    ipc_become_other_user();
    char *at = segment_attach(segment->id, SHM_RDONLY);
    CHECK_EQ_INT(at[0], 'o');
    segment_detach(at);
    CHECK_ERRNO(rig_shmat(segment->id, NULL, 0), EACCES);
    CHECK_ERRNO(rig_shmctl(segment->id, IPC_RMID, NULL), EPERM);
}

CASE(other_users_need_rights)
{
    ipc_need_other_user();
    struct keyed_segment segment = {.id = segment_make(100)};
    char *at = segment_attach(segment.id, 0);
    at[0] = 'o';
    segment_detach(at);
    CHECK_EXITED(rig_spawn(as_stranger, &segment), 0);
    struct shmid_ds data = segment_stat(segment.id);
    data.shm_perm.mode = 0644;
    CHECK_OK(rig_shmctl(segment.id, IPC_SET, &data));
    CHECK_EXITED(rig_spawn(as_reader, &segment), 0);
    segment_remove(segment.id);
}
