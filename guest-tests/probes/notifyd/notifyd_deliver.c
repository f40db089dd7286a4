/* notifyd_deliver.c - the ways a notification comes: signal, descriptor, Mach port; held back, shared, in bursts. */
#include "service.h"

static void signals(struct name name)
{
    int token = -1, other = -1;
    struct name stranger = another(&name);
    rig_catch(SIGUSR1, 0);
    rig_catch(SIGUSR2, 0);
    REQUIRE_SAID(notify_register_signal(name.text, SIGUSR1, &token));
    REQUIRE_SAID(notify_register_signal(stranger.text, SIGUSR2, &other));
    CHECK_EQ_INT(rig_caught(SIGUSR1), 0);
    post(&name);
    CHECK_EQ_INT(rig_caught(SIGUSR1), 1);
    CHECK_EQ_INT(rig_caught(SIGUSR2), 0);
    post(&stranger);
    CHECK_EQ_INT(rig_caught(SIGUSR1), 1);
    CHECK_EQ_INT(rig_caught(SIGUSR2), 1);
}

CASE(delivered_by_signal) { signals(by_daemon()); }
CASE(self_delivered_by_signal) { signals(by_library()); }

static void descriptors(struct name name)
{
    int token = -1, fd = -1, tokens[4];
    struct name stranger = another(&name);
    REQUIRE_SAID(notify_register_file_descriptor(name.text, &fd, 0, &token));
    CHECK_EQ_INT(tokens_at_fd(fd, tokens, 4), 0);
    post(&stranger);
    CHECK_EQ_INT(tokens_at_fd(fd, tokens, 4), 0);
    post(&name);
    CHECK_EQ_INT(token_from_fd(fd), token); /* in network byte order */
    CHECK_EQ_INT(tokens_at_fd(fd, tokens, 4), 0);
    post_times(&name, 2);
    CHECK_EQ_INT(tokens_at_fd(fd, tokens, 4), 2);
    CHECK(tokens[0] == token && tokens[1] == token);
}

CASE(delivered_by_descriptor) { descriptors(by_daemon()); }
CASE(self_delivered_by_descriptor) { descriptors(by_library()); }

static void ports(struct name name)
{
    int token = -1, tokens[4];
    mach_port_t port = MACH_PORT_NULL;
    struct name stranger = another(&name);
    REQUIRE_SAID(notify_register_mach_port(name.text, &port, 0, &token));
    CHECK(port != MACH_PORT_NULL);
    CHECK_EQ_INT(tokens_at_port(port, tokens, 4), 0);
    post(&stranger);
    CHECK_EQ_INT(tokens_at_port(port, tokens, 4), 0);
    post(&name);
    CHECK_EQ_INT(token_from_port(port), token); /* the message's id */
    CHECK_EQ_INT(tokens_at_port(port, tokens, 4), 0);
    CHECK_SAID(notify_cancel(token), NOTIFY_STATUS_OK);
}

CASE(delivered_by_port) { ports(by_daemon()); }
CASE(self_delivered_by_port) { ports(by_library()); }

static void shared(struct name name, bool keeps)
{
    int one = -1, two = -1, three = -1, four = -1, fd = -1, same, tokens[4];
    mach_port_t port = MACH_PORT_NULL, same_port;
    struct name other = another(&name);
    REQUIRE_SAID(notify_register_file_descriptor(name.text, &fd, 0, &one));
    same = fd;
    REQUIRE_SAID(notify_register_file_descriptor(other.text, &same, NOTIFY_REUSE, &two));
    CHECK_EQ_INT(same, fd);
    CHECK_NE_INT(one, two);
    REQUIRE_SAID(notify_register_mach_port(name.text, &port, 0, &three));
    same_port = port;
    REQUIRE_SAID(notify_register_mach_port(other.text, &same_port, NOTIFY_REUSE, &four));
    CHECK_EQ_INT(same_port, port);
    post(&other);
    CHECK_EQ_INT(tokens_at_fd(fd, tokens, 4), 1);
    CHECK_EQ_INT(tokens[0], two);
    CHECK_EQ_INT(tokens_at_port(port, tokens, 4), 1);
    CHECK_EQ_INT(tokens[0], four);
    post(&name);
    CHECK_EQ_INT(tokens_at_fd(fd, tokens, 4), 1);
    CHECK_EQ_INT(tokens[0], one);
    CHECK_EQ_INT(tokens_at_port(port, tokens, 4), 1);
    CHECK_EQ_INT(tokens[0], three);
    if (!keeps)
        return;
    /* the descriptor stays as long as one of them does */
    CHECK_SAID(notify_cancel(one), NOTIFY_STATUS_OK);
    post(&name);
    CHECK_EQ_INT(tokens_at_fd(fd, tokens, 4), 0);
    post(&other);
    CHECK_EQ_INT(tokens_at_fd(fd, tokens, 4), 1);
    CHECK_EQ_INT(tokens[0], two);
}

CASE(names_share_a_descriptor_and_a_port) { shared(by_daemon(), true); }
/* Within a process a cancelled registration closes the one write end there is, also for the others (libnotify.c:173, seen on
 * Darwin 17.4's library): not asked. notifyd has its own descriptor for each. */
