/* service.c - see service.h */
#include "service.h"

#include "bytes.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>

static const char *status_name(uint32_t status)
{
    static const char *const names[] = {"NOTIFY_STATUS_OK", "NOTIFY_STATUS_INVALID_NAME", "NOTIFY_STATUS_INVALID_TOKEN",
                                        "NOTIFY_STATUS_INVALID_PORT", "NOTIFY_STATUS_INVALID_FILE"};
    static char number[24];
    if (status < RIG_COUNT(names))
        return names[status];
    if (status == NOTIFY_STATUS_FAILED)
        return "NOTIFY_STATUS_FAILED";
    snprintf(number, sizeof number, "status %u", (unsigned)status);
    return number;
}

bool check_status(struct rig_at at, uint32_t got, uint32_t want)
{
    char text[32];
    snprintf(text, sizeof text, "%s", status_name(got));
    return rig_check_got(at, got == want, text, status_name(want));
}

static void new_name(struct name *name, const char *prefix)
{
    static int count;
    snprintf(name->text, sizeof name->text, "%srig.probe.%d.%d", prefix, (int)getpid(), ++count);
}

struct name another(const struct name *like)
{
    struct name name;
    new_name(&name, strncmp(like->text, "self.", 5) == 0 ? "self." : "");
    return name;
}

static void need_library(void)
{
    if (!RIG_HAVE(notify_post) || !RIG_HAVE(notify_register_check) || !RIG_HAVE(notify_register_signal) ||
        !RIG_HAVE(notify_register_mach_port) || !RIG_HAVE(notify_register_file_descriptor) || !RIG_HAVE(notify_check) ||
        !RIG_HAVE(notify_cancel) || !RIG_HAVE(notify_suspend) || !RIG_HAVE(notify_resume) ||
        !RIG_HAVE(notify_set_state) || !RIG_HAVE(notify_get_state) || !RIG_HAVE(notify_is_valid_token))
        UNSUPPORTED("no notify library: this libSystem lacks notify_post or one of its sisters");
}

/* Ends the case unless a post is delivered. */
static void need_delivery(const char *prefix, const char *server)
{
    struct name name;
    int token = -1, check = 0, quiet = 1;
    uint32_t status;
    need_library();
    new_name(&name, prefix);
    if ((status = notify_register_check(name.text, &token)) != NOTIFY_STATUS_OK)
        UNSUPPORTED("no %s: notify_register_check says %s", server, status_name(status));
    notify_check(token, &check); /* the first answer tells nothing: see first_check_is_true */
    check = 0;
    notify_check(token, &quiet);
    if ((status = notify_post(name.text)) != NOTIFY_STATUS_OK)
        UNSUPPORTED("no %s: notify_post says %s", server, status_name(status));
    for (uint64_t end = rig_now_ns() + (uint64_t)(rig_patience(2) * 1e9); check != 1 && rig_now_ns() < end;)
        if (notify_check(token, &check) != NOTIFY_STATUS_OK)
            break;
    if (quiet != 0 || check != 1)
        UNSUPPORTED("no %s: the library says success, but a post was not delivered", server);
    notify_cancel(token);
}

struct name by_daemon(void)
{
    struct name name;
    need_delivery("", "notifyd");
    new_name(&name, "");
    return name;
}

struct name by_library(void)
{
    struct name name;
    need_delivery("self.", "notifications within a process");
    new_name(&name, "self.");
    return name;
}

/* A registration is answered, and the server deals with one message after the other. */
static void fence(void)
{
    struct name name;
    int token;
    new_name(&name, "");
    if (notify_register_check(name.text, &token) == NOTIFY_STATUS_OK)
        notify_cancel(token);
}

void post_times(const struct name *name, int times)
{
    while (times-- > 0)
        REQUIRE_SAID(notify_post(name->text));
    if (strncmp(name->text, "self.", 5) != 0)
        fence();
}

void post(const struct name *name) { post_times(name, 1); }

int told(int token)
{
    int check = -1;
    CHECK_SAID(notify_check(token, &check), NOTIFY_STATUS_OK);
    return check;
}

bool becomes_told(int token)
{
    for (uint64_t end = rig_now_ns() + (uint64_t)(rig_patience(5) * 1e9); rig_now_ns() < end;) {
        int check = 0;
        if (notify_check(token, &check) != NOTIFY_STATUS_OK)
            return false;
        if (check == 1)
            return true;
        rig_sleep_ms(1);
    }
    return false;
}

/* What is written is the token in network byte order (Libnotify libnotify.c _internal_send). */
static int read_token(int fd)
{
    uint32_t token;
    return rig_read_all(fd, &token, sizeof token) == sizeof token ? (int)ntohl(token) : -1;
}

int tokens_at_fd(int fd, int *tokens, int most)
{
    int count = 0;
    for (struct pollfd poll_fd = {.fd = fd, .events = POLLIN}; count < most && poll(&poll_fd, 1, 0) == 1; count++)
        tokens[count] = read_token(fd);
    return count;
}

int token_from_fd(int fd) { return rig_wait_readable(fd) ? read_token(fd) : -1; }

int token_by_read(int fd)
{
    uint32_t token;
    return read(fd, &token, sizeof token) == (ssize_t)sizeof token ? (int)ntohl(token) : -1;
}

int tokens_at_port(mach_port_t port, int *tokens, int most)
{
    int count = 0;
    while (count < most && port_take(port, &tokens[count], 0))
        count++;
    return count;
}

int token_from_port(mach_port_t port)
{
    int token;
    return port_take(port, &token, (unsigned)(rig_patience(5) * 1000)) ? token : -1;
}
