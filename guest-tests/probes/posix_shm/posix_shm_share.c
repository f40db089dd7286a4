/* posix_shm_share.c - shared memory objects between processes: visibility, rights, races, and times. */
#include "object.h"

struct shared_object {
    char *at;
    struct rig_gate done, go_on;
};

static void write_and_read(void *arg)
{
    struct shared_object *shared = arg;
    CHECK_EQ_INT(shared->at[0], 'p');
    shared->at[1] = 'c';
    rig_gate_pass(&shared->done);
    rig_gate_wait(&shared->go_on);
    CHECK_EQ_INT(shared->at[2], 'q');
}

CASE(child_sees_the_memory)
{
    char name[RIG_NAME_SIZE];
    int fd = object_make(name, (off_t)page_size());
    struct shared_object shared = {.at = object_map(fd, page_size(), PROT_READ | PROT_WRITE)};
    rig_gate_init(&shared.done);
    rig_gate_init(&shared.go_on);
    shared.at[0] = 'p';
    pid_t child = rig_spawn(write_and_read, &shared);
    rig_gate_wait(&shared.done);
    CHECK_EQ_INT(shared.at[1], 'c');
    shared.at[2] = 'q';
    rig_gate_pass(&shared.go_on);
    CHECK_EXITED(child, 0);
    object_unlink(name);
}

ROLE(visitor)
{
    REQUIRE_EQ_INT(argc, 1);
    int fd = rig_shm_open(argv[0], O_RDWR, 0);
    REQUIRE_OK(fd);
    char *at = object_map(fd, page_size(), PROT_READ | PROT_WRITE);
    CHECK_EQ_STR(at, "question");
    memcpy(at + 100, "answer", 7);
}

CASE(unrelated_process_finds_it_by_name)
{
    char name[RIG_NAME_SIZE];
    int fd = object_make(name, (off_t)page_size());
    char *at = object_map(fd, page_size(), PROT_READ | PROT_WRITE);
    memcpy(at, "question", 9);
    const char *const args[] = {name, NULL};
    CHECK_EXITED(rig_exec_role("visitor", args, -1), 0);
    CHECK_EQ_STR(at + 100, "answer");
    object_unlink(name);
}

static void set_a_size(void *arg) { CHECK_OK(ftruncate(*(int *)arg, (off_t)page_size())); }

CASE(child_sets_the_size)
{
    char name[RIG_NAME_SIZE];
    int fd = object_make(name, 0);
    CHECK_EXITED(rig_spawn(set_a_size, &fd), 0);
    CHECK_EQ_INT(object_size(fd), page_size());
    CHECK_EQ_INT(object_map(fd, page_size(), PROT_READ)[0], 0);
    object_unlink(name);
}

static void as_stranger(void *arg)
{
    ipc_become_other_user();
    CHECK_ERRNO(rig_shm_open(arg, O_RDWR, 0), EACCES);
    CHECK_ERRNO(rig_shm_open(arg, O_RDONLY, 0), EACCES);
    CHECK_EQ_INT(rig_shm_unlink(arg), -1);
    const char *error = rig_errno_name(errno);
    CHECK(rig_streq(error, "EACCES") || rig_streq(error, "EPERM")); /* EPERM: musl passes on what /dev/shm says */
}

static void as_reader(void *arg)
{
    ipc_become_other_user();
    CHECK_ERRNO(rig_shm_open(arg, O_RDWR, 0), EACCES);
    int fd = rig_shm_open(arg, O_RDONLY, 0);
    REQUIRE_OK(fd);
    CHECK_EQ_INT(object_map(fd, page_size(), PROT_READ)[0], 'o');
}

CASE(other_users_need_rights)
{
    ipc_need_other_user();
    char name[RIG_NAME_SIZE], open_name[RIG_NAME_SIZE];
    object_make(name, (off_t)page_size());
    CHECK_EXITED(rig_spawn(as_stranger, name), 0);
    object_unlink(name);
    rig_own_posix(RIG_POSIX_SHM, rig_unique_name(open_name));
    int fd = rig_shm_open(open_name, O_RDWR | O_CREAT | O_EXCL, 0644);
    REQUIRE_OK(fd);
    REQUIRE_OK(ftruncate(fd, (off_t)page_size()));
    object_map(fd, page_size(), PROT_READ | PROT_WRITE)[0] = 'o';
    CHECK_EXITED(rig_spawn(as_reader, open_name), 0);
    object_unlink(open_name);
}

/* Several processes do one thing at once; exit code 1 says "it was me". */
struct race {
    const char *name;
    int fd;
    struct rig_gate start;
};

enum { RUNNERS = 6, ROUNDS = 5 };

static int count_winners(struct race *race, void (*run)(void *arg))
{
    pid_t runners[RUNNERS];
    int winners = 0;
    rig_gate_init(&race->start);
    for (int i = 0; i < RUNNERS; i++)
        runners[i] = rig_spawn(run, race);
    for (int i = 0; i < RUNNERS; i++)
        rig_gate_pass(&race->start);
    for (int i = 0; i < RUNNERS; i++) {
        int status = rig_join(runners[i]);
        winners += WIFEXITED(status) && WEXITSTATUS(status) == 1;
    }
    rig_gate_close(&race->start);
    return winners;
}

