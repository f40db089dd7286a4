/* fake_notify.c - notify(3) over files, fifos and signals, good enough for every functional case of the probe notifyd; and
 * broken on demand in one way at a time: see broken(). Deliveries are made by the poster, at once. */
#include "table.h"

#include "service.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

/* This process's ends of its fifos. A port is such an end, too: its number is the descriptor's and 1000. */
static struct end {
    int fd, writer, queue, users;
    bool port;
} ends[256];
static int next_token = 1, live_ports;

static struct end *end_of(int fd, bool port)
{
    for (size_t i = 0; i < RIG_COUNT(ends); i++)
        if (ends[i].users > 0 && ends[i].fd == fd && ends[i].port == port)
            return &ends[i];
    return NULL;
}

static void fifo_path(char path[200], int queue) { snprintf(path, 200, "%s/q%d", fake_directory(), queue); }

static struct end *new_end(struct table *table, bool port)
{
    for (size_t i = 0; i < RIG_COUNT(ends); i++) {
        struct end *end = &ends[i];
        char path[200];
        if (end->users > 0)
            continue;
        end->queue = table->next_queue++;
        fifo_path(path, end->queue);
        if (mkfifo(path, 0600) == -1 || (end->fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)) == -1)
            return NULL;
        end->writer = open(path, O_WRONLY | O_CLOEXEC); /* so that it never ends by itself */
        fcntl(end->fd, F_SETFL, 0);
        end->port = port;
        end->users = 0;
        live_ports += port;
        return end;
    }
    return NULL;
}

static void release_end(struct end *end)
{
    char path[200];
    if (--end->users > 0 || (broken("cancel_leaks_the_descriptor") && !end->port))
        return;
    if (end->port && broken("cancel_leaks_the_port"))
        return;
    live_ports -= end->port;
    close(end->fd);
    close(end->writer);
    fifo_path(path, end->queue);
    if (!broken("delivers_after_cancel"))
        unlink(path);
}

static void deliver(struct registration *r)
{
    char path[200];
    int fd, waiting = 0;
    uint32_t value = r->how == BY_FD && !broken("token_in_host_order") ? htonl((uint32_t)r->token) : (uint32_t)r->token;
    if (broken("deaf_to_others") && r->pid != getpid())
        return;
    if (broken("port_message_without_token") && r->how == BY_PORT)
        value = 0;
    if (r->how == BY_SIGNAL) {
        kill(r->pid, broken("another_signal") ? SIGUSR2 : r->sig);
        return;
    }
    if (r->how == BY_CHECK)
        return;
    fifo_path(path, r->queue);
    if ((fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC)) == -1)
        return; /* its owner is dead */
    if (r->how == BY_FD || (ioctl(fd, FIONREAD, &waiting) == 0 && waiting < 20)) /* a port's queue holds five */
        for (int times = broken("delivers_twice") ? 2 : 1; times > 0; times--)
            if (write(fd, &value, sizeof value) != (ssize_t)sizeof value)
                break;
    close(fd);
}

static void post_to(struct table *table, struct entry *name)
{
    name->value++;
    for (int i = 0; i < REGISTRATIONS; i++) {
        struct registration *r = &table->registrations[i];
        bool its = r->used && (&table->names[r->name] == name || broken("names_are_mixed_up"));
        if (!its)
            continue;
        if (r->suspended > 0 && !broken("suspend_is_ignored"))
            r->pending++;
        else
            deliver(r);
        if (broken("first_alone_is_told"))
            break;
    }
}

uint32_t notify_post(const char *text)
{
    if (!text)
        return broken("null_is_accepted") ? NOTIFY_STATUS_OK : NOTIFY_STATUS_INVALID_NAME;
    if (broken("stub"))
        return NOTIFY_STATUS_OK;
    struct table *table = lock_table();
    if (!table)
        return NOTIFY_STATUS_FAILED;
    struct entry *name = find_name(table, text, false);
    bool lost = ++table->posts % 3 == 0 && broken("every_third_post_is_lost");
    if (name && name->value > 40 && broken("burst_ends_all"))
        lost = true;
    if (name && !lost)
        post_to(table, name);
    unlock_table();
    return NOTIFY_STATUS_OK;
}

static uint32_t add(const char *text, enum how how, int sig, int *at, int flags, int *token)
{
    uint32_t status = NOTIFY_STATUS_FAILED;
    struct end *end = NULL;
    if (!text)
        return broken("null_is_accepted") ? NOTIFY_STATUS_OK : NOTIFY_STATUS_INVALID_NAME;
    if (how >= BY_FD && !at)
        return how == BY_FD ? NOTIFY_STATUS_INVALID_FILE : NOTIFY_STATUS_INVALID_PORT;
    if (how >= BY_FD && (flags & NOTIFY_REUSE) && !(end = end_of(*at, how == BY_PORT)))
        return how == BY_FD ? NOTIFY_STATUS_INVALID_FILE : NOTIFY_STATUS_INVALID_PORT;
    struct table *table = lock_table();
    if (!table)
        return NOTIFY_STATUS_FAILED;
    if (how >= BY_FD && (!end || broken("reuse_is_ignored")))
        end = new_end(table, how == BY_PORT);
    for (int i = 0; i < REGISTRATIONS; i++) {
        struct registration *r = &table->registrations[i];
        if (r->used)
            continue;
        struct entry *name = find_name(table, text, true);
        if (!name || (how >= BY_FD && !end))
            break;
        name->registrations++;
        *r = (struct registration){.used = true, .pid = getpid(), .token = next_token++, .how = (int)how, .sig = sig,
                                   .name = (int)(name - table->names)};
        if (broken("first_check_is_false"))
            r->seen = name->value;
        if (end) {
            r->queue = end->queue;
            end->users++;
            *at = end->fd;
        }
        *token = r->token;
        status = NOTIFY_STATUS_OK;
        break;
    }
    unlock_table();
    return status;
}

