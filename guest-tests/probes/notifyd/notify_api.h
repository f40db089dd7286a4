/* notify_api.h - the notify(3) library, bound weakly: in no SDK of ours, and not in every libSystem. */
#ifndef NOTIFYD_NOTIFY_API_H
#define NOTIFYD_NOTIFY_API_H

#include "mach_message.h"

/* Libnotify-165.20.1 notify.h */
enum {
    NOTIFY_STATUS_OK = 0,
    NOTIFY_STATUS_INVALID_NAME = 1,
    NOTIFY_STATUS_INVALID_TOKEN = 2,
    NOTIFY_STATUS_INVALID_PORT = 3,
    NOTIFY_STATUS_INVALID_FILE = 4,
    NOTIFY_STATUS_FAILED = 1000000,
};
enum { NOTIFY_REUSE = 1 };

extern uint32_t notify_post(const char *name) RIG_WEAK;
extern uint32_t notify_register_check(const char *name, int *token) RIG_WEAK;
extern uint32_t notify_register_signal(const char *name, int sig, int *token) RIG_WEAK;
extern uint32_t notify_register_mach_port(const char *name, mach_port_t *port, int flags, int *token) RIG_WEAK;
extern uint32_t notify_register_file_descriptor(const char *name, int *fd, int flags, int *token) RIG_WEAK;
extern uint32_t notify_check(int token, int *check) RIG_WEAK;
extern uint32_t notify_cancel(int token) RIG_WEAK;
extern uint32_t notify_suspend(int token) RIG_WEAK;
extern uint32_t notify_resume(int token) RIG_WEAK;
extern uint32_t notify_set_state(int token, uint64_t state) RIG_WEAK;
extern uint32_t notify_get_state(int token, uint64_t *state) RIG_WEAK;
extern bool notify_is_valid_token(int token) RIG_WEAK;

#endif
