/* names.c - errno and signal names of both systems. A host reads names, never numbers: EAGAIN is 35 on Darwin. */
#include "internal.h"

struct name {
    int number;
    const char *text;
};
#define N(symbol) {symbol, #symbol}

/* Names both systems have; where two share a number, the first in the table is given. */
static const struct name errnos[] = {
    N(EPERM), N(ENOENT), N(ESRCH), N(EINTR), N(EIO), N(ENXIO), N(E2BIG), N(ENOEXEC), N(EBADF), N(ECHILD), N(EDEADLK),
    N(ENOMEM), N(EACCES), N(EFAULT), N(ENOTBLK), N(EBUSY), N(EEXIST), N(EXDEV), N(ENODEV), N(ENOTDIR), N(EISDIR),
    N(EINVAL), N(ENFILE), N(EMFILE), N(ENOTTY), N(ETXTBSY), N(EFBIG), N(ENOSPC), N(ESPIPE), N(EROFS), N(EMLINK),
    N(EPIPE), N(EDOM), N(ERANGE), N(EAGAIN), N(EINPROGRESS), N(EALREADY), N(ENOTSOCK), N(EDESTADDRREQ), N(EMSGSIZE),
    N(EPROTOTYPE), N(ENOPROTOOPT), N(EPROTONOSUPPORT), N(ESOCKTNOSUPPORT), N(ENOTSUP), N(EPFNOSUPPORT),
    N(EAFNOSUPPORT), N(EADDRINUSE), N(EADDRNOTAVAIL), N(ENETDOWN), N(ENETUNREACH), N(ENETRESET), N(ECONNABORTED),
    N(ECONNRESET), N(ENOBUFS), N(EISCONN), N(ENOTCONN), N(ESHUTDOWN), N(ETOOMANYREFS), N(ETIMEDOUT), N(ECONNREFUSED),
    N(ELOOP), N(ENAMETOOLONG), N(EHOSTDOWN), N(EHOSTUNREACH), N(ENOTEMPTY), N(EUSERS), N(EDQUOT), N(ESTALE),
    N(EREMOTE), N(ENOLCK), N(ENOSYS), N(EOVERFLOW), N(ECANCELED), N(EIDRM), N(ENOMSG), N(EILSEQ), N(EBADMSG),
    N(EMULTIHOP), N(ENODATA), N(ENOLINK), N(ENOSR), N(ENOSTR), N(EPROTO), N(ETIME), N(EOPNOTSUPP), N(ENOTRECOVERABLE),
    N(EOWNERDEAD),
#ifdef __APPLE__
    N(EPROCLIM), N(EBADRPC), N(ERPCMISMATCH), N(EPROGUNAVAIL), N(EPROGMISMATCH), N(EPROCUNAVAIL), N(EFTYPE), N(EAUTH),
    N(ENEEDAUTH), N(EPWROFF), N(EDEVERR), N(EBADEXEC), N(EBADARCH), N(ESHLIBVERS), N(EBADMACHO), N(ENOATTR), N(ENOPOLICY),
    N(EQFULL),
#else
    N(ECHRNG), N(EL2NSYNC), N(EUNATCH), N(EBADE), N(ENONET), N(ECOMM), N(ENOTUNIQ), N(EBADFD), N(EREMCHG), N(ELIBACC),
    N(ERESTART), N(ESTRPIPE), N(EUCLEAN), N(EREMOTEIO), N(ENOMEDIUM), N(EMEDIUMTYPE), N(ENOKEY), N(EKEYEXPIRED),
    N(EKEYREVOKED), N(EKEYREJECTED), N(ERFKILL), N(EHWPOISON),
#endif
};

static const struct name signals[] = {
    N(SIGHUP), N(SIGINT), N(SIGQUIT), N(SIGILL), N(SIGTRAP), N(SIGABRT), N(SIGFPE), N(SIGKILL), N(SIGBUS), N(SIGSEGV),
    N(SIGSYS), N(SIGPIPE), N(SIGALRM), N(SIGTERM), N(SIGURG), N(SIGSTOP), N(SIGTSTP), N(SIGCONT), N(SIGCHLD),
    N(SIGTTIN), N(SIGTTOU), N(SIGIO), N(SIGXCPU), N(SIGXFSZ), N(SIGVTALRM), N(SIGPROF), N(SIGWINCH), N(SIGUSR1),
    N(SIGUSR2),
#ifdef __APPLE__
    N(SIGEMT), N(SIGINFO),
#else
    N(SIGPWR), N(SIGSTKFLT),
#endif
};

/* A number without a name gets a text of its own; a few may be in use at once, as in one check's got and want. */
static const char *numbered(const char *word, int number)
{
    static char texts[4][24];
    static unsigned turn;
    char *text = texts[turn++ % 4];
    snprintf(text, sizeof texts[0], "%s %d", word, number);
    return text;
}

const char *rig_errno_name(int err)
{
    if (err == 0)
        return "0";
    for (size_t i = 0; i < RIG_COUNT(errnos); i++)
        if (errnos[i].number == err)
            return errnos[i].text;
    return numbered("errno", err);
}

const char *rig_signal_name(int sig)
{
    for (size_t i = 0; i < RIG_COUNT(signals); i++)
        if (signals[i].number == sig)
            return signals[i].text;
    return numbered("signal", sig);
}

const char *rig_status_name(int status)
{
    if (WIFSIGNALED(status))
        return rig_signal_name(WTERMSIG(status));
    if (WIFSTOPPED(status))
        return numbered("stopped by", WSTOPSIG(status));
    return numbered("exit", WEXITSTATUS(status));
}
