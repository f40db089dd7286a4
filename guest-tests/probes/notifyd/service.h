/* service.h - who delivers: notifyd, or the library itself for names that begin with "self.". */
#ifndef NOTIFYD_SERVICE_H
#define NOTIFYD_SERVICE_H

#include "notify_api.h"

#define NAME_SIZE 64

/* A new name for notifyd to serve, or one for the library alone (Libnotify notify_client.c SELF_PREFIX: never leaves the
 * process). Both look first whether a post is truly delivered; if not, the case ends as unsupported: a library that only
 * says success serves nobody. */
struct name {
    char text[NAME_SIZE];
};
struct name by_daemon(void);
struct name by_library(void);
/* Another new name of the same kind. */
struct name another(const struct name *like);

/* A call that returns NOTIFY_STATUS_OK; others end the case, or are a failed check. */
#define REQUIRE_SAID(call) RIG_REQUIRE(check_status(RIG_AT(#call), call, NOTIFY_STATUS_OK))
#define CHECK_SAID(call, status) check_status(RIG_AT(#call), call, status)
bool check_status(struct rig_at at, uint32_t got, uint32_t want);

/* Posts, and returns when the server has dealt with it: what it delivers is delivered then. notify_post alone is only a
 * message on its way. */
void post(const struct name *name);
void post_times(const struct name *name, int times);

/* notify_check's answer; and whether it becomes 1 within 5 s (scaled). */
int told(int token);
bool becomes_told(int token);

/* The tokens waiting at a descriptor or a port, up to `most`; -1 for something that is no notification. */
int tokens_at_fd(int fd, int *tokens, int most);
int tokens_at_port(mach_port_t port, int *tokens, int most);
/* The next one, waiting for it 5 s (scaled); -1 for none. */
int token_from_fd(int fd);
int token_from_port(mach_port_t port);
/* By a blocking read alone: for timed loops. */
int token_by_read(int fd);

/* One message: its id, which is the token; false if none came. port.c */
bool port_take(mach_port_t port, int *token, unsigned ms);
/* How many ports this process has, for leaks. */
long ports_held(void);

#endif
