/* bootstrap_launchd.c - the bootstrap calls against the guest's own bootstrap server, where it has one.
 * Contracts: launchd's servers/bootstrap.h and bootstrap(3); each case ends unsupported where there is no server. */
#include "names.h"

#include <stdio.h>
#include <sys/stat.h>

/* This task's bootstrap port, if there is a server behind it and libSystem has the calls. */
static mach_port_t server(void)
{
    if (!RIG_HAVE(bootstrap_check_in) || !RIG_HAVE(bootstrap_look_up) || !RIG_HAVE(bootstrap_register))
        UNSUPPORTED("no bootstrap server: this libSystem has no bootstrap calls");
    mach_port_t port = boot_port();
    if (!MACH_PORT_VALID(port))
        UNSUPPORTED("no bootstrap server: the bootstrap port is %s", port == MACH_PORT_NULL ? "null" : "dead");
    return port;
}

static const char *unique(char name[64])
{
    static unsigned count;
    snprintf(name, 64, "rig.%d.%u", (int)getpid(), ++count);
    return name;
}

CASE(an_unknown_name_is_not_found)
{
    mach_port_t bootstrap = server(), service = MACH_PORT_NULL;
    char name[64];
    CHECK_KERN(bootstrap_look_up(bootstrap, unique(name), &service), BOOTSTRAP_UNKNOWN_SERVICE);
    CHECK_EQ_INT(service, MACH_PORT_NULL);
}

CASE(check_in_and_look_up)
{
    mach_port_t bootstrap = server(), service = MACH_PORT_NULL, found = MACH_PORT_NULL;
    char name[64];
    struct rig_letter letter;
    REQUIRE_KERN(bootstrap_check_in(bootstrap, unique(name), &service));
    CHECK(rig_port_type(service) & TYPE(RECEIVE));
    CHECK_KERN(bootstrap_look_up(bootstrap, name, &found), BOOTSTRAP_SUCCESS);
    CHECK_EQ_INT(found, service);
    CHECK_KERN(rig_send(found, HOW(COPY_SEND), RIG_HELLO), MACH_MSG_SUCCESS);
    rig_expect(service, RIG_HELLO, &letter);
}

ROLE(calls_by_name)
{
    mach_port_t service = MACH_PORT_NULL;
    REQUIRE_EQ_INT(argc, 1);
    CHECK_KERN(bootstrap_look_up(boot_port(), argv[0], &service), BOOTSTRAP_SUCCESS);
    CHECK_KERN(rig_send(service, HOW(COPY_SEND), RIG_HELLO), MACH_MSG_SUCCESS);
}

CASE(another_task_finds_the_name)
{
    mach_port_t bootstrap = server(), service = rig_port(true);
    char name[64];
    const char *const args[] = {unique(name), NULL};
    struct rig_letter letter;
    REQUIRE_KERN(bootstrap_register(bootstrap, name, service));
    CHECK_EXITED(rig_exec_role("calls_by_name", args, -1), 0);
    rig_expect(service, RIG_HELLO, &letter);
}

ROLE(checks_in)
{
    mach_port_t service = MACH_PORT_NULL;
    REQUIRE_EQ_INT(argc, 2);
    kern_return_t result = bootstrap_check_in(boot_port(), argv[0], &service);
    if (rig_streq(argv[1], "free"))
        CHECK_KERN(result, BOOTSTRAP_SUCCESS);
    else /* which of the two it is depends on whether the server looks at the owner or at the state first */
        CHECK(result == BOOTSTRAP_SERVICE_ACTIVE || result == BOOTSTRAP_NOT_PRIVILEGED);
}

CASE(a_name_in_use_is_refused)
{
    mach_port_t bootstrap = server(), service = MACH_PORT_NULL;
    char name[64];
    const char *const args[] = {unique(name), "used", NULL};
    REQUIRE_KERN(bootstrap_check_in(bootstrap, name, &service));
    CHECK_EXITED(rig_exec_role("checks_in", args, -1), 0);
}

CASE(a_dead_tasks_name_is_free)
{
    mach_port_t bootstrap = server(), service = MACH_PORT_NULL;
    char name[64];
    const char *const args[] = {unique(name), "free", NULL};
    CHECK_EXITED(rig_exec_role("checks_in", args, -1), 0);
    kern_return_t result = BOOTSTRAP_SUCCESS;
    for (int i = 0; i < 50 && result == BOOTSTRAP_SUCCESS; i++) { /* the server hears of it a little later */
        result = bootstrap_look_up(bootstrap, name, &service);
        rig_sleep_ms(20);
    }
    CHECK_KERN(result, BOOTSTRAP_UNKNOWN_SERVICE);
}

CASE(errors_have_texts)
{
    if (!RIG_HAVE(bootstrap_strerror))
        UNSUPPORTED("this libSystem has no bootstrap_strerror");
    static const kern_return_t codes[] = {BOOTSTRAP_NOT_PRIVILEGED, BOOTSTRAP_NAME_IN_USE, BOOTSTRAP_UNKNOWN_SERVICE,
                                          BOOTSTRAP_SERVICE_ACTIVE};
    for (size_t i = 0; i < RIG_COUNT(codes); i++) {
        const char *text = bootstrap_strerror(codes[i]);
        REQUIRE(text != NULL);
        CHECK(text[0] != '\0');
        if (codes[i] != BOOTSTRAP_SERVICE_ACTIVE) /* which shares a text in Darwin 17.4 */
            for (size_t k = 0; k < i; k++)
                CHECK(!rig_streq(text, bootstrap_strerror(codes[k])));
        char fact[32];
        snprintf(fact, sizeof fact, "text_%d", codes[i]);
        FACT_STR(fact, text);
    }
}

struct listing {
    const char *program;
    int to;
};

static void lists(void *arg)
{
    const struct listing *listing = arg;
    REQUIRE_OK(dup2(listing->to, STDOUT_FILENO));
    REQUIRE_OK(dup2(listing->to, STDERR_FILENO));
    execl(listing->program, "launchctl", "bslist", (char *)NULL);
    _exit(127);
}

CASE(launchctl_lists_the_name, .deadline = 30)
{
    static const char *const programs[] = {"/bin/launchctl", "/usr/bin/launchctl"};
    mach_port_t bootstrap = server(), service = MACH_PORT_NULL;
    struct listing listing = {.program = NULL};
    struct stat status;
    for (size_t i = 0; i < RIG_COUNT(programs) && !listing.program; i++)
        if (stat(programs[i], &status) == 0)
            listing.program = programs[i];
    if (!listing.program)
        UNSUPPORTED("this guest has no launchctl");
    char name[64];
    static char text[256 * 1024];
    size_t length = 0;
    int fd[2];
    REQUIRE_KERN(bootstrap_check_in(bootstrap, unique(name), &service));
    REQUIRE_OK(pipe(fd));
    listing.to = fd[1];
    pid_t child = rig_spawn(lists, &listing);
    CHECK_OK(close(fd[1]));
    for (ssize_t n = 1; n > 0 && length < sizeof text - 1 && rig_wait_readable(fd[0]); length += n > 0 ? (size_t)n : 0)
        n = read(fd[0], text + length, sizeof text - 1 - length);
    CHECK_EXITED(child, 0);
    FACT("bytes", length);
    CHECK(strstr(text, name) != NULL);
}