CASE(self_names_share_a_descriptor_and_a_port) { shared(by_library(), false); }

static void suspends(struct name name)
{
    int token = -1, free_one = -1, fd = -1, free_fd = -1, tokens[4];
    REQUIRE_SAID(notify_register_file_descriptor(name.text, &fd, 0, &token));
    REQUIRE_SAID(notify_register_file_descriptor(name.text, &free_fd, 0, &free_one));
    CHECK_SAID(notify_suspend(token), NOTIFY_STATUS_OK);
    post_times(&name, 3);
    CHECK_EQ_INT(tokens_at_fd(fd, tokens, 4), 0);
    CHECK_EQ_INT(tokens_at_fd(free_fd, tokens, 4), 3); /* the other is not held back */
    CHECK_SAID(notify_resume(token), NOTIFY_STATUS_OK);
    CHECK_EQ_INT(token_from_fd(fd), token); /* one for the three */
    CHECK_EQ_INT(tokens_at_fd(fd, tokens, 4), 0);
    /* nothing came meanwhile: nothing is told */
    CHECK_SAID(notify_suspend(token), NOTIFY_STATUS_OK);
    CHECK_SAID(notify_resume(token), NOTIFY_STATUS_OK);
    CHECK_EQ_INT(tokens_at_fd(fd, tokens, 4), 0);
    /* suspensions count */
    CHECK_SAID(notify_suspend(token), NOTIFY_STATUS_OK);
    CHECK_SAID(notify_suspend(token), NOTIFY_STATUS_OK);
    post(&name);
    CHECK_SAID(notify_resume(token), NOTIFY_STATUS_OK);
    CHECK_EQ_INT(tokens_at_fd(fd, tokens, 4), 0);
    CHECK_SAID(notify_resume(token), NOTIFY_STATUS_OK);
    CHECK_EQ_INT(token_from_fd(fd), token);
    post(&name);
    CHECK_EQ_INT(token_from_fd(fd), token);
    CHECK_EQ_INT(tokens_at_fd(fd, tokens, 4), 0);
}

CASE(suspended_is_held_back, .deadline = 30) { suspends(by_daemon()); }
CASE(self_suspended_is_held_back, .deadline = 30) { suspends(by_library()); }

/* A burst may come as fewer notifications, never as none or more; whatever came, the next post comes, too. */
static void bursts(struct name name)
{
    enum { POSTS = 50 };
    int at_fd = -1, at_port = -1, checked = -1, fd = -1, tokens[POSTS + 10];
    mach_port_t port = MACH_PORT_NULL;
    REQUIRE_SAID(notify_register_file_descriptor(name.text, &fd, 0, &at_fd));
    REQUIRE_SAID(notify_register_mach_port(name.text, &port, 0, &at_port));
    REQUIRE_SAID(notify_register_check(name.text, &checked));
    told(checked);
    post_times(&name, POSTS);
    int by_fd = tokens_at_fd(fd, tokens, POSTS + 10);
    CHECK(by_fd >= 1 && by_fd <= POSTS);
    for (int i = 0; i < by_fd; i++)
        REQUIRE_QUIET(tokens[i] == at_fd);
    /* a port's queue holds five; more wait for room, or are dropped */
    int by_port = tokens_at_port(port, tokens, POSTS + 10);
    CHECK(by_port >= 1 && by_port <= POSTS);
    for (int i = 0; i < by_port; i++)
        REQUIRE_QUIET(tokens[i] == at_port);
    CHECK_EQ_INT(told(checked), 1);
    CHECK_EQ_INT(told(checked), 0);
    FACT("descriptor_tokens_of_50_posts", by_fd);
    FACT("port_messages_of_50_posts", by_port);
    rig_sleep_ms(50); /* what was held back for want of room may come yet: one */
    int late = tokens_at_port(port, tokens, POSTS);
    CHECK_LE_INT(late, 1);
    CHECK_LE_INT(by_port + late, POSTS);
    post(&name);
    CHECK_EQ_INT(token_from_fd(fd), at_fd);
    CHECK_EQ_INT(token_from_port(port), at_port);
    CHECK_EQ_INT(told(checked), 1);
}

CASE(burst_is_coalesced, .deadline = 30) { bursts(by_daemon()); }
CASE(self_burst_is_coalesced, .deadline = 30) { bursts(by_library()); }

static void many(struct name name)
{
    enum { NAMES = 40 };
    int tokens[NAMES], got[4], fd = -1;
    struct name names[NAMES];
    for (int i = 0; i < NAMES; i++) {
        names[i] = another(&name);
        REQUIRE_SAID(notify_register_file_descriptor(names[i].text, &fd, i ? NOTIFY_REUSE : 0, &tokens[i]));
    }
    for (int i = NAMES - 1; i >= 0; i -= 13) {
        post(&names[i]);
        CHECK_EQ_INT(tokens_at_fd(fd, got, 4), 1);
        CHECK_EQ_INT(got[0], tokens[i]);
    }
}

CASE(each_name_for_itself) { many(by_daemon()); }
CASE(self_each_name_for_itself) { many(by_library()); }
