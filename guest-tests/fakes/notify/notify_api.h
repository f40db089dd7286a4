/* notify_api.h - the notify(3) calls, made by fake_notify.c on the build host: test equipment, never part of a probe. It
 * takes the place of the probe's own notify_api.h when test_notify_fake.py builds the probe notifyd, to see that its cases
 * pass against a service that delivers and fail against one that does not. */
#ifndef NOTIFYD_NOTIFY_API_H
#define NOTIFYD_NOTIFY_API_H

#include "rig.h"

typedef unsigned mach_port_t;
#define MACH_PORT_NULL 0u

enum {
    NOTIFY_STATUS_OK = 0,
    NOTIFY_STATUS_INVALID_NAME = 1,
    NOTIFY_STATUS_INVALID_TOKEN = 2,
    NOTIFY_STATUS_INVALID_PORT = 3,
    NOTIFY_STATUS_INVALID_FILE = 4,
    NOTIFY_STATUS_FAILED = 1000000,
};
enum { NOTIFY_REUSE = 1 };

uint32_t notify_post(const char *name);
uint32_t notify_register_check(const char *name, int *token);
uint32_t notify_register_signal(const char *name, int sig, int *token);
uint32_t notify_register_mach_port(const char *name, mach_port_t *port, int flags, int *token);
uint32_t notify_register_file_descriptor(const char *name, int *fd, int flags, int *token);
uint32_t notify_check(int token, int *check);
uint32_t notify_cancel(int token);
uint32_t notify_suspend(int token);
uint32_t notify_resume(int token);
uint32_t notify_set_state(int token, uint64_t state);
uint32_t notify_get_state(int token, uint64_t *state);
bool notify_is_valid_token(int token);

#endif
