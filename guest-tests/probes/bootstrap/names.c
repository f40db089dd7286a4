/* names.c - see names.h. */
#include "names.h"

enum { CHECK_IN = 0x7100, LOOK_UP, ANSWER, MOST_NAMES = 8 };

struct request {
    mach_msg_header_t header;
    char name[NAME_LENGTH];
};
struct answer { /* with a port, or without and a code */
    mach_msg_header_t header;
    mach_msg_body_t body;
    mach_msg_port_descriptor_t port;
    kern_return_t code;
};

static struct entry {
    char name[NAME_LENGTH];
    mach_port_t port; /* while no one has checked in, the server holds the receive right */
    bool active;
} entries[MOST_NAMES];

mach_port_t boot_port(void)
{
    mach_port_t port = MACH_PORT_NULL;
    REQUIRE_KERN(rig_task_get_special_port(TASK, TASK_BOOTSTRAP_PORT, &port));
    return port;
}

void boot_set(mach_port_t port)
{
    REQUIRE_KERN(rig_task_set_special_port(TASK, TASK_BOOTSTRAP_PORT, port));
}

pid_t boot_exec_role(const char *role, const char *const args[], mach_port_t port)
{
    mach_port_t before = boot_port();
    boot_set(port);
    pid_t child = rig_exec_role(role, args, -1);
    boot_set(before);
    if (MACH_PORT_VALID(before))
        CHECK_KERN(mach_port_deallocate(TASK, before), KERN_SUCCESS);
    return child;
}

/* ---- The server ------------------------------------------------------------------------------------------------- */

static struct entry *find(const char *name)
{
    for (int i = 0; i < MOST_NAMES; i++)
        if (entries[i].name[0] && rig_streq(entries[i].name, name))
            return &entries[i];
    return NULL;
}

bool names_known(const char *name)
{
    return find(name) != NULL;
}

bool names_active(const char *name)
{
    const struct entry *entry = find(name);
    return entry && entry->active;
}

static void reply(const struct request *request, kern_return_t code, mach_port_t port, mach_msg_type_name_t how)
{
    struct answer answer = {
        .header = {.msgh_bits = MACH_MSGH_BITS(HOW(MOVE_SEND_ONCE), 0) | MACH_MSGH_BITS_COMPLEX,
                   .msgh_size = sizeof answer,
                   .msgh_remote_port = request->header.msgh_remote_port,
                   .msgh_id = ANSWER},
        .body = {.msgh_descriptor_count = 1},
        .port = {.name = port, .disposition = how, .type = MACH_MSG_PORT_DESCRIPTOR},
        .code = code};
    CHECK_KERN(rig_msg(&answer.header, MACH_SEND_MSG | MACH_SEND_TIMEOUT, sizeof answer, 0, MACH_PORT_NULL, 0),
               MACH_MSG_SUCCESS);
}

static void check_in(mach_port_t server, const struct request *request)
{
    struct entry *entry = find(request->name);
    if (entry && entry->active) {
        reply(request, BOOTSTRAP_SERVICE_ACTIVE, MACH_PORT_NULL, HOW(COPY_SEND));
        return;
    }
    for (int i = 0; !entry && i < MOST_NAMES; i++)
        if (!entries[i].name[0]) {
            entry = &entries[i];
            memcpy(entry->name, request->name, NAME_LENGTH);
            entry->port = rig_port(true);
        }
    REQUIRE(entry != NULL);
    /* when the service dies, the receive right comes back here, and the name with it */
    mach_port_t previous = MACH_PORT_NULL;
    REQUIRE_KERN(rig_port_request_notification(TASK, entry->port, MACH_NOTIFY_PORT_DESTROYED, 0, server,
                                               HOW(MAKE_SEND_ONCE), &previous));
    entry->active = true;
    reply(request, BOOTSTRAP_SUCCESS, entry->port, HOW(MOVE_RECEIVE));
}

