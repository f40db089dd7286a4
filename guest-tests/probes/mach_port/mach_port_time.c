/* mach_port_time.c - what rights cost. One trap or message of the kernel each; no other task takes part. */
#include "port_words.h"

static void allocate_and_destroy(void *context, unsigned long n)
{
    (void)context;
    while (n--) {
        mach_port_t port = MACH_PORT_NULL;
        REQUIRE_QUIET(mach_port_allocate(TASK, RIGHT(RECEIVE), &port) == KERN_SUCCESS);
        REQUIRE_QUIET(mach_port_mod_refs(TASK, port, RIGHT(RECEIVE), -1) == KERN_SUCCESS);
    }
}

CASE(time_allocate_and_destroy, .deadline = 60)
{
    mach_msg_type_number_t before = rig_port_count();
    rig_time("allocate_and_destroy", 0, allocate_and_destroy, NULL);
    CHECK_EQ_INT(rig_port_count(), before);
}

CASE(time_allocate_among_many, .deadline = 60)
{
    /* the same in a space that has two thousand names: the table is an array, so it ought not to matter */
    for (int i = 0; i < 2000; i++)
        port_new(RIGHT(RECEIVE));
    rig_time("allocate_and_destroy_among_2000", 0, allocate_and_destroy, NULL);
}

static void construct_and_destruct(void *context, unsigned long n)
{
    mach_port_options_t options = {.flags = MPO_INSERT_SEND_RIGHT};
    (void)context;
    while (n--) {
        mach_port_t port = MACH_PORT_NULL;
        REQUIRE_QUIET(mach_port_construct(TASK, &options, 0, &port) == KERN_SUCCESS);
        REQUIRE_QUIET(mach_port_destruct(TASK, port, -1, 0) == KERN_SUCCESS);
    }
}

CASE(time_construct_and_destruct, .deadline = 60)
{
    mach_msg_type_number_t before = rig_port_count();
    rig_time("construct_and_destruct", 0, construct_and_destruct, NULL);
    CHECK_EQ_INT(rig_port_count(), before);
}

static void insert_and_deallocate(void *context, unsigned long n)
{
    mach_port_t port = *(mach_port_t *)context;
    while (n--) {
        REQUIRE_QUIET(mach_port_insert_right(TASK, port, port, HOW(MAKE_SEND)) == KERN_SUCCESS);
        REQUIRE_QUIET(mach_port_deallocate(TASK, port) == KERN_SUCCESS);
    }
}

CASE(time_insert_and_deallocate_a_send_right, .deadline = 60)
{
    mach_port_t port = rig_port(false);
    rig_time("insert_and_deallocate", 0, insert_and_deallocate, &port);
    CHECK_TYPE(port, TYPE(RECEIVE));
}

static void references(void *context, unsigned long n)
{
    mach_port_t port = *(mach_port_t *)context;
    while (n--) {
        REQUIRE_QUIET(mach_port_mod_refs(TASK, port, RIGHT(SEND), 1) == KERN_SUCCESS);
        REQUIRE_QUIET(mach_port_mod_refs(TASK, port, RIGHT(SEND), -1) == KERN_SUCCESS);
    }
}

CASE(time_two_changes_of_references, .deadline = 60)
{
    mach_port_t port = rig_port(true);
    rig_time("two_changes_of_references", 0, references, &port);
    CHECK_REFS(port, RIGHT(SEND), 1);
}

static void type_by_message(void *context, unsigned long n)
{
    mach_port_t port = *(mach_port_t *)context;
    while (n--)
        REQUIRE_QUIET(rig_port_type(port) == TYPE(RECEIVE));
}

CASE(time_type_by_message, .deadline = 60)
{
    /* mach_port_type is no trap: a message to the kernel and its answer */
    mach_port_t port = rig_port(false);
    rig_time("type_by_message", 0, type_by_message, &port);
}

struct membership {
    mach_port_t port, set;
};

static void join_and_leave(void *context, unsigned long n)
{
    struct membership *m = context;
    while (n--) {
        REQUIRE_QUIET(mach_port_insert_member(TASK, m->port, m->set) == KERN_SUCCESS);
        REQUIRE_QUIET(mach_port_extract_member(TASK, m->port, m->set) == KERN_SUCCESS);
    }
}

CASE(time_join_and_leave_a_set, .deadline = 60)
{
    struct membership m = {.port = rig_port(false), .set = port_new(RIGHT(PORT_SET))};
    rig_time("join_and_leave_a_set", 0, join_and_leave, &m);
}

static void no_senders(void *context, unsigned long n)
{
    mach_port_t *port = context; /* and where it is told */
    struct rig_letter letter;
    while (n--) {
        mach_port_t previous = MACH_PORT_NULL;
        REQUIRE_QUIET(mach_port_insert_right(TASK, port[0], port[0], HOW(MAKE_SEND)) == KERN_SUCCESS);
        REQUIRE_QUIET(rig_port_request_notification(TASK, port[0], MACH_NOTIFY_NO_SENDERS, 0, port[1],
                                                    HOW(MAKE_SEND_ONCE), &previous) == KERN_SUCCESS);
        REQUIRE_QUIET(mach_port_deallocate(TASK, port[0]) == KERN_SUCCESS);
        REQUIRE_QUIET(rig_take(port[1], &letter) == MACH_MSG_SUCCESS);
    }
}

CASE(time_no_senders_notification, .deadline = 60)
{
    mach_port_t port[2] = {rig_port(false), rig_port(false)};
    rig_time("request_to_no_senders_notification", 0, no_senders, port);
    CHECK_NO_MESSAGE(port[1]);
}

static void names(void *context, unsigned long n)
{
    (void)context;
    while (n--)
        REQUIRE_QUIET(rig_port_count() > 0);
}

CASE(time_names_by_count, .deadline = 120)
{
    static const struct {
        int ports;
        const char *metric;
    } rows[] = {{100, "names_of_100"}, {1000, "names_of_1000"}};
    int have = 0;
    for (size_t i = 0; i < RIG_COUNT(rows); i++) {
        for (; have < rows[i].ports; have++)
            port_new(RIGHT(RECEIVE));
        rig_time(rows[i].metric, 0, names, NULL);
    }
}
