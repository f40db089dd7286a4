/* notifyd.c - notifications by name: registering, posting, checking, state, cancelling. Each contract is asked twice: of
 * notifyd, and (self_...) of the library, which serves names that begin with "self." itself: there is one on every image
 * that has the library. Facts: Libnotify-165.20.1 (macOS 10.13), notify.h, notify_client.c, libnotify.c. */
#include "service.h"

#include <fcntl.h>

PROBE("notifyd", "1");

static void checks(struct name name)
{
    int token = -1, other = -1;
    struct name stranger = another(&name);
    REQUIRE_SAID(notify_register_check(name.text, &token));
    REQUIRE_SAID(notify_register_check(name.text, &other));
    CHECK_NE_INT(token, other);
    CHECK_EQ_INT(told(token), 1); /* the first answer is always yes */
    CHECK_EQ_INT(told(token), 0);
    post(&name);
    CHECK(becomes_told(token));
    CHECK_EQ_INT(told(token), 0); /* told once */
    CHECK_EQ_INT(told(other), 1); /* each token for itself */
    CHECK_EQ_INT(told(other), 0);
    post(&stranger);
    CHECK_EQ_INT(told(token), 0);
    post_times(&name, 3);
    CHECK(becomes_told(token));
    CHECK_EQ_INT(told(token), 0); /* three posts are one news */
}

CASE(check_tells_a_post_once) { checks(by_daemon()); }
CASE(self_check_tells_a_post_once) { checks(by_library()); }

static void states(struct name name)
{
    int token = -1, other = -1, apart = -1;
    uint64_t state = 99;
    struct name stranger = another(&name);
    REQUIRE_SAID(notify_register_check(name.text, &token));
    REQUIRE_SAID(notify_register_check(name.text, &other));
    REQUIRE_SAID(notify_register_check(stranger.text, &apart));
    CHECK_SAID(notify_get_state(token, &state), NOTIFY_STATUS_OK);
    CHECK_EQ_INT(state, 0);
    CHECK_SAID(notify_set_state(token, 0x8000000100000002), NOTIFY_STATUS_OK); /* all 64 bits */
    CHECK_SAID(notify_get_state(token, &state), NOTIFY_STATUS_OK);
    CHECK_EQ_INT(state, 0x8000000100000002);
    CHECK_SAID(notify_get_state(other, &state), NOTIFY_STATUS_OK);
    CHECK_EQ_INT(state, 0x8000000100000002); /* the name's, not the token's */
    CHECK_SAID(notify_get_state(apart, &state), NOTIFY_STATUS_OK);
    CHECK_EQ_INT(state, 0);
    CHECK_SAID(notify_set_state(other, 5), NOTIFY_STATUS_OK);
    post(&name); /* a post changes no state */
    CHECK_SAID(notify_get_state(token, &state), NOTIFY_STATUS_OK);
    CHECK_EQ_INT(state, 5);
}

CASE(state_is_kept) { states(by_daemon()); }
CASE(self_state_is_kept) { states(by_library()); }

static void state_is_no_post(struct name name)
{
    int token = -1;
    REQUIRE_SAID(notify_register_check(name.text, &token));
    told(token);
    CHECK_SAID(notify_set_state(token, 7), NOTIFY_STATUS_OK);
    struct name fence = another(&name);
    post(&fence);
    CHECK_EQ_INT(told(token), 0);
}

CASE(setting_state_tells_nobody) { state_is_no_post(by_daemon()); }
CASE(self_setting_state_tells_nobody) { state_is_no_post(by_library()); }

static void cancels(struct name name)
{
    int token = -1, other = -1, by_fd = -1, fd = -1, check, tokens[4];
    uint64_t state;
    REQUIRE_SAID(notify_register_check(name.text, &token));
    REQUIRE_SAID(notify_register_check(name.text, &other));
    REQUIRE_SAID(notify_register_file_descriptor(name.text, &fd, 0, &by_fd));
    told(other);
    CHECK(notify_is_valid_token(token));
    CHECK_SAID(notify_cancel(token), NOTIFY_STATUS_OK);
    CHECK(!notify_is_valid_token(token));
    CHECK_SAID(notify_check(token, &check), NOTIFY_STATUS_INVALID_TOKEN);
    CHECK_SAID(notify_get_state(token, &state), NOTIFY_STATUS_INVALID_TOKEN);
    CHECK_SAID(notify_cancel(token), NOTIFY_STATUS_INVALID_TOKEN);
    post(&name); /* the others still are told */
    CHECK(becomes_told(other));
    CHECK_EQ_INT(tokens_at_fd(fd, tokens, 4), 1);
    CHECK_EQ_INT(tokens[0], by_fd);
    int copy = fcntl(fd, F_DUPFD, 100); /* cancelling closes fd: what came later would be seen here */
    REQUIRE_OK(copy);
    CHECK_SAID(notify_cancel(by_fd), NOTIFY_STATUS_OK);
    CHECK_ERRNO(fcntl(fd, F_GETFD), EBADF);
    post_times(&name, 3);
    CHECK(becomes_told(other));
    /* the end, or nothing: no token */
    CHECK(tokens_at_fd(copy, tokens, 1) == 0 || tokens[0] == -1);
}