static void serve_one(mach_port_t server, const void *message)
{
    const struct request *request = message;
    const struct rig_letter *letter = message;
    struct entry *entry;
    switch (letter->header.msgh_id) {
    case CHECK_IN:
        check_in(server, request);
        break;
    case LOOK_UP:
        entry = find(request->name);
        reply(request, entry ? BOOTSTRAP_SUCCESS : BOOTSTRAP_UNKNOWN_SERVICE, entry ? entry->port : MACH_PORT_NULL,
              HOW(COPY_SEND));
        break;
    case MACH_NOTIFY_PORT_DESTROYED:
        for (int i = 0; i < MOST_NAMES; i++)
            if (entries[i].name[0] && entries[i].port == letter->carried.port.name)
                entries[i].active = false;
        break;
    default:
        FAIL("a request that the name server knows");
    }
}

union message {
    struct request request;
    struct rig_letter letter;
    char room[512];
};

static mach_msg_return_t receive(mach_port_t server, union message *message, double timeout_ms)
{
    return rig_msg(&message->letter.header, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, sizeof *message, server,
                   (mach_msg_timeout_t)timeout_ms);
}

void names_serve_till_told(mach_port_t server)
{
    union message message;
    for (;;) {
        REQUIRE_KERN(receive(server, &message, rig_patience(8) * 1000));
        if (message.letter.header.msgh_id == NAMES_LEAVE)
            return;
        serve_one(server, &message);
    }
}

void names_serve(mach_port_t server, pid_t child)
{
    union message message;
    int status = 0;
    bool ended = false;
    /* what was asked before the child's end is answered, and notices of its death are taken, before this returns */
    for (uint64_t until = rig_now_ns() + (uint64_t)(rig_patience(8) * 1e9); rig_now_ns() < until;) {
        if (receive(server, &message, 100) == MACH_MSG_SUCCESS)
            serve_one(server, &message);
        else if (ended)
            break;
        if (!ended && waitpid(child, &status, WNOHANG) == child)
            ended = true;
    }
    if (!ended) {
        rig_kill(child);
        FAIL("the client ends in time");
    } else {
        CHECK_EQ_STR(rig_status_name(status), "exit 0");
    }
}

/* ---- A client --------------------------------------------------------------------------------------------------- */

static kern_return_t ask(mach_port_t server, mach_msg_id_t what, const char *name, mach_port_t *service)
{
    union {
        struct request request;
        struct answer answer;
        char room[512];
    } message = {.request = {.header = {.msgh_bits = MACH_MSGH_BITS(HOW(COPY_SEND), HOW(MAKE_SEND_ONCE)),
                                        .msgh_size = sizeof message.request,
                                        .msgh_remote_port = server,
                                        .msgh_local_port = rig_port(false),
                                        .msgh_id = what}}};
    mach_port_t answers = message.request.header.msgh_local_port;
    for (size_t i = 0; i < NAME_LENGTH - 1 && name[i]; i++)
        message.request.name[i] = name[i];
    mach_msg_timeout_t patience = (mach_msg_timeout_t)(rig_patience(5) * 1000);
    mach_msg_return_t result = rig_msg(&message.request.header,
                                       MACH_SEND_MSG | MACH_SEND_TIMEOUT | MACH_RCV_MSG | MACH_RCV_TIMEOUT,
                                       sizeof message.request, sizeof message, answers, patience);
    REQUIRE_KERN(mach_port_mod_refs(TASK, answers, RIGHT(RECEIVE), -1));
    if (result != MACH_MSG_SUCCESS)
        return result;
    REQUIRE_EQ_INT(message.answer.header.msgh_id, ANSWER);
    *service = message.answer.port.name;
    return message.answer.code;
}

kern_return_t names_check_in(mach_port_t server, const char *name, mach_port_t *service)
{
    return ask(server, CHECK_IN, name, service);
}

kern_return_t names_look_up(mach_port_t server, const char *name, mach_port_t *service)
{
    return ask(server, LOOK_UP, name, service);
}