static void try_to_make(void *arg)
{
    struct race *race = arg;
    rig_gate_wait(&race->start);
    if (rig_shm_open(race->name, O_RDWR | O_CREAT | O_EXCL, 0600) != -1)
        exit(1);
    CHECK_EQ_STR(rig_errno_name(errno), "EEXIST");
}

CASE(exclusive_creation_has_one_winner)
{
    for (int round = 0; round < ROUNDS; round++) {
        char name[RIG_NAME_SIZE];
        struct race race = {.name = rig_unique_name(name)};
        rig_own_posix(RIG_POSIX_SHM, name);
        CHECK_EQ_INT(count_winners(&race, try_to_make), 1);
        object_unlink(name);
    }
}

static void try_to_unlink(void *arg)
{
    struct race *race = arg;
    rig_gate_wait(&race->start);
    if (rig_shm_unlink(race->name) == 0)
        exit(1);
    CHECK_EQ_STR(rig_errno_name(errno), "ENOENT");
}

CASE(unlinking_has_one_winner)
{
    for (int round = 0; round < ROUNDS; round++) {
        char name[RIG_NAME_SIZE];
        struct race race = {.name = name};
        int fd = object_make(name, (off_t)page_size());
        CHECK_EQ_INT(count_winners(&race, try_to_unlink), 1);
        rig_disown_posix(RIG_POSIX_SHM, name);
        close(fd);
    }
}

static void try_to_size(void *arg)
{
    struct race *race = arg;
    rig_gate_wait(&race->start);
    if (ftruncate(race->fd, (off_t)page_size()) == 0)
        exit(1);
    CHECK_EQ_STR(rig_errno_name(errno), "EINVAL");
}

CASE(sizing_at_once)
{
    for (int round = 0; round < ROUNDS; round++) {
        char name[RIG_NAME_SIZE];
        struct race race = {.fd = object_make(name, 0)};
#ifdef __APPLE__
        CHECK_EQ_INT(count_winners(&race, try_to_size), 1); /* one size in a lifetime */
#else
        CHECK_EQ_INT(count_winners(&race, try_to_size), RUNNERS);
#endif
        CHECK_EQ_INT(object_size(race.fd), page_size());
        object_unlink(name);
        close(race.fd);
    }
}

enum { ROOM = 1 << 20 };

struct memory {
    struct ipc_turn turn;
    volatile size_t bytes; /* of a buffer that is passed */
    _Alignas(64) char room[ROOM];
};

static struct memory *make_memory(char name[RIG_NAME_SIZE])
{
    return (struct memory *)(void *)object_map(object_make(name, sizeof(struct memory)), sizeof(struct memory),
                                               PROT_READ | PROT_WRITE);
}

static void give_back(void *arg)
{
    struct memory *memory = arg;
    for (;;) {
        ipc_turn_wait(&memory->turn, 1);
        ipc_turn_give(&memory->turn, 0);
    }
}

static void hand_over(void *context, unsigned long n)
{
    struct memory *memory = context;
    for (unsigned long i = 0; i < n; i++) {
        ipc_turn_give(&memory->turn, 1);
        ipc_turn_wait(&memory->turn, 0);
    }
}

CASE(time_hand_over, .deadline = 30)
{
    char name[RIG_NAME_SIZE];
    struct memory *memory = make_memory(name);
    pid_t child = rig_spawn(give_back, memory);
    hand_over(memory, 16); /* the child is up and running: its start is not to be measured */
    rig_time("hand_over_and_back", 0, hand_over, memory);
    rig_kill(child);
    object_unlink(name);
}

/* A buffer handed over, read there, handed back: what a message costs that nobody copies in the kernel. */
static void sum_up(void *arg)
{
    struct memory *memory = arg;
    for (;;) {
        unsigned long sum = 0;
        ipc_turn_wait(&memory->turn, 1);
        for (size_t i = 0; i < memory->bytes; i += 8)
            sum += *(const unsigned long *)(const void *)(memory->room + i);
        memory->room[1 << 16] = (char)sum;
        ipc_turn_give(&memory->turn, 0);
    }
}

static void fill_and_hand_over(void *context, unsigned long n)
{
    struct memory *memory = context;
    for (unsigned long i = 0; i < n; i++) {
        memset(memory->room, (int)i, memory->bytes);
        ipc_turn_give(&memory->turn, 1);
        ipc_turn_wait(&memory->turn, 0);
    }
}

CASE(time_pass_a_buffer, .deadline = 30)
{
    char name[RIG_NAME_SIZE];
    struct memory *memory = make_memory(name);
    pid_t child = rig_spawn(sum_up, memory);
    static const size_t sizes[] = {4096, 1 << 16};
    for (size_t i = 0; i < RIG_COUNT(sizes); i++) {
        memory->bytes = sizes[i];
        fill_and_hand_over(memory, 16);
        rig_time_rate_held("pass_a_buffer", sizes[i], 0, fill_and_hand_over, memory);
    }
    rig_kill(child);
    object_unlink(name);
}
