/* notifyd_clients.c - clients in several processes, and what a delivery costs. */
#include "service.h"

#include <stdio.h>

struct pair {
    struct name name, back;
    struct rig_gate ready, go;
};

static struct pair two_names(void)
{
    struct pair pair = {.name = by_daemon()};
    pair.back = another(&pair.name);
    rig_gate_init(&pair.ready);
    rig_gate_init(&pair.go);
    return pair;
}

/* A program of its own: notify(3) is not for forked children. argv: the name to wait for, the name to post, how often. */
ROLE(answers)
{
    struct name name, back;
    int token = -1, fd = -1;
    REQUIRE(argc == 3);
    snprintf(name.text, sizeof name.text, "%s", argv[0]);
    snprintf(back.text, sizeof back.text, "%s", argv[1]);
    REQUIRE_SAID(notify_register_file_descriptor(name.text, &fd, 0, &token));
    post(&back); /* ready */
    for (int left = atoi(argv[2]); left != 0; left--) {
        REQUIRE_QUIET(token_by_read(fd) == token);
        REQUIRE_QUIET(notify_post(back.text) == NOTIFY_STATUS_OK);
    }
    struct name fence = another(&name);
    post(&fence);
}

static pid_t start_answering(const struct pair *pair, int times)
{
    char count[12];
    snprintf(count, sizeof count, "%d", times);
    const char *const args[] = {pair->name.text, pair->back.text, count, NULL};
    return rig_exec_role("answers", args, -1);
}

CASE(two_clients)
{
    struct pair pair = two_names();
    int token = -1, fd = -1;
    REQUIRE_SAID(notify_register_file_descriptor(pair.back.text, &fd, 0, &token));
    pid_t other = start_answering(&pair, 3);
    REQUIRE_EQ_INT(token_from_fd(fd), token);
    for (int i = 0; i < 3; i++) {
        post(&pair.name);
        CHECK_EQ_INT(token_from_fd(fd), token);
    }
    CHECK_EXITED(other, 0);
}

CASE(one_post_reaches_all)
{
    enum { CLIENTS = 4 };
    struct pair pair = two_names();
    int token = -1, fd = -1;
    pid_t clients[CLIENTS];
    REQUIRE_SAID(notify_register_file_descriptor(pair.back.text, &fd, 0, &token));
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = start_answering(&pair, 1);
        REQUIRE_EQ_INT(token_from_fd(fd), token);
    }
    post(&pair.name);
    for (int i = 0; i < CLIENTS; i++)
        CHECK_EQ_INT(token_from_fd(fd), token);
    for (int i = 0; i < CLIENTS; i++)
        CHECK_EXITED(clients[i], 0);
}

ROLE(states)
{
    int token = -1;
    uint64_t state = 0;
    REQUIRE(argc == 1);
    REQUIRE_SAID(notify_register_check(argv[0], &token));
    CHECK_SAID(notify_get_state(token, &state), NOTIFY_STATUS_OK);
    CHECK_EQ_INT(state, 0x1234567890);
    CHECK_SAID(notify_set_state(token, 0xfedcba9876543210), NOTIFY_STATUS_OK);
    CHECK_SAID(notify_get_state(token, &state), NOTIFY_STATUS_OK); /* the server has seen it */
}

CASE(state_is_seen_by_others)
{
    struct name name = by_daemon();
    int token = -1;
    uint64_t state = 0;
    REQUIRE_SAID(notify_register_check(name.text, &token)); /* keeps the name alive */
    CHECK_SAID(notify_set_state(token, 0x1234567890), NOTIFY_STATUS_OK);
    const char *const args[] = {name.text, NULL};
    CHECK_EXITED(rig_exec_role("states", args, -1), 0);
    CHECK_SAID(notify_get_state(token, &state), NOTIFY_STATUS_OK);
    CHECK_EQ_INT(state, 0xfedcba9876543210);
}

