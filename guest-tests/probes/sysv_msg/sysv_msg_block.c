/* sysv_msg_block.c - waiting in msgsnd and msgrcv: woken by a message, by room, by removal, by a signal. */
#include "queue.h"

enum { PIECE = 512 }; /* Darwin's queue of 2048 bytes takes four */

static void receive_one(void *arg)
{
    struct message got;
    CHECK_EQ_INT(rig_msgrcv(*(int *)arg, &got, sizeof got.text, 6, 0), 5);
    CHECK_EQ_INT(got.type, 6);
    CHECK_EQ_BYTES(got.text, "wwwww", 5);
}

static void send_one(void *arg) { CHECK_OK(queue_send(*(int *)arg, 9, PIECE, 'z', 0)); }

CASE(receive_waits_for_a_message)
{
    int id = queue_make();
    pid_t child = rig_spawn(receive_one, &id);
    CHECK(rig_wait_blocked(child));
    CHECK_OK(queue_send(id, 6, 5, 'w', 0));
    CHECK_EXITED(child, 0);
    CHECK_EQ_INT(queue_stat(id).msg_lrpid, child);
    queue_remove(id);
}

CASE(receive_waits_for_its_type)
{
    int id = queue_make();
    pid_t child = rig_spawn(receive_one, &id);
    CHECK(rig_wait_blocked(child));
    CHECK_OK(queue_send(id, 5, 5, 'x', 0)); /* not for it */
    CHECK(rig_wait_blocked(child));
    CHECK_EQ_INT(queue_stat(id).msg_qnum, 1);
    CHECK_OK(queue_send(id, 6, 5, 'w', 0));
    CHECK_EXITED(child, 0);
    CHECK_EQ_INT(queue_next_type(id, 0), 5);
    queue_remove(id);
}

CASE(send_waits_for_room)
{
    int id = queue_make();
    queue_fill(id, PIECE);
    pid_t child = rig_spawn(send_one, &id);
    CHECK(rig_wait_blocked(child));
    CHECK_EQ_INT(queue_next_type(id, 1), 1);
    CHECK_EXITED(child, 0);
    CHECK_EQ_INT(queue_next_type(id, 9), 9);
    queue_remove(id);
}

static void receive_until_removed(void *arg)
{
    struct message got;
    CHECK_ERRNO(rig_msgrcv(*(int *)arg, &got, sizeof got.text, 0, 0), EIDRM);
}

static void send_until_removed(void *arg) { CHECK_ERRNO(queue_send(*(int *)arg, 1, PIECE, 'r', 0), EIDRM); }

CASE(removal_wakes_a_receiver)
{
    int id = queue_make();
    pid_t child = rig_spawn(receive_until_removed, &id);
    CHECK(rig_wait_blocked(child));
    queue_remove(id);
    CHECK_EXITED(child, 0);
}

CASE(removal_wakes_a_sender)
{
    int id = queue_make();
    queue_fill(id, PIECE);
    pid_t child = rig_spawn(send_until_removed, &id);
    CHECK(rig_wait_blocked(child));
    queue_remove(id);
    CHECK_EXITED(child, 0);
}

/* Linux signal(7) lists these calls as never restarted; xnu turns whatever msleep gives into EINTR. */
static int receive_blocking(void *context)
{
    struct message got;
    return (int)rig_msgrcv(*(int *)context, &got, sizeof got.text, 0, 0);
}

static int send_blocking(void *context) { return queue_send(*(int *)context, 1, PIECE, 's', 0); }

CASE(signal_ends_a_receive)
{
    int id = queue_make();
    ipc_check_interrupted(receive_blocking, &id, 0);
    ipc_check_interrupted(receive_blocking, &id, SA_RESTART);
    queue_remove(id);
}

CASE(signal_ends_a_send)
{
    int id = queue_make();
    queue_fill(id, PIECE);
    ipc_check_interrupted(send_blocking, &id, 0);
    ipc_check_interrupted(send_blocking, &id, SA_RESTART);
    CHECK_EQ_INT(queue_next_type(id, 0), 1);
    queue_remove(id);
}

/* Two receivers of different types: each gets its own. */
static void receive_type(void *arg)
{
    const int *work = arg;
    struct message got;
    CHECK_EQ_INT(rig_msgrcv(work[0], &got, sizeof got.text, work[1], 0), 2);
    CHECK_EQ_INT(got.type, work[1]);
}

CASE(each_receiver_gets_its_type)
{
    int id = queue_make(), first[2] = {id, 1}, second[2] = {id, 2};
    pid_t one = rig_spawn(receive_type, first), two = rig_spawn(receive_type, second);
    CHECK(rig_wait_blocked(one));
    CHECK(rig_wait_blocked(two));
    CHECK_OK(queue_send(id, 2, 2, 'b', 0));
    CHECK_OK(queue_send(id, 1, 2, 'a', 0));
    CHECK_EXITED(one, 0);
    CHECK_EXITED(two, 0);
    CHECK_EQ_INT(queue_stat(id).msg_qnum, 0);
    queue_remove(id);
}

ROLE(answerer)
{
    REQUIRE_EQ_INT(argc, 1);
    int id = rig_msgget((key_t)strtol(argv[0], NULL, 10), 0);
    REQUIRE_OK(id);
    struct message got;
    CHECK_EQ_INT(rig_msgrcv(id, &got, sizeof got.text, 1, 0), 4);
    got.type = 2;
    CHECK_OK(rig_msgsnd(id, &got, 4, 0));
}

CASE(unrelated_process_finds_it_by_key)
{
    char key_text[24];
    key_t key = ipc_key(1);
    snprintf(key_text, sizeof key_text, "%ld", (long)key);
    int id = rig_msgget(key, IPC_CREAT | IPC_EXCL | 0600);
    REQUIRE_OK(id);
    rig_own_sysv(RIG_MSG, id);
    const char *const args[] = {key_text, NULL};
    pid_t other = rig_exec_role("answerer", args, -1);
    CHECK_OK(queue_send(id, 1, 4, 'k', 0));
    CHECK_EXITED(other, 0);
    struct message got;
    CHECK_EQ_INT(rig_msgrcv(id, &got, sizeof got.text, 2, IPC_NOWAIT), 4);
    CHECK_EQ_BYTES(got.text, "kkkk", 4);
    queue_remove(id);
}
