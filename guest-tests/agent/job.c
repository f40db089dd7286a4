#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

/* Frames that are kept until the host says that it has them. */
enum { WINDOW = 1024, SPARE = 8, PIECES = 16 };

struct sent {
    char type;
    unsigned char length;
    unsigned char payload[FRAME_PAYLOAD];
};

static struct sent window[WINDOW];
static uint32_t job;   /* 0: none */
static uint32_t next;  /* number of the next frame */
static uint32_t known; /* the host has all frames below this one */
static pid_t command;  /* 0 once it has been waited for */
static pid_t keeper;   /* writes to the scratch disk */
static int output = -1, errors = -1, stored = -1;
static struct extent on_scratch;
static int scratch_error;
static int exited, over;

static void tell(char type, const void *payload, size_t length)
{
    struct sent *slot = &window[next % WINDOW];
    slot->type = type;
    slot->length = (unsigned char)length;
    memcpy(slot->payload, payload, length);
    frame_write(1, type, job, next++, payload, length);
}

static void tell_words(char type, const char *words)
{
    tell(type, words, strlen(words));
}

static void close_one(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

void job_drop(uint32_t id)
{
    if (job == 0 || (id != 0 && id != job))
        return;
    if (command > 0) { /* it may not have its session yet */
        kill(-command, SIGKILL);
        kill(command, SIGKILL);
    }
    if (keeper > 0)
        kill(keeper, SIGKILL);
    command = keeper = 0;
    close_one(&output);
    close_one(&errors);
    close_one(&stored);
    job = 0;
}

static int pipe_to_keep(int ends[2])
{
    if (pipe(ends) != 0)
        return -1;
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    return 0;
}

/* A descriptor that was ready may be another pipe's by now: no reading may wait. */
static void read_at_once(int fd)
{
    fcntl(fd, F_SETFL, O_NONBLOCK);
}

static void as_new(void)
{
    sigset_t none;
    sigemptyset(&none);
    for (int number = 1; number < 32; number++)
        signal(number, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* A process of its own that moves data between a disk and a pipe. */
static int helper_feed(const struct extent *what)
{
    int ends[2];
    if (pipe_to_keep(ends) != 0)
        return -1;
    pid_t child = fork();
    if (child == 0) {
        as_new();
        close(ends[0]);
        close_one(&output);
        close_one(&errors);
        close_one(&stored);
        _exit(payload_feed(what, ends[1]) != 0);
    }
    close(ends[1]);
    if (child > 0)
        return ends[0];
    close(ends[0]);
    return -1;
}

/* Returns the end to write to; the result comes from `stored`. */
static int helper_store(void)
{
    int ends[2], result[2];
    if (pipe_to_keep(ends) != 0)
        return -1;
    if (pipe_to_keep(result) != 0) {
        close(ends[0]);
        close(ends[1]);
        return -1;
    }
    pid_t child = fork();
    if (child == 0) {
        struct {
            struct extent what;
            int error;
        } said;
        as_new();
        close(ends[1]);
        close(result[0]);
        memset(&said, 0, sizeof said);
        said.error = scratch_fill(ends[0], &said.what);
        if (write(result[1], &said, sizeof said) != (ssize_t)sizeof said)
            _exit(1);
        _exit(0);
    }
    close(ends[0]);
    close(result[1]);
    stored = result[0];
    read_at_once(stored);
    if (child > 0) {
        keeper = child;
        return ends[1];
    }
    close(ends[1]);
    close_one(&stored);
    return -1;
}

static void run_it(const char *text, int in, int out, int err)
{
    const char *home = getenv("HOME");
    setsid();
    as_new();
    if (dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0)
        _exit(126);
    if (home == NULL || chdir(home) != 0)
        (void)!chdir("/");
    execl("/bin/sh", "sh", "-c", text, (char *)NULL);
    _exit(127);
}

static void start(const char *text, const struct extent *input, int to_scratch)
{
    int out[2] = {-1, -1}, err[2] = {-1, -1};
    int in;
    if (pipe_to_keep(err) != 0 || (!to_scratch && pipe_to_keep(out) != 0)) {
        tell_words('f', strerror(errno));
        return;
    }
    if (to_scratch)
        out[1] = helper_store();
    in = input->length > 0 ? helper_feed(input) : open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (in >= 0 && out[1] >= 0) {
        command = fork();
        if (command == 0)
            run_it(text, in, out[1], err[1]);
    }
    if (in < 0 || out[1] < 0 || command < 0)
        tell_words('f', strerror(errno));
    if (in >= 0)
        close(in);
    if (out[1] >= 0)
        close(out[1]);
    close(err[1]);
    output = out[0];
    errors = err[0];
    read_at_once(errors);
    if (output >= 0)
        read_at_once(output);
}

static int read_extent(const char **at, struct extent *what)
{
    unsigned long long place, length;
    unsigned int crc;
    int used = 0;
    memset(what, 0, sizeof *what);
    if (**at == ';') {
        ++*at;
        return 1;
    }
    if (sscanf(*at, "%llx,%llx,%x;%n", &place, &length, &crc, &used) != 3 || used == 0)
        return 0;
    what->at = place;
    what->length = length;
    what->crc = crc;
    *at += used;
    return 1;
}

/* "SINK;INPUT;COMMAND;text": extents in hex as place,length,CRC, or nothing; a long command is on the payload disk. */
void job_begin(const struct frame *request)
{
    const char *at = (const char *)request->payload;
    struct extent input, line;
    int to_scratch = *at == 's';
    char *text = NULL;
    if (request->job == 0)
        return;
    if (request->job == job) { /* said twice: the first answer was lost */
        if (next > 0)
            frame_write(1, window[0].type, job, 0, window[0].payload, window[0].length);
        return;
    }
    job_drop(0);
    job = request->job;
    next = known = 0;
    exited = over = scratch_error = 0;
    memset(&on_scratch, 0, sizeof on_scratch);
    tell('a', "", 0);
    at += to_scratch;
    if (*at != ';' || (at++, !read_extent(&at, &input)) || !read_extent(&at, &line)) {
        tell_words('f', "the request was not understood");
    } else if ((input.length > 0 && !payload_good(&input)) || (line.length > 0 && !payload_good(&line))) {
        tell_words('d', disk_payload());
    } else if (line.length > 0 && (text = payload_text(&line)) == NULL) {
        tell_words('f', strerror(ENOMEM));
    } else {
        start(text != NULL ? text : at, &input, to_scratch);
    }
    free(text);
}

/* The host has all frames below this one's number, and asks for some again: "FIRST LAST FIRST LAST ..." in hex. */
void job_acknowledged(const struct frame *request)
{
    const char *at = (const char *)request->payload;
    unsigned int first, last;
    int used = 0;
    char words[16];
    if (request->job != job || job == 0) {
        frame_write(1, 'n', request->job, 0, "", 0);
        return;
    }
    if (request->number > known && request->number <= next)
        known = request->number;
    for (; sscanf(at, "%x %x%n", &first, &last, &used) == 2; at += used) {
        if (first < known)
            first = known;
        for (; first <= last && first < next; first++) {
            struct sent *slot = &window[first % WINDOW];
            frame_write(1, slot->type, job, first, slot->payload, slot->length);
        }
    }
    if (request->length > 0) {
        snprintf(words, sizeof words, "%x", next);
        frame_write(1, 'h', job, 0, words, strlen(words));
    }
    if (over && known == next)
        job = 0;
}

static int room(void)
{
    return next - known < WINDOW - SPARE;
}

int job_select(void *readable, int highest)
{
    int all[] = {output, errors, stored};
    for (int i = 0; i < 3; i++)
        if (all[i] >= 0 && room()) {
            FD_SET(all[i], (fd_set *)readable);
            if (all[i] > highest)
                highest = all[i];
        }
    return highest;
}

static void take(int *from, char type)
{
    unsigned char data[FRAME_PAYLOAD];
    for (int piece = 0; piece < PIECES && room(); piece++) {
        ssize_t got = read(*from, data, sizeof data);
        if (got > 0) {
            tell(type, data, (size_t)got);
        } else if (got == 0 || (errno != EINTR && errno != EAGAIN)) {
            close_one(from);
            return;
        }
        fd_set now;
        struct timeval at_once = {0, 0};
        FD_ZERO(&now);
        FD_SET(*from, &now);
        if (select(*from + 1, &now, NULL, NULL, &at_once) <= 0)
            return;
    }
}

static void take_result(void)
{
    struct {
        struct extent what;
        int error;
    } said;
    ssize_t got = read(stored, &said, sizeof said);
    if (got < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (got == (ssize_t)sizeof said) {
        on_scratch = said.what;
        scratch_error = said.error;
    } else {
        scratch_error = EIO;
    }
    close_one(&stored);
}

static void end_when_over(void)
{
    char words[64];
    if (job == 0 || !exited || over || output >= 0 || errors >= 0 || stored >= 0)
        return;
    over = 1;
    snprintf(words, sizeof words, "%llx,%llx,%x,%x", (unsigned long long)on_scratch.at,
             (unsigned long long)on_scratch.length, (unsigned int)on_scratch.crc, (unsigned int)scratch_error);
    tell_words('z', words);
}

void job_ready(void *readable)
{
    if (output >= 0 && FD_ISSET(output, (fd_set *)readable))
        take(&output, 'o');
    if (errors >= 0 && FD_ISSET(errors, (fd_set *)readable))
        take(&errors, 'e');
    if (stored >= 0 && FD_ISSET(stored, (fd_set *)readable))
        take_result();
    end_when_over();
}

static const char *signal_name(int number)
{
    static const struct {
        int number;
        const char *name;
    } known_signals[] = {
        {SIGHUP, "HUP"},   {SIGINT, "INT"},   {SIGQUIT, "QUIT"}, {SIGILL, "ILL"},   {SIGTRAP, "TRAP"}, {SIGABRT, "ABRT"},
        {SIGBUS, "BUS"},   {SIGFPE, "FPE"},   {SIGKILL, "KILL"}, {SIGUSR1, "USR1"}, {SIGSEGV, "SEGV"}, {SIGUSR2, "USR2"},
        {SIGPIPE, "PIPE"}, {SIGALRM, "ALRM"}, {SIGTERM, "TERM"}, {SIGXCPU, "XCPU"}, {SIGXFSZ, "XFSZ"}, {SIGSYS, "SYS"},
    };
    for (size_t i = 0; i < sizeof known_signals / sizeof *known_signals; i++)
        if (known_signals[i].number == number)
            return known_signals[i].name;
    return "?";
}

void job_reap(void)
{
    int status;
    pid_t who;
    while ((who = waitpid(-1, &status, WNOHANG)) > 0) {
        char words[32];
        if (who == keeper)
            keeper = 0;
        if (who != command || job == 0)
            continue;
        command = 0;
        exited = 1;
        if (WIFSIGNALED(status))
            snprintf(words, sizeof words, "80 %s", signal_name(WTERMSIG(status)));
        else
            snprintf(words, sizeof words, "%x", (unsigned int)WEXITSTATUS(status));
        tell_words('x', words);
    }
    end_when_over();
}