CASE(dead_client_harms_nobody)
{
    struct pair pair = two_names();
    int token = -1, fd = -1, own = -1, own_fd = -1, tokens[4];
    REQUIRE_SAID(notify_register_file_descriptor(pair.back.text, &fd, 0, &token));
    REQUIRE_SAID(notify_register_file_descriptor(pair.name.text, &own_fd, 0, &own));
    pid_t other = start_answering(&pair, -1);
    REQUIRE_EQ_INT(token_from_fd(fd), token);
    rig_kill(other);
    post_times(&pair.name, 3);
    CHECK_EQ_INT(tokens_at_fd(own_fd, tokens, 4), 3);
    CHECK_EQ_INT(tokens_at_fd(fd, tokens, 4), 0);
}

ROLE(posts)
{
    REQUIRE(argc == 1);
    struct name name;
    snprintf(name.text, sizeof name.text, "%s", argv[0]);
    post(&name);
}

CASE(poster_need_not_be_registered)
{
    struct name name = by_daemon();
    int token = -1;
    const char *const args[] = {name.text, NULL};
    REQUIRE_SAID(notify_register_check(name.text, &token));
    told(token);
    CHECK_EXITED(rig_exec_role("posts", args, -1), 0);
    CHECK(becomes_told(token));
}

CASE(self_names_stay_inside)
{
    struct name name = by_library();
    int token = -1;
    const char *const args[] = {name.text, NULL};
    REQUIRE_SAID(notify_register_check(name.text, &token));
    told(token);
    CHECK_EXITED(rig_exec_role("posts", args, -1), 0);
    rig_sleep_ms(20);
    CHECK_EQ_INT(told(token), 0);
}

/* ---- Timings -------------------------------------------------------------------------------------------------- */

enum { MOST = 100 };

struct fan {
    struct name name;
    int count;
    int fd, tokens[MOST]; /* one descriptor, that many registrations */
};

static void post_and_collect(void *context, unsigned long n)
{
    struct fan *fan = context;
    while (n--) {
        REQUIRE_QUIET(notify_post(fan->name.text) == NOTIFY_STATUS_OK);
        for (int i = 0; i < fan->count; i++)
            REQUIRE_QUIET(token_by_read(fan->fd) >= 0);
    }
}

static void time_fan(struct name name)
{
    static const int sizes[] = {1, 10, 100};
    for (size_t i = 0; i < RIG_COUNT(sizes); i++) {
        struct fan fan = {.name = another(&name), .count = sizes[i], .fd = -1};
        char label[32];
        for (int k = 0; k < fan.count; k++)
            REQUIRE_SAID(notify_register_file_descriptor(fan.name.text, &fan.fd, k ? NOTIFY_REUSE : 0, &fan.tokens[k]));
        snprintf(label, sizeof label, "post_to_%d", fan.count);
        rig_time(label, 0, post_and_collect, &fan);
        for (int k = 0; k < fan.count; k++)
            notify_cancel(fan.tokens[k]);
    }
}

CASE(time_of_fan_out, .deadline = 120) { time_fan(by_daemon()); }
CASE(self_time_of_fan_out, .deadline = 120) { time_fan(by_library()); }

struct exchange {
    struct pair pair;
    int fd;
};

static void there_and_back(void *context, unsigned long n)
{
    struct exchange *exchange = context;
    while (n--) {
        REQUIRE_QUIET(notify_post(exchange->pair.name.text) == NOTIFY_STATUS_OK);
        REQUIRE_QUIET(token_by_read(exchange->fd) >= 0);
    }
}

CASE(time_between_clients, .deadline = 120)
{
    struct exchange exchange = {.pair = two_names(), .fd = -1};
    int token = -1;
    REQUIRE_SAID(notify_register_file_descriptor(exchange.pair.back.text, &exchange.fd, 0, &token));
    pid_t other = start_answering(&exchange.pair, -1);
    REQUIRE_EQ_INT(token_from_fd(exchange.fd), token);
    there_and_back(&exchange, 16);
    rig_time("post_answer_round_trip", 0, there_and_back, &exchange);
    rig_kill(other);
}
