#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <termios.h>
#include <unistd.h>

static struct termios before;
static int had_terminal;
static int wake[2];

static void leave(int status)
{
    if (had_terminal)
        tcsetattr(0, TCSANOW, &before);
    _exit(status);
}

static void on_end(int number)
{
    (void)number;
    leave(1);
}

static void on_child(int number)
{
    int kept = errno;
    (void)number;
    (void)!write(wake[1], "", 1);
    errno = kept;
}

static void handle(int number, void (*handler)(int))
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = handler;
    sigemptyset(&action.sa_mask);
    sigaction(number, &action, NULL);
}

/* Every byte as it is, both ways, without echo; no key makes a signal. There may be no stty to say so. */
static void make_raw(void)
{
    struct termios raw;
    had_terminal = tcgetattr(0, &before) == 0;
    if (!had_terminal)
        return;
    raw = before;
    raw.c_iflag &= ~(tcflag_t)(BRKINT | ICRNL | IGNCR | INLCR | INPCK | ISTRIP | IXON | IXOFF | PARMRK);
    raw.c_oflag &= ~(tcflag_t)OPOST;
    raw.c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ECHOK | ECHONL | ICANON | ISIG | IEXTEN);
    raw.c_cflag = (raw.c_cflag & ~(tcflag_t)(CSIZE | PARENB)) | CS8;
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    tcsetattr(0, TCSANOW, &raw);
}

static void hello(uint32_t nonce)
{
    char words[FRAME_PAYLOAD];
    snprintf(words, sizeof words, "1 %.100s %.100s", disk_payload(), disk_scratch());
    frame_write(1, 'p', nonce, 0, words, strlen(words));
}

static void answer(const struct frame *request)
{
    switch (request->type) {
    case 'P':
        hello(request->job);
        break;
    case 'S':
        job_begin(request);
        break;
    case 'A':
        job_acknowledged(request);
        break;
    case 'K':
        job_drop(request->job);
        frame_write(1, 'k', request->job, 0, "", 0);
        break;
    default:
        break;
    }
}

/* Ctrl-C and Ctrl-D are in no frame: somebody sits at the console, who shall have the shell. */
static void read_console(void)
{
    static struct frame_reader reader;
    static struct frame request;
    char typed[256];
    ssize_t got = read(0, typed, sizeof typed);
    if (got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN))
        leave(0);
    for (ssize_t i = 0; i < got; i++) {
        if (typed[i] == 3 || typed[i] == 4) {
            job_drop(0);
            leave(0);
        }
        if (frame_byte(&reader, typed[i], &request))
            answer(&request);
    }
}

int main(int argc, char **argv)
{
    if (pipe(wake) != 0)
        return 1;
    for (int i = 0; i < 2; i++) {
        fcntl(wake[i], F_SETFD, FD_CLOEXEC);
        fcntl(wake[i], F_SETFL, O_NONBLOCK);
    }
    disks_find(argc - 1, argv + 1);
    unsetenv("TERM");
    setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 0);
    handle(SIGCHLD, on_child);
    handle(SIGHUP, on_end);
    handle(SIGTERM, on_end);
    handle(SIGINT, SIG_IGN);
    handle(SIGQUIT, SIG_IGN);
    handle(SIGTSTP, SIG_IGN);
    handle(SIGPIPE, SIG_IGN);
    make_raw();
    hello(0);
    for (;;) {
        fd_set readable;
        int highest = wake[0];
        FD_ZERO(&readable);
        FD_SET(0, &readable);
        FD_SET(wake[0], &readable);
        highest = job_select(&readable, highest);
        if (select(highest + 1, &readable, NULL, NULL, NULL) < 0)
            continue; /* a child ended, and has written to the pipe */
        if (FD_ISSET(wake[0], &readable)) {
            char drained[64];
            while (read(wake[0], drained, sizeof drained) > 0)
                ;
        }
        if (FD_ISSET(0, &readable))
            read_console();
        job_ready(&readable);
        job_reap();
    }
}