CASE(cancel_stops_delivery) { cancels(by_daemon()); }
CASE(self_cancel_stops_delivery) { cancels(by_library()); }

static void signal_cancels(struct name name)
{
    int token = -1;
    rig_catch(SIGUSR1, 0);
    REQUIRE_SAID(notify_register_signal(name.text, SIGUSR1, &token));
    post(&name);
    CHECK_EQ_INT(rig_caught(SIGUSR1), 1);
    CHECK_SAID(notify_cancel(token), NOTIFY_STATUS_OK);
    post(&name);
    CHECK_EQ_INT(rig_caught(SIGUSR1), 1);
}

CASE(cancel_stops_signals) { signal_cancels(by_daemon()); }
CASE(self_cancel_stops_signals) { signal_cancels(by_library()); }

static void bad_arguments(struct name name)
{
    int token = -1, fd = 0, check = 0;
    uint64_t state;
    CHECK_SAID(notify_post(NULL), NOTIFY_STATUS_INVALID_NAME);
    CHECK_SAID(notify_register_check(NULL, &token), NOTIFY_STATUS_INVALID_NAME);
    CHECK_SAID(notify_register_signal(NULL, SIGUSR1, &token), NOTIFY_STATUS_INVALID_NAME);
    CHECK_SAID(notify_register_file_descriptor(NULL, &fd, 0, &token), NOTIFY_STATUS_INVALID_NAME);
    CHECK_SAID(notify_register_file_descriptor(name.text, NULL, 0, &token), NOTIFY_STATUS_INVALID_FILE);
    CHECK_SAID(notify_register_mach_port(name.text, NULL, 0, &token), NOTIFY_STATUS_INVALID_PORT);
    /* a descriptor that no registration made */
    CHECK_SAID(notify_register_file_descriptor(name.text, &fd, NOTIFY_REUSE, &token), NOTIFY_STATUS_INVALID_FILE);
    CHECK_SAID(notify_check(7777, &check), NOTIFY_STATUS_INVALID_TOKEN);
    CHECK_SAID(notify_cancel(7777), NOTIFY_STATUS_INVALID_TOKEN);
    CHECK_SAID(notify_suspend(7777), NOTIFY_STATUS_INVALID_TOKEN);
    CHECK_SAID(notify_resume(7777), NOTIFY_STATUS_INVALID_TOKEN);
    CHECK_SAID(notify_get_state(7777, &state), NOTIFY_STATUS_INVALID_TOKEN);
    CHECK_SAID(notify_set_state(7777, 1), NOTIFY_STATUS_INVALID_TOKEN);
    CHECK(!notify_is_valid_token(7777));
    CHECK_SAID(notify_post(name.text), NOTIFY_STATUS_OK); /* to nobody */
}

CASE(bad_arguments_are_refused) { bad_arguments(by_daemon()); }
CASE(self_bad_arguments_are_refused) { bad_arguments(by_library()); }

static void leaks(struct name name)
{
    int first = -1, last = -1, fd, tokens[2];
    REQUIRE_OK(fd = dup(0)); /* the lowest free one */
    CHECK_OK(close(fd));
    long ports = 0;
    for (int round = 0; round < 200; round++) {
        int by_fd, by_check, by_port, made;
        mach_port_t port;
        REQUIRE_SAID(notify_register_check(name.text, &by_check));
        REQUIRE_SAID(notify_register_file_descriptor(name.text, &made, 0, &by_fd));
        REQUIRE_SAID(notify_register_mach_port(name.text, &port, 0, &by_port));
        REQUIRE_SAID(notify_cancel(by_check));
        REQUIRE_SAID(notify_cancel(by_fd));
        REQUIRE_SAID(notify_cancel(by_port));
        if (round == 10)
            first = made, ports = ports_held();
        last = made;
    }
    CHECK_EQ_INT(last, first);
    CHECK_LE_INT(ports_held(), ports);
    int token;
    REQUIRE_SAID(notify_register_file_descriptor(name.text, &fd, 0, &token));
    post(&name);
    CHECK_EQ_INT(tokens_at_fd(fd, tokens, 2), 1); /* none of the old ones is told */
    CHECK_EQ_INT(tokens[0], token);
}

CASE(cancelled_tokens_leave_nothing, .deadline = 30) { leaks(by_daemon()); }
CASE(self_cancelled_tokens_leave_nothing, .deadline = 30) { leaks(by_library()); }
