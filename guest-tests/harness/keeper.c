/* keeper.c - a process beside the runner that outlives it. A runner that is killed cannot tidy: then the keeper ends the
 * case that was under way with all of its children, and removes what that owned and the scratch directory.
 *
 * It hears of them through a pipe, in lines, and knows by the pipe's end that the runner is gone:
 *     g PID TAB            a case runs in this process group; 0: none does, and nothing is owned
 *     o KIND TAB NAME      an object is owned        d KIND TAB NAME   no longer
 *     q TAB                the run is over */
#include "internal.h"

#include <stdio.h>

enum { MOST_OWNED = 256, LINE_ROOM = 512 };

static int to_keeper = -1;
static pid_t keeper;

struct kept {
    pid_t group;
    bool over;
    struct rig_owned owned[MOST_OWNED];
    size_t count;
};
static struct kept kept; /* static: in a forked child, one Darwin image cannot map new memory */

static void forget(enum rig_kind kind, const char *name)
{
    for (size_t i = 0; i < kept.count; i++) {
        if (kept.owned[i].kind == kind && rig_streq(kept.owned[i].name, name)) {
            kept.owned[i] = kept.owned[--kept.count];
            return;
        }
    }
}

static void take_line(char *line)
{
    char *name = strchr(line, '\t');
    if (!name)
        return;
    *name++ = '\0';
    long number = strtol(line + 1, NULL, 10);
    if (line[0] == 'q') {
        kept.over = true;
    } else if (line[0] == 'g') {
        kept.group = (pid_t)number;
        if (number == 0)
            kept.count = 0;
    } else if (line[0] == 'o' && kept.count < MOST_OWNED) {
        kept.owned[kept.count].kind = (enum rig_kind)number;
        snprintf(kept.owned[kept.count].name, sizeof kept.owned->name, "%s", name);
        kept.count++;
    } else if (line[0] == 'd') {
        forget((enum rig_kind)number, name);
    }
}

static void listen_to(int from)
{
    static char text[LINE_ROOM];
    size_t length = 0;
    for (;;) {
        ssize_t n = read(from, text + length, sizeof text - 1 - length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return;
        length += (size_t)n;
        char *newline;
        while ((newline = memchr(text, '\n', length))) {
            *newline = '\0';
            take_line(text);
            length -= (size_t)(newline + 1 - text);
            memmove(text, newline + 1, length);
        }
        if (length == sizeof text - 1)
            length = 0; /* no line of ours is that long */
    }
}

_Noreturn static void keep(int from, const char *directory)
{
    static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE};
    for (size_t i = 0; i < RIG_COUNT(ignored); i++)
        signal(ignored[i], SIG_IGN);
    setsid(); /* nothing that ends the runner's group or terminal ends this */
    int null = open("/dev/null", O_RDWR);
    for (int fd = 0; fd < 3; fd++)
        if (null >= 0)
            dup2(null, fd); /* who reads the runner's stream sees its end */
    rig_close_from_3(from);
    listen_to(from);
    if (kept.over)
        _exit(0);
    if (kept.group > 0) {
        char names[160];
        kill(kept.group, SIGKILL);
        rig_end_group(kept.group, 0, names, sizeof names);
    }
    rig_remove_owned(kept.owned, kept.count, "", false);
    rig_remove_tree(directory);
    _exit(0);
}

/* Without a keeper the run is as good; only its being killed leaves things behind. */
void rig_keeper_start(const char *directory)
{
    int fd[2];
    if (pipe(fd) != 0)
        return;
    fflush(NULL);
    keeper = fork();
    if (keeper == 0) {
        close(fd[1]);
        keep(fd[0], directory);
    }
    close(fd[0]);
    fcntl(fd[1], F_SETFD, FD_CLOEXEC);
    fcntl(fd[1], F_SETFL, O_NONBLOCK); /* one that is stopped must not hold the run */
    to_keeper = fd[1];
}

static void tell(char verb, long number, const char *name)
{
    char line[LINE_ROOM];
    if (to_keeper < 0)
        return;
    int n = snprintf(line, sizeof line, "%c %ld\t%s\n", verb, number, name);
    ssize_t ignored = n > 0 && n < (int)sizeof line ? write(to_keeper, line, (size_t)n) : 0;
    (void)ignored;
}

void rig_keeper_group(pid_t group) { tell('g', group, ""); }

void rig_keeper_owns(enum rig_kind kind, const char *name) { tell('o', kind, name); }

void rig_keeper_disowns(enum rig_kind kind, const char *name) { tell('d', kind, name); }

void rig_keeper_end(void)
{
    tell('q', 0, "");
    if (to_keeper >= 0)
        close(to_keeper);
    to_keeper = -1;
    while (keeper > 0 && waitpid(keeper, NULL, 0) < 0 && errno == EINTR) {
    }
}
