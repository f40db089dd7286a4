/* table.h - what all clients of the fake share: names and registrations in one mapped file. */
#ifndef FAKE_TABLE_H
#define FAKE_TABLE_H

#include "notify_api.h"

enum { NAMES = 2048, REGISTRATIONS = 2048, TEXT = 80 };

enum how { BY_CHECK, BY_SIGNAL, BY_FD, BY_PORT };

struct entry {
    bool used;
    char text[TEXT];
    uint64_t state;
    uint32_t value; /* counts posts; begins at 1 */
    int registrations;
};

struct registration {
    bool used, silent; /* silent: delivers, but its token is no longer known (a breakage) */
    int pid, token, name, how, sig, queue; /* queue: the fifo's number */
    int suspended;
    int pending; /* posts while suspended */
    uint32_t seen;
    uint64_t own_state; /* for the breakage that keeps states apart */
};

struct table {
    int next_queue, posts;
    struct entry names[NAMES];
    struct registration registrations[REGISTRATIONS];
};

/* The table, locked against every other process; let it go with unlock_table. The directory: $RIG_FAKE_NOTIFY. */
struct table *lock_table(void);
void unlock_table(void);
const char *fake_directory(void);

/* Whether $RIG_FAKE_NOTIFY_BREAK names this breakage. */
bool broken(const char *what);

struct entry *find_name(struct table *table, const char *text, bool make);
struct registration *find_token(struct table *table, int token);
void forget(struct table *table, struct registration *registration);

#endif