uint32_t notify_register_check(const char *name, int *token) { return add(name, BY_CHECK, 0, NULL, 0, token); }

uint32_t notify_register_signal(const char *name, int sig, int *token)
{
    return add(name, BY_SIGNAL, sig, NULL, 0, token);
}

uint32_t notify_register_file_descriptor(const char *name, int *fd, int flags, int *token)
{
    return add(name, BY_FD, 0, fd, flags, token);
}

uint32_t notify_register_mach_port(const char *name, mach_port_t *port, int flags, int *token)
{
    int fd = port ? (int)*port - 1000 : -1;
    uint32_t status = add(name, BY_PORT, 0, port ? &fd : NULL, flags, token);
    if (status == NOTIFY_STATUS_OK && port)
        *port = (mach_port_t)fd + 1000;
    return status;
}

/* The registration of a token, with the table locked; NULL, unlocked, for none. */
static struct registration *locked(int token, struct table **table)
{
    *table = lock_table();
    struct registration *r = *table ? find_token(*table, token) : NULL;
    if (!r && *table)
        unlock_table();
    return r;
}

#define INVALID (broken("any_token_is_good") ? NOTIFY_STATUS_OK : NOTIFY_STATUS_INVALID_TOKEN)

uint32_t notify_check(int token, int *check)
{
    struct table *table;
    struct registration *r = locked(token, &table);
    if (!r)
        return INVALID;
    struct entry *name = &table->names[r->name];
    *check = r->seen != name->value;
    if (!broken("check_stays_true"))
        r->seen = name->value;
    if (broken("check_is_the_names"))
        for (int i = 0; i < REGISTRATIONS; i++)
            if (table->registrations[i].used && table->registrations[i].name == r->name)
                table->registrations[i].seen = name->value;
    unlock_table();
    return NOTIFY_STATUS_OK;
}

uint32_t notify_cancel(int token)
{
    struct table *table;
    struct registration *r = locked(token, &table);
    if (!r)
        return INVALID;
    if (!broken("cancel_does_nothing")) {
        if (r->how >= BY_FD)
            for (size_t i = 0; i < RIG_COUNT(ends); i++)
                if (ends[i].users > 0 && ends[i].queue == r->queue) {
                    release_end(&ends[i]);
                    break;
                }
        for (int i = 0; i < REGISTRATIONS && broken("cancel_takes_all"); i++)
            if (&table->registrations[i] != r && table->registrations[i].used &&
                table->registrations[i].name == r->name)
                forget(table, &table->registrations[i]);
        if (broken("delivers_after_cancel"))
            r->silent = true;
        else
            forget(table, r);
    }
    unlock_table();
    return NOTIFY_STATUS_OK;
}

uint32_t notify_suspend(int token)
{
    struct table *table;
    struct registration *r = locked(token, &table);
    if (!r)
        return INVALID;
    r->suspended = broken("suspends_are_not_counted") ? 1 : r->suspended + 1;
    unlock_table();
    return NOTIFY_STATUS_OK;
}

uint32_t notify_resume(int token)
{
    struct table *table;
    struct registration *r = locked(token, &table);
    if (!r)
        return INVALID;
    if (r->suspended > 0 && --r->suspended == 0) {
        int times = r->pending == 0 || broken("resume_forgets") ? 0 : broken("resume_tells_each") ? r->pending : 1;
        r->pending = 0;
        while (times-- > 0)
            deliver(r);
    }
    unlock_table();
    return NOTIFY_STATUS_OK;
}

uint32_t notify_set_state(int token, uint64_t state)
{
    struct table *table;
    struct registration *r = locked(token, &table);
    if (!r)
        return INVALID;
    struct entry *name = &table->names[r->name];
    if (!broken("state_is_lost"))
        r->own_state = name->state = broken("state_has_32_bits") ? (uint32_t)state : state;
    if (broken("state_is_a_post"))
        post_to(table, name);
    unlock_table();
    return NOTIFY_STATUS_OK;
}

uint32_t notify_get_state(int token, uint64_t *state)
{
    struct table *table;
    struct registration *r = locked(token, &table);
    if (!r)
        return INVALID;
    *state = broken("state_is_the_tokens") ? r->own_state : table->names[r->name].state;
    unlock_table();
    return NOTIFY_STATUS_OK;
}

bool notify_is_valid_token(int token)
{
    struct table *table;
    if (!locked(token, &table))
        return broken("any_token_is_good");
    unlock_table();
    return true;
}

/* ---- What port.c does on Darwin ---------------------------------------------------------------------------------- */

bool port_take(mach_port_t port, int *token, unsigned ms)
{
    struct pollfd poll_fd = {.fd = (int)port - 1000, .events = POLLIN};
    return poll(&poll_fd, 1, (int)ms) == 1 && read(poll_fd.fd, token, sizeof *token) == (ssize_t)sizeof *token;
}

long ports_held(void) { return live_ports; }
