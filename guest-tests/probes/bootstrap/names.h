/* names.h - the bootstrap calls, and a small name server of this probe's own.
 *
 * The calls talk to launchd in a protocol of its own; where no launchd is, there is nothing that they could be tried
 * on. What they rest on is the kernel's: a port that every child inherits, rights that move in messages, notifications
 * when a task dies. The name server here does with these what launchd does for Mach services, so that these are held
 * to their contract on every Darwin kernel. */
#ifndef NAMES_H
#define NAMES_H

#include "mach_talk.h"

#define TASK rig_task()
#define HOW(word) MACH_MSG_TYPE_##word
#define RIGHT(word) MACH_PORT_RIGHT_##word
#define TYPE(word) MACH_PORT_TYPE_##word

/* launchd's <servers/bootstrap.h>, which the SDK here lacks. */
#define BOOTSTRAP_MAX_NAME_LEN 128
#define BOOTSTRAP_SUCCESS 0
#define BOOTSTRAP_NOT_PRIVILEGED 1100
#define BOOTSTRAP_NAME_IN_USE 1101
#define BOOTSTRAP_UNKNOWN_SERVICE 1102
#define BOOTSTRAP_SERVICE_ACTIVE 1103
extern kern_return_t bootstrap_check_in(mach_port_t server, const char *name, mach_port_t *service) RIG_WEAK;
extern kern_return_t bootstrap_look_up(mach_port_t server, const char *name, mach_port_t *service) RIG_WEAK;
extern kern_return_t bootstrap_register(mach_port_t server, char *name, mach_port_t service) RIG_WEAK;
extern const char *bootstrap_strerror(kern_return_t code) RIG_WEAK;

/* This task's bootstrap port; a failure ends the case. */
mach_port_t boot_port(void);
void boot_set(mach_port_t port);
/* rig_exec_role with `port` as the child's bootstrap port; this task's own is as before afterwards. */
pid_t boot_exec_role(const char *role, const char *const args[], mach_port_t port);

/* ---- The name server -------------------------------------------------------------------------------------------- */
enum { NAME_LENGTH = 32 };

/* In the case: serves until this child ends. CHECKs that it ended with exit code 0. */
void names_serve(mach_port_t server, pid_t child);
/* In a child: serves until a message with this id comes, or none for 8 s (scaled). */
enum { NAMES_LEAVE = 0x7200 };
void names_serve_till_told(mach_port_t server);
/* What the server knows of a name: a send right exists in `port`, and whether somebody has checked in. */
bool names_known(const char *name);
bool names_active(const char *name);

/* In a client: by the server's port. BOOTSTRAP_SUCCESS and a receive right, or BOOTSTRAP_SERVICE_ACTIVE. */
kern_return_t names_check_in(mach_port_t server, const char *name, mach_port_t *service);
/* BOOTSTRAP_SUCCESS and a send right, or BOOTSTRAP_UNKNOWN_SERVICE. */
kern_return_t names_look_up(mach_port_t server, const char *name, mach_port_t *service);

#endif
